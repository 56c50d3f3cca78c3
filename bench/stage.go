package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/pgjanus/pgjanus/internal/pgserver"
)

// stage is everything that runs while we measure. It is made by openStage and
// taken down by Close.
type stage struct {
	dir     string
	pgbench string // path of the binary
	server  *pgserver.Server
	bouncer *child            // nil when not installed or not asked for
	janus   *janus            // nil when not asked for
	extras  map[string]*janus // by route: those with other rules, where they are measured
	ports   map[string]int
	notes   []string
}

// serverSettings keep checkpoints and autovacuum out of the measurement: they
// would hit one variant and spare the next. The tables are vacuumed between runs.
func serverSettings() map[string]string {
	return map[string]string{
		"autovacuum":         "off",
		"checkpoint_timeout": "1h",
		"max_wal_size":       "8GB",
		"shared_buffers":     "512MB",
		"max_connections":    "200",
	}
}

// openStage starts the servers. On error everything it started is stopped.
func openStage(ctx context.Context, opts options, told progress) (*stage, error) {
	s := &stage{ports: make(map[string]int), extras: make(map[string]*janus)}
	if err := s.open(ctx, opts, told); err != nil {
		if cerr := s.Close(); cerr != nil {
			told.sayf("bench: %v", cerr)
		}
		return nil, err
	}
	return s, nil
}

func (s *stage) open(ctx context.Context, opts options, told progress) (err error) {
	if s.pgbench, err = findPgbench(); err != nil {
		return err
	}
	if s.dir, err = os.MkdirTemp("", "pgjanus-bench-"); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	if err := os.Chmod(s.dir, 0o755); err != nil { //nolint:gosec // PgBouncer's user reads its settings there
		return fmt.Errorf("opening %s to other users: %w", s.dir, err)
	}

	told.sayf("starting Postgres and filling four databases")
	if s.server, err = pgserver.Start(ctx, pgserver.Options{Settings: serverSettings()}); err != nil {
		return err
	}
	if opts.uses(direct) {
		s.ports[direct] = s.server.Port()
	}
	if err := s.createDatabases(ctx); err != nil {
		return err
	}
	if err := s.writeScripts(); err != nil {
		return err
	}
	if opts.uses(pgbouncer) {
		if err := s.openBouncer(ctx); err != nil {
			return err
		}
	}
	if opts.uses(pgjanus) {
		told.sayf("building and starting pgjanus")
		if s.janus, err = startJanus(ctx, s.dir, s.server.DSN(rulesDB), s.server.Port()); err != nil {
			return err
		}
		s.ports[pgjanus] = s.janus.port
		if len(opts.pick(guardGroups(map[string]bool{pgjanus: true}))) > 0 {
			return s.openExtras(ctx)
		}
	}
	return nil
}

func (s *stage) openBouncer(ctx context.Context) error {
	binary, err := lookPath("pgbouncer", "/usr/sbin/pgbouncer")
	if err != nil {
		s.notes = append(s.notes, "PgBouncer is not installed: the rivals of pgjanus are reached directly, one hop fewer than is fair")
		s.ports[direct] = s.server.Port()
		return nil
	}
	var port int
	if s.bouncer, port, err = startBouncer(ctx, binary, s.dir, s.server.Port()); err != nil {
		return err
	}
	s.ports[pgbouncer] = port
	return nil
}

// routes lists the ways to Postgres that work, nearest first.
func (s *stage) routes() []string {
	var out []string
	for _, r := range []string{direct, pgbouncer, pgjanus} {
		if s.ports[r] != 0 {
			out = append(out, r)
		}
	}
	return out
}

// proxy returns the process whose CPU time a route costs; nil when there is none.
func (s *stage) proxy(route string) *child {
	switch {
	case route == pgbouncer:
		return s.bouncer
	case route == pgjanus && s.janus != nil:
		return s.janus.child
	case s.extras[route] != nil:
		return s.extras[route].child
	}
	return nil
}

// Close stops what runs, the proxies first, and removes the files.
func (s *stage) Close() error {
	if s.janus != nil {
		s.janus.stop()
	}
	for _, j := range s.extras {
		j.stop()
	}
	s.bouncer.stop()
	if s.server != nil {
		if err := s.server.Stop(); err != nil {
			return fmt.Errorf("stopping Postgres: %w", err)
		}
	}
	if s.dir == "" {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("removing %s: %w", s.dir, err)
	}
	return nil
}

// findPgbench prefers the binary beside the server's over the PATH, where
// Debian has a wrapper that takes its time.
func findPgbench() (string, error) {
	bin, err := pgserver.Bin()
	if err != nil {
		return "", err
	}
	path, err := lookPath(filepath.Join(bin, "pgbench"), "pgbench")
	if err != nil {
		return "", fmt.Errorf("looking for pgbench: install it (Debian, Ubuntu: apt-get install postgresql-contrib): %w", err)
	}
	return path, nil
}

// lookPath returns the first of names that is executable.
func lookPath(names ...string) (path string, err error) {
	for _, name := range names {
		if path, err = exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", err
}

// initPgbench fills the tables of pgbench.
func (s *stage) initPgbench(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, s.pgbench, "-i", "-q", "-s", strconv.Itoa(scale), "-I", "dtgvp",
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.server.Port()), "-U", "postgres", rulesDB)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("filling the tables of pgbench: %w\n%s", err, out)
	}
	return nil
}
