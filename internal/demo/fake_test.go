package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v3"
)

// fakeVariable makes this test binary play pgjanus: a plain relay that claims
// every phase it reads, fills the new shape once, and never writes it again.
const fakeVariable = "DEMO_TEST_PLAYS_PGJANUS"

func TestMain(m *testing.M) {
	if os.Getenv(fakeVariable) == "" {
		os.Exit(m.Run())
	}
	if err := fake(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

type fakeSettings struct {
	Listen, Upstream, Control string
	Admin                     struct{ Listen string }
}

func fake(ctx context.Context, args []string) error {
	var cfg fakeSettings
	config := args[1+indexOf(args, "--config")]
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, &cfg); err != nil {
		return err
	}
	switch args[0] {
	case "serve":
		return fakeServe(cfg, strings.Replace(config, "pgjanus.yaml", "rules.yaml", 1))
	case "backfill":
		return fakeBackfill(ctx, cfg, args[1])
	case "verify":
		return fakeVerify(ctx, cfg, args[1])
	}
	return fmt.Errorf("verb %q", args[0])
}

func indexOf(args []string, flag string) int {
	for i, arg := range args {
		if arg == flag {
			return i
		}
	}
	panic("no " + flag)
}

func fakeServe(cfg fakeSettings, rules string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ready\n") })
	mux.HandleFunc("/api/reload", func(w http.ResponseWriter, _ *http.Request) {
		if text, err := os.ReadFile(rules); err != nil || strings.Contains(string(text), "colums") {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"problems": ["rules.yaml:18:45: unknown key colums"]}`)
			return
		}
		_, _ = io.WriteString(w, `{"epoch": 2, "changes": []}`)
	})
	mux.HandleFunc("/api/status", func(w http.ResponseWriter, _ *http.Request) {
		var file struct {
			Migrations []struct {
				Name, Phase string
				Settled     bool
			}
		}
		text, _ := os.ReadFile(rules)
		_ = yaml.Unmarshal(text, &file)
		var answer []map[string]any
		for _, m := range file.Migrations {
			answer = append(answer, map[string]any{"name": m.Name, "phase": m.Phase, "settled": true})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"ready": true, "migrations": answer})
	})
	go func() { _ = http.ListenAndServe(cfg.Admin.Listen, mux) }()
	signal.Ignore(syscall.SIGHUP)
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return err
	}
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go relay(client, cfg.Upstream)
	}
}

func relay(client net.Conn, upstream string) {
	defer client.Close()
	server, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(server, client); _ = server.(*net.TCPConn).CloseWrite() })
	both.Go(func() { _, _ = io.Copy(client, server); _ = client.(*net.TCPConn).CloseWrite() })
	both.Wait()
}

func fakeBackfill(ctx context.Context, cfg fakeSettings, migration string) error {
	fill := map[string]string{
		orderItems: `INSERT INTO order_items (order_id, sku, qty, price_cents)
			SELECT o.id, i.sku, i.qty, i.price_cents FROM orders o, jsonb_to_recordset(o.items) AS i(sku text, qty int, price_cents int) FOR KEY SHARE OF o`,
		userStatus:    `UPDATE users SET status = 'disabled' WHERE NOT is_active`,
		counterBigint: `UPDATE counters SET id_big = id`,
	}
	conn, err := pgx.Connect(ctx, cfg.Control)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	tag, err := conn.Exec(ctx, fill[migration])
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"migration": migration, "filled": tag.RowsAffected()})
}

func fakeVerify(ctx context.Context, cfg fakeSettings, migration string) error {
	conn, err := pgx.Connect(ctx, cfg.Control)
	if err != nil {
		return err
	}
	defer closeConn(ctx, conn)
	drift, err := crossCheck(ctx, conn, migration)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"migration": migration, "compared": 1000, "drift": drift}); err != nil {
		return err
	}
	if drift > 0 {
		os.Exit(1)
	}
	return nil
}
