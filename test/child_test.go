package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/proxy"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// childVariable makes this test binary a proxy in front of the DSN it holds.
const childVariable = "PGJANUS_TEST_CHILD"

// child is a proxy in a process of its own, to be killed.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer // the child ends when it is closed, so also when we die
	dsn   string
}

// newChild starts a proxy whose migrations are all in dualwrite. The phases must be
// recorded already.
func newChild(t *testing.T, dsn string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+dsn)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, stdin: stdin}
	t.Cleanup(c.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not say where it listens: %v", err)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	c.dsn = fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", config.User, strings.TrimSpace(line), config.Database)
	return c
}

// kill ends the child by SIGKILL and waits for it. It may be called again.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may be gone already
	_ = c.cmd.Wait()         // which says that it was killed
	_ = c.stdin.Close()
}

// runChild is the whole life of the child process. It returns the exit code.
func runChild(dsn string) int {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := serveChild(ctx, dsn); err != nil {
		fmt.Fprintln(os.Stderr, "the child proxy:", err)
		return 1
	}
	return 0
}

func serveChild(ctx context.Context, dsn string) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	defer conn.Close(context.Background())
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules("dualwrite")))
	if err != nil {
		return err
	}
	snap, err := catalog.Load(ctx, conn, rewrite.Request(set))
	if err != nil {
		return err
	}
	planner, err := rewrite.Compile(set, snap, 1)
	if err != nil {
		return err
	}
	if err := conn.Close(ctx); err != nil {
		return err
	}
	server := proxy.New(proxy.Options{
		Upstream: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), Database: config.Database,
		Metrics: proxy.NewMetrics(prometheus.NewRegistry()), LoginTimeout: 5 * time.Second,
	})
	server.Use(planner)
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return server.Serve(ctx, ln)
}
