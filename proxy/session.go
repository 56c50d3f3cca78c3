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

// session is one client connection and its server connection. Its core is driven
// by an event loop (relay) or by two goroutines: each reads from one side and is
// the only writer of the other.
type session struct {
	id       uint64
	server   *Server
	client   net.Conn // written by serverToClient alone
	upstream net.Conn // written by clientToServer alone
	core     *core    // nil: bytes pass through
	relay    *relay   // nil: two goroutines. Set under server.mu

	draining atomic.Bool
	once     sync.Once
	ended    chan struct{} // closed by end
	gone     chan struct{} // closed by serverToClient: the server is gone
	heard    chan struct{} // closed by clientToServer at its end
	reason   error         // set by end, read after both directions have ended
	loggedIn bool          // of serverToClient, or the loop: the login deadline is lifted
}

// run serves the session until one side ends it and returns why: the reason of
// the direction that ended first, without io.EOF. deadline is that of login.
func (s *session) run(deadline time.Time) error {
	if err := s.server.relayed(s, deadline); err != nil {
		return err
	}
	if s.relay != nil {
		s.relay.run()
	} else {
		var running sync.WaitGroup
		running.Add(2)
		go s.runClientToServer(&running, deadline)
		go s.runServerToClient(&running)
		running.Wait()
	}
	if errors.Is(s.reason, io.EOF) {
		return nil
	}
	return s.reason
}

// end ends both directions: a blocked read or write returns.
func (s *session) end(reason error) {
	s.once.Do(func() {
		s.reason = reason
		close(s.ended)
		_ = s.client.Close()
		_ = s.upstream.Close()
		if s.relay != nil {
			s.relay.stop(reason)
		}
	})
}

// drain makes the session end at its next boundary. The expired deadline wakes
// serverToClient where it waits for an idle server.
func (s *session) drain() {
	s.draining.Store(true)
	if s.relay != nil {
		s.relay.wake()
		return
	}
	_ = s.upstream.SetReadDeadline(time.Unix(1, 0))
}

func (s *session) runClientToServer(running *sync.WaitGroup, deadline time.Time) {
	defer running.Done()
	reason := errPanic
	defer func() {
		if reason != nil { // else serverToClient has one
			s.end(reason)
		}
	}()
	defer close(s.heard)
	defer s.server.recovered()
	reason = s.clientToServer()
	if errors.Is(reason, io.EOF) {
		reason = s.halfClose(deadline)
	}
	select {
	case <-s.gone:
		reason = nil
	default:
	}
}

// halfClose passes on that the client sends nothing more. What the server says to
// what it was sent still reaches the client; behind that Postgres ends the session
// by itself, as it does where the client is gone altogether.
func (s *session) halfClose(deadline time.Time) error {
	c, ok := s.upstream.(interface{ CloseWrite() error })
	if !ok {
		return io.EOF
	}
	if err := c.CloseWrite(); err != nil {
		return err
	}
	login := time.NewTimer(time.Until(deadline))
	defer login.Stop()
	for {
		select {
		case <-s.gone:
			return nil
		case <-s.ended:
			return nil
		case <-login.C:
			if s.core != nil && !s.core.loggedIn() {
				return os.ErrDeadlineExceeded
			}
		}
	}
}

func (s *session) runServerToClient(running *sync.WaitGroup) {
	defer running.Done()
	defer s.end(errPanic)
	defer s.server.recovered()
	err := s.serverToClient()
	if !errors.As(err, new(writeError)) && !errors.Is(err, errDrained) {
		s.linger()
	}
	s.end(err)
}

// lingering is how long a client gets to read what the server said last.
const lingering = time.Second

// linger waits, when the server is gone, until the client has ended the session
// as well: closing at once, with data of the client's unread, would reset its
// connection before it has read what the server said last.
func (s *session) linger() {
	close(s.gone)
	_ = s.client.SetReadDeadline(time.Now().Add(lingering))
	if c, ok := s.client.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
		<-s.heard
	}
}

var (
	errPanic   = errors.New("BUG: panic")
	errDrained = errors.New("pgjanus is shutting down")
	errClosed  = errors.New("pgjanus has closed the session")
)

func (s *session) clientToServer() error {
	if s.core == nil {
		_ = s.client.SetDeadline(time.Time{})
		if _, err := io.Copy(s.upstream, s.client); err != nil {
			return err
		}
		return io.EOF
	}
	p := newPump(s.client, s.upstream, s.server.opts.Metrics.fromClient.Add)
	err := p.run(s.core.client, func() error {
		select {
		case <-s.core.drained:
			return nil
		case <-s.ended:
			return net.ErrClosed
		case <-s.gone:
			return writeError{net.ErrClosed}
		}
	}, nil)
	if errors.As(err, new(writeError)) {
		_, _ = io.Copy(io.Discard, s.client) // until serverToClient has passed on the server's last words
	}
	return err
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
