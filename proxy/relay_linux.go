package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// relay is a session that a loop drives. Everything in it belongs to the loop.
type relay struct {
	session *session
	loop    *loop
	client  side
	server  side
	login   *time.Timer // ends the session if login is not complete by then
	over    chan struct{}
	reason  error // the server is gone; what the client still sends is dropped
}

// side is one of the two sockets of a relay.
type side struct {
	relay *relay
	peer  *side
	fd    int
	feed  func(in []byte, out *batch) (int, need, error)
	count func(float64)

	events uint32 // what the loop waits for
	kept   []byte // read from the socket, and not dealt with yet
	wants  int    // how many bytes a frame that is needed whole has
	waits  bool   // for the core's queue to drain
	unsent []byte // to be written to the socket
	sent   int    // how many of unsent have been
	broken bool   // of the server: it takes nothing more, but may have said why
	ended  bool   // of the client: it sends nothing more, but may still read
}

// unwatched is the events of a socket that the loop does not know.
const unwatched = ^uint32(0)

// newRelay takes over both connections of a session.
func newRelay(l *loop, s *session, deadline time.Time) (*relay, error) {
	r := &relay{session: s, loop: l, over: make(chan struct{})}
	metrics := l.server.opts.Metrics
	r.client = side{relay: r, peer: &r.server, events: unwatched, feed: s.core.client, count: metrics.fromClient.Add}
	r.server = side{relay: r, peer: &r.client, events: unwatched, feed: s.core.server, count: metrics.fromServer.Add}
	var err error
	if r.client.fd, err = takeSocket(s.client); err != nil {
		return nil, err
	}
	if r.server.fd, err = takeSocket(s.upstream); err != nil {
		_ = syscall.Close(r.client.fd)
		return nil, err
	}
	r.login = time.AfterFunc(time.Until(deadline), func() {
		l.post(func() {
			if !s.loggedIn {
				r.end(os.ErrDeadlineExceeded)
			}
		})
	})
	return r, nil
}

// takeSocket returns a descriptor of conn's socket and closes conn, so that the
// runtime does not wait for the socket as well.
func takeSocket(conn net.Conn) (int, error) {
	raw, err := conn.(syscall.Conn).SyscallConn() //nolint:forcetypeassert // TCP and Unix connections are
	if err != nil {
		return -1, err
	}
	var fd uintptr
	var errno syscall.Errno
	err = raw.Control(func(old uintptr) {
		fd, _, errno = syscall.Syscall(syscall.SYS_FCNTL, old, syscall.F_DUPFD_CLOEXEC, 0)
	})
	switch {
	case err != nil:
		return -1, err
	case errno != 0:
		return -1, os.NewSyscallError("fcntl", errno)
	}
	return int(fd), conn.Close()
}

// run serves the session until one side ends it.
func (r *relay) run() {
	r.loop.post(r.begin)
	<-r.over
}

// stop ends the session; wake lets it end if it is between transactions. Both
// are for other goroutines.
func (r *relay) stop(reason error) { r.loop.post(func() { r.end(reason) }) }

func (r *relay) wake() { r.loop.post(r.drain) }

func (r *relay) begin() {
	select {
	case <-r.session.ended:
		r.end(errClosed)
		return
	default:
	}
	for _, x := range []*side{&r.client, &r.server} {
		r.loop.sides[int32(x.fd)] = x
		if err := r.loop.watch(x, syscall.EPOLLIN); err != nil {
			r.end(err)
			return
		}
	}
	if r.session.draining.Load() {
		r.drain()
	}
}

// end closes both sockets.
func (r *relay) end(reason error) {
	select {
	case <-r.over:
		return
	default:
	}
	r.session.end(reason)
	r.login.Stop()
	for _, x := range []*side{&r.client, &r.server} {
		delete(r.loop.sides, int32(x.fd))
		_ = syscall.Close(x.fd)
	}
	close(r.over)
}

// drain ends the session if it is between transactions.
func (r *relay) drain() {
	r.guarded(func() error {
		if r.reason != nil {
			return r.reason
		}
		return r.afterServer()
	})
}

// guarded ends the session where f fails. A panic is a bug of ours, and ends
// that session alone.
func (r *relay) guarded(f func() error) {
	select {
	case <-r.over:
		return
	default:
	}
	err := errPanic
	defer func() {
		if err != nil {
			r.end(err)
		}
	}()
	defer r.loop.server.recovered()
	err = f()
}

// event deals with what epoll says of one socket.
func (r *relay) event(x *side, events uint32) error {
	if events&syscall.EPOLLOUT != 0 {
		if err := r.flush(x); err != nil {
			return err
		}
	}
	switch {
	case events&(syscall.EPOLLIN|syscall.EPOLLHUP|syscall.EPOLLERR) == 0:
		return nil
	case x.events&syscall.EPOLLIN != 0:
		more, err := r.read(x)
		// What has hung up is read to its end at once: the other side is not left
		// with last words and an open session.
		for more && err == nil && events&(syscall.EPOLLHUP|syscall.EPOLLERR) != 0 && x.events&syscall.EPOLLIN != 0 {
			more, err = r.read(x)
		}
		return err
	case events&(syscall.EPOLLHUP|syscall.EPOLLERR) == 0:
		return nil
	case x.ended:
		return io.EOF
	}
	// It has hung up, which epoll would go on saying, and is not to be read yet.
	x.events = unwatched
	return os.NewSyscallError("epoll_ctl", syscall.EpollCtl(r.loop.epoll, syscall.EPOLL_CTL_DEL, x.fd, nil))
}

