package proxy

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rewrite"
)

// Options say how a Server works.
type Options struct {
	// Upstream is the Postgres server: host:port, or the path of a unix socket.
	Upstream string
	// Database is the one the rules are about. Sessions to others pass through
	// untouched.
	Database string
	// LoginTimeout bounds everything up to the first ReadyForQuery.
	LoginTimeout time.Duration
	// MaxStatement is the longest text, in bytes, that is parsed; longer ones
	// that may concern a migration are refused. 0 means no limit.
	MaxStatement int
	// MaxSessions is how many sessions may be open at once; 0 means no limit.
	MaxSessions int
	// Loops is how many event loops drive sessions; 0 means that each session has
	// two goroutines instead, which costs more. Only Linux has loops.
	Loops int
	// Drain is how long Serve waits at its end for sessions to get between two
	// transactions.
	Drain time.Duration
	// CatalogChanged, if set, is called when DDL of a session has taken effect.
	// It must not block.
	CatalogChanged func()
	// Usage, if set, remembers the statements that touch a migration.
	Usage   *usage.Table
	Log     *zap.Logger
	Metrics *Metrics
}

// Server accepts client connections and opens one server connection for each.
type Server struct {
	opts    Options
	dial    func(ctx context.Context) (net.Conn, error)
	planner atomic.Pointer[rewrite.Planner]
	ids     atomic.Uint64
	loops   loops

	mu       sync.Mutex // guards what follows
	sessions map[*session]struct{}
	draining bool
	running  sync.WaitGroup
}

// New makes a Server that accepts no session until Use gives it rules.
func New(opts Options) *Server {
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.LoginTimeout == 0 {
		opts.LoginTimeout = time.Minute
	}
	network := "tcp"
	if strings.HasPrefix(opts.Upstream, "/") {
		network = "unix"
	}
	dialer := &net.Dialer{Timeout: opts.LoginTimeout}
	return &Server{
		opts:     opts,
		dial:     func(ctx context.Context) (net.Conn, error) { return dialer.DialContext(ctx, network, opts.Upstream) },
		sessions: map[*session]struct{}{},
	}
}

// Use puts rules into force: sessions take them at their next transaction
// boundary. With nil, new sessions are refused (57P03).
func (s *Server) Use(p *rewrite.Planner) { s.planner.Store(p) }

// Settled reports whether no session has a transaction open that began under an
// epoch before that one.
func (s *Server) Settled(epoch uint64) bool {
	for _, sess := range s.open() {
		if sess.core.behind(epoch) {
			return false
		}
	}
	return true
}

// SessionInfo describes an open session.
type SessionInfo struct {
	ID    uint64
	Epoch uint64
}

// Sessions lists the open sessions that the rules are about.
func (s *Server) Sessions() []SessionInfo {
	open := s.open()
	infos := make([]SessionInfo, len(open))
	for i, sess := range open {
		infos[i] = SessionInfo{ID: sess.id, Epoch: sess.core.epoch()}
	}
	return infos
}

func (s *Server) open() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*session, 0, len(s.sessions))
	for sess := range s.sessions {
		if sess.core != nil {
			open = append(open, sess)
		}
	}
	return open
}

// Serve accepts connections until ctx ends; then it accepts no more, ends each
// session as soon as it is between two transactions, and returns when all have
// ended, after Options.Drain at the latest.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	if err := s.loops.start(s, s.opts.Loops); err != nil {
		return err
	}
	defer s.loops.stop()
	sessions, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	err := s.accept(ctx, sessions, ln)
	s.drain()
	done := make(chan struct{})
	go s.waitForSessions(done)
	select {
	case <-done:
	case <-time.After(s.opts.Drain):
		s.closeSessions()
		cancel()
		<-done
	}
	return err
}

func (s *Server) waitForSessions(done chan struct{}) {
	s.running.Wait()
	close(done)
}

func (s *Server) accept(ctx, sessions context.Context, ln net.Listener) error {
	for backoff := time.Millisecond; ; {
		conn, err := ln.Accept()
		if err == nil {
			backoff = time.Millisecond
			s.running.Add(1)
			go s.handle(sessions, conn)
			continue
		}
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return nil
		}
		s.opts.Log.Error("accepting a connection failed", zap.Error(err), zap.Duration("retry_in", backoff))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(backoff): // out of file descriptors, most likely
			backoff = min(2*backoff, time.Second)
		}
	}
}

// drain tells every session, and those to come, to end at the next boundary.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for sess := range s.sessions {
		sess.drain()
	}
}

func (s *Server) closeSessions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sess := range s.sessions {
		sess.end(errClosed)
	}
}

// Close ends every session at once.
func (s *Server) Close() error {
	s.drain()
	s.closeSessions()
	s.running.Wait()
	return nil
}

// add registers a session; false when there are too many, or no more are taken.
func (s *Server) add(sess *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noPlace() {
		return false
	}
	s.sessions[sess] = struct{}{}
	s.opts.Metrics.sessions.Inc()
	return true
}

// noPlace is full for who holds mu.
func (s *Server) noPlace() bool {
	return s.draining || (s.opts.MaxSessions > 0 && len(s.sessions) >= s.opts.MaxSessions)
}

// full reports whether add would say no at this moment.
func (s *Server) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noPlace()
}

// relayed hands a session to a loop, if there are any.
func (s *Server) relayed(sess *session, deadline time.Time) error {
	if sess.core == nil {
		return nil
	}
	r, err := s.loops.take(sess, deadline)
	s.mu.Lock()
	defer s.mu.Unlock()
	sess.relay = r
	return err
}

func (s *Server) remove(sess *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, sess)
	s.opts.Metrics.sessions.Dec()
}
