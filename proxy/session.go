package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// session is one client connection and its server connection. Two goroutines
// drive its core: each reads from one side and is the only writer of the other.
type session struct {
	id       uint64
	server   *Server
	client   net.Conn // written by serverToClient alone
	upstream net.Conn // written by clientToServer alone
	core     *core    // nil: bytes pass through

	draining atomic.Bool
	once     sync.Once
	ended    chan struct{} // closed by close
	// reading and writing are switched to true when login is complete.
	loggedIn bool // of serverToClient
}

// run serves the session until one side ends it and returns why.
func (s *session) run() error {
	reasons := make(chan error, 2)
	go s.runClientToServer(reasons)
	go s.runServerToClient(reasons)
	reason := <-reasons
	s.close()
	<-reasons
	return reason
}

// close ends both directions: a blocked read or write returns.
func (s *session) close() {
	s.once.Do(func() {
		close(s.ended)
		_ = s.client.Close()
		_ = s.upstream.Close()
	})
}

// drain makes the session end at its next boundary. The expired deadline wakes
// serverToClient where it waits for an idle server.
func (s *session) drain() {
	s.draining.Store(true)
	_ = s.upstream.SetReadDeadline(time.Unix(1, 0))
}

func (s *session) runClientToServer(reasons chan<- error) {
	defer s.server.recovered()
	reason := error(errPanic)
	defer func() { s.close(); reasons <- reason }()
	reason = s.clientToServer()
}

func (s *session) runServerToClient(reasons chan<- error) {
	defer s.server.recovered()
	reason := error(errPanic)
	defer func() { s.close(); reasons <- reason }()
	reason = s.serverToClient()
}

var (
	errPanic   = errors.New("BUG: panic")
	errDrained = errors.New("pgjanus is shutting down")
)

func (s *session) clientToServer() error {
	if s.core == nil {
		_ = s.client.SetDeadline(time.Time{})
		_, err := io.Copy(s.upstream, s.client)
		return err
	}
	p := newPump(s.client, s.upstream, s.server.opts.Metrics.fromClient.Add)
	return p.run(s.core.client, func() error {
		select {
		case <-s.core.drained:
			return nil
		case <-s.ended:
			return net.ErrClosed
		}
	}, nil)
}

func (s *session) serverToClient() error {
	if s.core == nil {
		_, err := io.Copy(s.client, s.upstream)
		return err
	}
	p := newPump(s.upstream, s.client, s.server.opts.Metrics.fromServer.Add)
	for {
		err := p.run(s.core.server, nil, s.afterServer)
		if errors.Is(err, os.ErrDeadlineExceeded) && s.draining.Load() {
			_ = s.upstream.SetReadDeadline(time.Time{})
			if err = s.afterServer(); err == nil {
				continue
			}
		}
		return err
	}
}

// afterServer runs when the server's bytes were passed on.
func (s *session) afterServer() error {
	if !s.loggedIn && s.core.loggedIn() {
		s.loggedIn = true
		_ = s.client.SetDeadline(time.Time{})
	}
	if s.draining.Load() && s.core.idle() {
		_, _ = s.client.Write(fatal(codeShutdown, "terminating connection due to administrator command", "").append(nil))
		return errDrained
	}
	return nil
}

func (c *core) loggedIn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ready
}