// read reads once and passes on what it can. It reports whether there was
// anything.
func (r *relay) read(x *side) (bool, error) {
	into := r.loop.buf
	if len(x.kept) > 0 {
		x.makeRoom()
		into = x.kept[len(x.kept):cap(x.kept)]
	}
	n, err := syscall.Read(x.fd, into)
	switch {
	case errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR):
		return false, nil
	case err != nil:
		return false, r.gone(x, os.NewSyscallError("read", err))
	case n == 0:
		return false, r.gone(x, io.EOF)
	}
	if r.reason != nil {
		return true, nil
	}
	x.count(float64(n))
	if len(x.kept) > 0 {
		x.kept = x.kept[:len(x.kept)+n]
		into = x.kept
	} else {
		into = into[:n]
	}
	if err := r.pass(x, into); err != nil {
		return true, err
	}
	if x == &r.server {
		return true, r.afterServer()
	}
	return true, nil
}

// halfClose passes on that the client sends nothing more; see session.halfClose.
// All that it has sent is with the server: else it would not be read from.
func (r *relay) halfClose() error {
	if err := syscall.Shutdown(r.server.fd, syscall.SHUT_WR); err != nil {
		return os.NewSyscallError("shutdown", err)
	}
	r.loop.drop(r.client.kept)
	r.client.kept, r.client.ended = nil, true
	return r.interest(&r.client)
}

// gone deals with a side that has ended. When it is the server, the client gets
// time to read what the server said last: closing at once, with data of the
// client's unread, would reset its connection.
func (r *relay) gone(x *side, reason error) error {
	switch {
	case r.reason != nil || r.client.ended:
		return reason
	case x == &r.client && errors.Is(reason, io.EOF):
		return r.halfClose()
	case x == &r.client:
		return reason
	}
	r.reason = reason
	delete(r.loop.sides, int32(x.fd)) // its descriptor is closed at the end
	if err := syscall.EpollCtl(r.loop.epoll, syscall.EPOLL_CTL_DEL, x.fd, nil); err != nil {
		return reason
	}
	if err := syscall.Shutdown(r.client.fd, syscall.SHUT_WR); err != nil {
		return reason
	}
	r.loop.drop(r.client.kept)
	r.client.kept, r.client.waits, x.broken = nil, false, true
	r.login.Stop()
	r.login = time.AfterFunc(lingering, func() { r.stop(reason) })
	return r.loop.watch(&r.client, syscall.EPOLLIN)
}

// makeRoom grows kept, by doubling, towards the size of the frame that is
// needed whole.
func (x *side) makeRoom() {
	if len(x.kept) < cap(x.kept) {
		return
	}
	size := max(min(2*len(x.kept), max(x.wants, len(x.kept)+pumpBuffer)), pumpBuffer)
	x.kept = append(make([]byte, 0, size), x.kept...)
}

// pass feeds the core with in and writes what it says to the other side. What
// the core does not take is kept.
func (r *relay) pass(x *side, in []byte) error {
	x.wants, x.waits = 0, false
	for len(in) > 0 {
		n, want, err := x.feed(in, &r.loop.out)
		if werr := r.send(x.peer, r.loop.out.segments()); werr != nil {
			return werr
		}
		in = in[n:]
		if err != nil {
			return err
		}
		if !want.wait {
			x.wants = want.bytes
			break
		}
		if !r.drained() {
			x.waits = true
			break
		}
	}
	switch {
	case len(in) > 0 && x.kept != nil:
		x.kept = append(x.kept[:0], in...) // in may be the end of kept: copied forwards
	case len(in) > 0:
		x.kept = r.loop.keep(nil, in)
	default:
		r.loop.drop(x.kept)
		x.kept = nil
	}
	return r.interest(x)
}

// drained reports whether the core's queue has become empty since last asked.
func (r *relay) drained() bool {
	select {
	case <-r.session.core.drained:
		return true
	default:
		return false
	}
}

// interest says what the loop has to wait for at a socket: to read, unless the
// other side is behind or the core wants to wait; to write, where it is behind.
func (r *relay) interest(x *side) error {
	var events uint32
	if len(x.peer.unsent) == 0 && !x.waits && !x.peer.broken && !x.ended {
		events |= syscall.EPOLLIN
	}
	if len(x.unsent) > 0 {
		events |= syscall.EPOLLOUT
	}
	return r.loop.watch(x, events)
}

// afterServer runs when the server's bytes were passed on.
func (r *relay) afterServer() error {
	s := r.session
	if !s.loggedIn && s.core.loggedIn() {
		s.loggedIn = true
		r.login.Stop()
	}
	if r.client.waits && r.drained() {
		if err := r.pass(&r.client, r.client.kept); err != nil {
			return err
		}
	}
	if s.draining.Load() && s.core.idle() {
		_ = r.write(&r.client, fatal(codeShutdown, "terminating connection due to administrator command", "").append(nil))
		return errDrained
	}
	return nil
}
