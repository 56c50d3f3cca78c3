package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// attempts is how often a free port is looked for: between looking and
// listening another process may take it.
const attempts = 10

// errPortTaken says that something else listens on the port.
var errPortTaken = errors.New("the port is taken")

// start runs the server on the port asked for, or on a free one.
func (s *Server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Port != 0 {
		s.port = s.opts.Port
		return s.run(ctx, s.port)
	}
	var err error
	for range attempts {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.run(ctx, s.port); !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// run starts a postmaster and waits until it accepts connections. On error
// none is left running. The caller holds mu.
func (s *Server) run(ctx context.Context, port int) error {
	log, err := os.OpenFile(s.cluster.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // for the server's user to read
	if err != nil {
		return fmt.Errorf("starting Postgres: %w", err)
	}
	from, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return errors.Join(fmt.Errorf("starting Postgres: %w", err), log.Close())
	}
	cmd := exec.Command(filepath.Join(s.cluster.bin, "postgres"), s.opts.arguments(s.cluster, port)...)
	cmd.Dir = s.cluster.dir
	cmd.Env = environment()
	cmd.SysProcAttr = attributes(s.cluster.owner)
	cmd.Stdout, cmd.Stderr = log, log
	if s.opts.Log != nil {
		both := io.MultiWriter(log, s.opts.Log)
		cmd.Stdout, cmd.Stderr = both, both
		cmd.WaitDelay = time.Second // backends of a killed postmaster keep the pipe open
	}
	if s.proc, err = startProcess(cmd, log); err != nil {
		return err
	}
	if err := s.ready(ctx, port); err != nil {
		s.halt()
		return s.startError(err, from, port)
	}
	return nil
}

// ready waits until the server answers on its own socket: on the TCP port
// someone else's might answer.
func (s *Server) ready(ctx context.Context, port int) error {
	cfg, err := pgconn.ParseConfig("user=postgres dbname=postgres sslmode=disable")
	if err != nil {
		return fmt.Errorf("addressing the new server: %w", err)
	}
	cfg.Host, cfg.Port, cfg.Fallbacks = s.cluster.dir, uint16(port), nil
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if conn, err := pgconn.ConnectConfig(ctx, cfg); err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.proc.done:
			return errors.New("the server ended")
		case <-tick.C:
		}
	}
}

// startError adds what the server logged from offset on.
func (s *Server) startError(err error, from int64, port int) error {
	said := s.logged(from)
	if strings.Contains(said, "could not create any TCP/IP sockets") {
		err = fmt.Errorf("%w: %d", errPortTaken, port)
	}
	return fmt.Errorf("starting Postgres in %s: %w\n%s", s.cluster.dir, err, said)
}

// logged returns the end of the log from offset on, at most a few pages of it.
func (s *Server) logged(from int64) string {
	text, err := os.ReadFile(s.cluster.logFile())
	if err != nil || from > int64(len(text)) {
		return ""
	}
	text = text[from:]
	return strings.TrimSpace(string(text[max(0, len(text)-8<<10):]))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // bound to loopback, closed at once
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
