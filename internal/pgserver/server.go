package pgserver

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"sync"
)

// Server is a running Postgres. Its methods may be called from any goroutine.
type Server struct {
	opts    Options
	cluster cluster
	port    int

	mu      sync.Mutex
	proc    *process // nil when not running
	stopped bool
}

// Start makes a cluster and runs a server on it, which accepts connections
// when Start returns. ctx bounds the start, not the life, of the server; who
// starts it must Stop it.
func Start(ctx context.Context, opts Options) (*Server, error) {
	c, err := newCluster(ctx, opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, cluster: c}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, c.remove())
	}
	return s, nil
}

// DSN returns the address of a database over TCP. There is no password.
func (s *Server) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.User("postgres"),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database,
	}
	return u.String()
}

// Port returns the TCP port on 127.0.0.1. It stays the same over a Restart.
func (s *Server) Port() int { return s.port }

// SocketDir returns the directory of the Unix socket, which is also that of
// the cluster (data) and the log (postgres.log).
func (s *Server) SocketDir() string { return s.cluster.dir }

// PID returns the process id of the postmaster, or 0 when it is not running.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc == nil {
		return 0
	}
	select {
	case <-s.proc.done:
		return 0
	default:
		return s.proc.cmd.Process.Pid
	}
}

// Stop shuts the server down, disconnecting its clients, waits for it, and
// removes its directory. It works on a server that was killed, too. Calling it
// again does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	s.stopped = true
	s.halt()
	return s.cluster.remove()
}

// Restart shuts the server down if it still runs, and starts it again on the
// same data and port.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return errors.New("restarting Postgres: it was stopped and its data removed; start a new one")
	}
	s.halt()
	return s.run(ctx, s.port)
}

// halt ends every process of the server. The caller holds mu.
func (s *Server) halt() {
	if s.proc != nil {
		s.proc.stop()
		s.proc = nil
	}
	killOrphans(s.cluster.data())
}
