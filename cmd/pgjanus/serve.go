package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/pgjanus/pgjanus/admin"
	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/internal/live"
	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/proxy"
	"github.com/pgjanus/pgjanus/rewrite"
)

func newServeCommand(g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the proxy",
		Long: `Runs the proxy until SIGINT or SIGTERM; then it is not ready any more, takes
no new session, and ends each session between two transactions, within the
setting drain. SIGHUP, a change of the rules file and POST /api/reload load the
rules anew. Logs go to stderr.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			return g.serve(cmd.Context(), settings)
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// serve puts the process together and runs it until ctx ends.
func (g *global) serve(ctx context.Context, settings *config.Settings) error {
	log, err := newLogger(settings.Log, g.err)
	if err != nil {
		return err
	}
	control, err := pgconn.ParseConfig(settings.Control)
	if err != nil {
		return fmt.Errorf("reading the setting control: %w", err)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	clients, err := net.Listen("tcp", settings.Listen)
	if err != nil {
		return fmt.Errorf("opening the setting listen: %w", err)
	}
	defer func() { _ = clients.Close() }()
	operators, err := net.Listen("tcp", settings.Admin.Listen)
	if err != nil {
		return fmt.Errorf("opening the setting admin.listen: %w", err)
	}
	defer func() { _ = operators.Close() }()

	var seen *usage.Table // nil remembers nothing
	if settings.Usage.Entries > 0 {
		seen = usage.New(usage.Options{Entries: settings.Usage.Entries, Window: settings.Usage.Window, Log: log, Metrics: usage.NewMetrics(registry)})
	}
	var server *proxy.Server
	rules := live.New(live.Options{
		RulesFile:   settings.Rules,
		Control:     settings.Control,
		CatalogPoll: settings.CatalogPoll,
		Use:         func(p *rewrite.Planner) { server.Use(p) },
		Usage:       seen,
		StrictFlips: settings.StrictFlips,
		Log:         log,
		Metrics:     live.NewMetrics(registry),
	})
	server = proxy.New(proxy.Options{
		Loops:          threads(settings.Limits.Threads),
		Upstream:       settings.Upstream,
		Database:       control.Database,
		LoginTimeout:   settings.Limits.LoginTimeout,
		MaxStatement:   settings.Limits.MaxStatementBytes,
		MaxSessions:    settings.Limits.MaxSessions,
		Drain:          settings.Drain,
		CatalogChanged: rules.CatalogChanged,
		Usage:          seen,
		Log:            log,
		Metrics:        proxy.NewMetrics(registry),
	})
	web := admin.New(admin.Options{
		Version:    version(),
		State:      func() admin.State { return admin.State(rules.State()) },
		Reload:     reloader(rules),
		Statements: seen.Report,
		Sessions:   func() map[uint64]int { return byEpoch(server.Sessions()) },
		Settled:    server.Settled,
		Upstream:   admin.Probe(settings.Upstream),
		Gatherer:   registry,
		Log:        log,
	})

	log.Info("listening",
		zap.String("version", version()),
		zap.Stringer("listen", clients.Addr()),
		zap.Stringer("admin", operators.Addr()),
		zap.String("upstream", settings.Upstream),
		zap.String("database", control.Database),
		zap.String("rules", settings.Rules))

	// What serves the sessions outlives them: rules and API go on while the
	// proxy drains.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	support, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var group errgroup.Group
	for _, serve := range []func(context.Context) error{
		rules.Serve,
		seen.Serve,
		func(ctx context.Context) error { return web.Serve(ctx, operators) },
		func(ctx context.Context) error { return reloadOnHangup(ctx, hangups, rules) },
	} {
		group.Go(func() error {
			defer cancel() // none ends before the others unless it failed
			return serve(support)
		})
	}
	context.AfterFunc(ctx, func() {
		web.Drain()
		log.Info("stopping: waiting for sessions to end", zap.Duration("at_most", settings.Drain))
	})
	err = server.Serve(ctx, clients)
	stop()
	err = errors.Join(err, group.Wait())
	log.Info("stopped", zap.Error(err))
	return err
}

// threads returns how many loops serve the sessions (see limits.threads), and
// lets Go run one thread more: a loop that waits keeps its place then, where the
// only one would be taken from it and have to be got back every time.
func threads(n int) int {
	if n == 0 && os.Getenv("GOMAXPROCS") == "" {
		n = max(1, runtime.NumCPU()/2)
	}
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	runtime.GOMAXPROCS(n + 1)
	return n
}

// reloader adapts Reload to the admin API.
func reloader(rules *live.Live) func(context.Context, string, live.Strictness) (admin.Reloaded, error) {
	return func(ctx context.Context, source string, strictness live.Strictness) (admin.Reloaded, error) {
		report, err := rules.ReloadWith(ctx, source, strictness)
		if err != nil {
			return admin.Reloaded{}, err
		}
		return admin.Reloaded(*report), nil
	}
}

// reloadOnHangup loads the rules at every hangup until ctx ends.
func reloadOnHangup(ctx context.Context, hangups <-chan os.Signal, rules *live.Live) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangups:
			_, _ = rules.Reload(ctx, "SIGHUP") // logged, and kept in the state
		}
	}
}

func byEpoch(sessions []proxy.SessionInfo) map[uint64]int {
	count := map[uint64]int{}
	for _, s := range sessions {
		count[s.Epoch]++
	}
	return count
}
