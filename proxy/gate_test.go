package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// patience bounds what a test waits for; none comes near it.
const patience = 20 * time.Second

// gate is a running Server.
type gate struct {
	t       testing.TB
	server  *Server
	addr    string
	planner *rewrite.Planner
	stop    context.CancelFunc // begins the shutdown
	done    chan error         // what Serve returned
}

// noLeaks looks for goroutines when everything that is set up behind it has
// been torn down.
func noLeaks(t testing.TB) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, pgtest.IgnoreServer()) })
}

// gateLoops is how many loops a gate has; 0 for sessions of two goroutines.
var gateLoops = 1

// newGate starts a Server with rules in force.
func newGate(t testing.TB, opts Options) *gate {
	t.Helper()
	opts.Metrics = NewMetrics(prometheus.NewRegistry())
	opts.Loops = gateLoops
	if opts.LoginTimeout == 0 {
		opts.LoginTimeout = patience
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g := &gate{
		t: t, server: New(opts), addr: ln.Addr().String(),
		planner: canonical(t, "dualwrite", 7), stop: stop, done: make(chan error, 1),
	}
	g.server.Use(g.planner)
	go func() { g.done <- g.server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-g.done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return g
}

// postgresGate starts a Server in front of a database of the test's own, and
// returns the DSN of that database itself, too.
func postgresGate(t testing.TB, opts Options) (g *gate, direct string) {
	t.Helper()
	noLeaks(t)
	direct = pgtest.Database(t)
	config := parse(t, direct)
	opts.Upstream = net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	opts.Database = config.Database
	return newGate(t, opts), direct
}

func parse(t testing.TB, dsn string) *pgx.ConnConfig {
	t.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// dsn is the address of a database through the gate.
func (g *gate) dsn(database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", g.addr, database)
}

// fakeUpstream accepts connections and hands each to serve.
func fakeUpstream(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

// rawClient is a connection that speaks the protocol by hand.
type rawClient struct {
	t testing.TB
	net.Conn
}

func (g *gate) raw() *rawClient {
	g.t.Helper()
	return dialRaw(g.t, g.addr)
}

func dialRaw(t testing.TB, addr string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &rawClient{t, conn}
}

func (c *rawClient) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) read(n int) string {
	c.t.Helper()
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		c.t.Fatalf("%v after %q", err, b)
	}
	return string(b)
}

// rest reads to the end of the connection.
func (c *rawClient) rest() []byte {
	b, _ := io.ReadAll(c)
	return b
}

const (
	sslRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"
	gssRequest = "\x00\x00\x00\x08\x04\xd2\x16\x30"
)

// startupPacket builds a StartupMessage.
func startupPacket(version uint32, params ...string) []byte {
	body := []byte{byte(version >> 24), byte(version >> 16), byte(version >> 8), byte(version)}
	for _, p := range params {
		body = appendCString(body, p)
	}
	body = append(body, 0)
	n := len(body) + 4
	return append([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, body...)
}

const version3 = 3 << 16

func wantError(t testing.TB, b []byte, code string) {
	t.Helper()
	if len(b) < headerSize || b[0] != 'E' {
		t.Fatalf("got %q, want an error %s", b, code)
	}
	var e pgproto3.ErrorResponse
	if err := e.Decode(b[headerSize:frameSize(b)]); err != nil || e.Code != code {
		t.Fatalf("got %+v (%v), want %s", e, err, code)
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// active reports whether a backend runs a query that contains text.
func active(t testing.TB, direct, text string) bool {
	t.Helper()
	return pgtest.Value[bool](t, direct, `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE state = 'active' AND datname = current_database() AND pid <> pg_backend_pid() AND position($1 IN query) > 0)`, text)
}
