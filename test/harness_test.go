package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync/atomic"
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

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childVariable); dsn != "" {
		os.Exit(runChild(dsn))
	}
	os.Exit(pgtest.Main(m))
}

// gate is a running proxy in front of a database of the test's own.
type gate struct {
	t      testing.TB
	direct string // DSN of the database itself
	dsn    string // DSN through the proxy
	server *proxy.Server
	counts *prometheus.Registry
	epoch  atomic.Uint64
	addr   string
	// planner is the one in force. It belongs to the test's own goroutine.
	planner *rewrite.Planner
}

// newGate starts a proxy in front of the canonical tables, all migrations off.
func newGate(t testing.TB, rows int) *gate {
	t.Helper()
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Canon(t, g.direct, rows)
	g.serve()
	g.phase("off")
	return g
}

// newGateOver is a gate to a database with what sql makes, and without rules.
func newGateOver(t testing.TB, sql ...string) *gate {
	t.Helper()
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, g.direct, sql...)
	g.serve()
	return g
}

func (g *gate) serve() {
	g.t.Helper()
	config, err := pgx.ParseConfig(g.direct)
	if err != nil {
		g.t.Fatal(err)
	}
	g.counts = prometheus.NewRegistry()
	g.server = proxy.New(proxy.Options{
		Loops:    2,
		Upstream: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), Database: config.Database,
		Metrics: proxy.NewMetrics(g.counts), LoginTimeout: 5 * time.Second,
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.server.Serve(ctx, ln) }()
	g.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			g.t.Errorf("Serve: %v", err)
		}
	})
	g.dsn = fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", g.addr, config.Database)
}

// phase puts every canonical migration into a phase and returns the epoch.
func (g *gate) phase(phase string) uint64 {
	g.t.Helper()
	return g.use(pgtest.CanonRules(phase))
}

// use puts a rules file into force.
func (g *gate) use(text string) uint64 {
	g.t.Helper()
	p := g.compile(text)
	g.server.Use(p)
	g.planner = p
	return p.Epoch()
}

func (g *gate) compile(text string) *rewrite.Planner {
	g.t.Helper()
	ctx := context.Background()
	set, err := rules.Parse("rules.yaml", []byte(text))
	if err != nil {
		g.t.Fatal(err)
	}
	conn := pgtest.Connect(g.t, g.direct)
	defer conn.Close(ctx)
	snap, err := catalog.Load(ctx, conn, rewrite.Request(set))
	if err != nil {
		g.t.Fatal(err)
	}
	p, err := rewrite.Compile(set, snap, g.epoch.Add(1))
	if err != nil {
		g.t.Fatal(err)
	}
	install(g.t, g.direct, set)
	return p
}

// connect opens a client connection through the proxy.
func (g *gate) connect(mode pgx.QueryExecMode) *pgx.Conn {
	g.t.Helper()
	config, err := pgx.ParseConfig(g.dsn)
	if err != nil {
		g.t.Fatal(err)
	}
	config.DefaultQueryExecMode = mode
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
