package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/internal/usage"
)

// handle serves one client connection from accept to close. It owns conn.
func (s *Server) handle(ctx context.Context, conn net.Conn) {
	defer s.running.Done()
	defer conn.Close()
	defer s.recovered()
	deadline := time.Now().Add(s.opts.LoginTimeout)
	_ = conn.SetDeadline(deadline)
	first, err := readStartup(conn)
	switch {
	case errors.Is(err, errProtocol) || errors.Is(err, errVersion) || errors.Is(err, errDirectTLS):
		s.opts.Metrics.sessionsTotal.WithLabelValues("refused").Inc()
		s.opts.Log.Info("connection refused", zap.String("client", conn.RemoteAddr().String()), zap.Error(err))
		switch {
		case errors.Is(err, errVersion):
			s.refuse(conn, fatal(codeRefused, err.Error(), ""))
		case errors.Is(err, errProtocol):
			s.refuse(conn, fatal(codeProtocol, "pgjanus: "+err.Error(), ""))
		}
	case err != nil: // a probe, or a client that changed its mind
		s.opts.Metrics.sessionsTotal.WithLabelValues("failed").Inc()
		s.opts.Log.Debug("connection closed before a startup packet", zap.String("client", conn.RemoteAddr().String()), zap.Error(err))
	case first.cancel:
		s.cancel(ctx, conn, first)
	default:
		s.begin(ctx, conn, first, deadline)
	}
}

// recovered keeps a bug of ours from taking the other sessions down.
func (s *Server) recovered() {
	if r := recover(); r != nil {
		s.opts.Metrics.panics.Inc()
		s.opts.Log.Error("BUG: session ended by a panic", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
	}
}

// refuse answers a startup packet with an error.
func (s *Server) refuse(conn net.Conn, e wireError) {
	_, _ = conn.Write(e.append(nil))
}

// begin opens the server connection of a session and runs it.
func (s *Server) begin(ctx context.Context, conn net.Conn, first *startup, deadline time.Time) {
	planner := s.planner.Load()
	if planner == nil {
		s.opts.Metrics.sessionsTotal.WithLabelValues("refused").Inc()
		s.refuse(conn, fatal(codeStarting, "pgjanus has no valid rules yet and accepts no sessions",
			"The operator finds the reason in pgjanus's log and at /readyz."))
		return
	}
	if s.full() { // before Postgres starts a backend for it
		s.turnAway(conn)
		return
	}
	upstream, err := s.dial(ctx)
	if err != nil {
		s.opts.Metrics.sessionsTotal.WithLabelValues("failed").Inc()
		s.opts.Log.Error("connecting to Postgres failed", zap.Error(err))
		s.refuse(conn, fatal(codeStarting, "pgjanus could not connect to Postgres", "Is the server at the upstream address running?"))
		return
	}
	defer upstream.Close()

	sess := &session{id: s.ids.Add(1), server: s, client: conn, upstream: upstream, ended: make(chan struct{}), gone: make(chan struct{}), heard: make(chan struct{})}
	kind := "proxied"
	if first.database() != s.opts.Database || first.replication() {
		kind = "passthrough"
	} else {
		sess.core = newCore(s.planner.Load, coreLimits{statement: s.opts.MaxStatement, login: maxLoginMessage}, s.opts.Metrics)
		sess.core.changed = s.opts.CatalogChanged
		sess.core.seen = s.opts.Usage
		sess.core.sender = &usage.Client{Application: first.params["application_name"], User: first.params["user"]}
	}
	if !s.add(sess) {
		s.turnAway(conn)
		return
	}
	defer s.remove(sess)
	s.opts.Metrics.sessionsTotal.WithLabelValues(kind).Inc()
	log := s.opts.Log.With(zap.Uint64("session", sess.id), zap.String("client", conn.RemoteAddr().String()),
		zap.String("user", first.params["user"]), zap.String("database", first.database()),
		zap.String("application", first.params["application_name"]))
	opened := time.Now()
	log.Info("session opened", zap.String("kind", kind))
	if _, err := upstream.Write(first.raw); err != nil {
		log.Info("session closed", zap.NamedError("reason", err))
		return
	}
	reason := sess.run(deadline)
	log.Info("session closed", zap.Duration("after", time.Since(opened)), zap.NamedError("reason", reason))
}

// turnAway refuses a session for which there is no place.
func (s *Server) turnAway(conn net.Conn) {
	s.opts.Metrics.sessionsTotal.WithLabelValues("refused").Inc()
	s.refuse(conn, fatal(codeTooMany, "sorry, too many clients already", "limits.max_sessions of pgjanus is reached, or it is shutting down."))
}

// maxLoginMessage bounds messages before login is complete (PG_MAX_AUTH_TOKEN_LENGTH
// in libpq/auth.h, with room).
const maxLoginMessage = 128 << 10

// cancelTimeout bounds the forwarding of a cancel request.
const cancelTimeout = 10 * time.Second

// cancel forwards a cancel request, whose key is the server's own, and keeps
// the client's connection open until the server closes its: libpq takes that
// for the sign that the cancel was dealt with.
func (s *Server) cancel(ctx context.Context, conn net.Conn, first *startup) {
	s.opts.Metrics.sessionsTotal.WithLabelValues("cancel").Inc()
	s.opts.Metrics.cancels.Inc()
	upstream, err := s.dial(ctx)
	if err != nil {
		s.opts.Log.Error("connecting to Postgres for a cancel request failed", zap.Error(err))
		return
	}
	defer upstream.Close()
	_ = upstream.SetDeadline(time.Now().Add(cancelTimeout))
	if _, err := upstream.Write(first.raw); err == nil {
		_, _ = io.Copy(io.Discard, upstream)
	}
}
