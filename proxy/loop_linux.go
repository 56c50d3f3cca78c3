package proxy

import (
	"fmt"
	"sync"
	"syscall"
)

// loop drives many sessions from one goroutine: it waits for all of their
// sockets at once, and reads, asks the core and writes without changing
// goroutines. It never blocks on a socket: what the kernel does not take is
// kept, and the other side is not read from until it is gone.
type loop struct {
	server *Server
	epoll  int
	wake   [2]int          // a pipe: a byte in it says that something was posted
	sides  map[int32]*side // by descriptor; of run alone
	buf    []byte          // what one read gives
	out    batch
	joined []byte
	spare  [][]byte // buffers of loopBuffer bytes that no side holds

	mu     sync.Mutex
	posted []func() // guarded by mu; a nil one ends the loop
	ended  bool     // guarded by mu
}

// loopBuffer is the most that one read takes from a socket.
const loopBuffer = 64 << 10

func newLoop(s *Server) (*loop, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	l := &loop{server: s, epoll: epoll, sides: map[int32]*side{}, buf: make([]byte, loopBuffer)}
	if err := syscall.Pipe2(l.wake[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		_ = syscall.Close(epoll)
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(l.wake[0])}
	if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, l.wake[0], &event); err != nil {
		l.close()
		return nil, fmt.Errorf("watching a pipe: %w", err)
	}
	return l, nil
}

func (l *loop) close() {
	for _, fd := range []int{l.epoll, l.wake[0], l.wake[1]} {
		_ = syscall.Close(fd)
	}
}

// keep appends data to what a side holds, which is in a buffer of the loop's
// while it fits.
func (l *loop) keep(held, data []byte) []byte {
	if held == nil {
		if n := len(l.spare); n > 0 {
			held, l.spare = l.spare[n-1], l.spare[:n-1]
		} else {
			held = make([]byte, 0, loopBuffer)
		}
	}
	return append(held, data...)
}

// drop takes back what keep returned, if anything.
func (l *loop) drop(held []byte) {
	const most = 16
	if cap(held) == loopBuffer && len(l.spare) < most {
		l.spare = append(l.spare, held[:0])
	}
}

// post has f called by the loop. A nil f ends it.
func (l *loop) post(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	if l.posted = append(l.posted, f); len(l.posted) == 1 {
		_, _ = syscall.Write(l.wake[1], []byte{0}) // does not block; under mu, so that the pipe is still ours
	}
}

// run serves until the loop is ended. All of its sessions must be over by then.
func (l *loop) run() {
	defer l.close()
	var events [64]syscall.EpollEvent
	for {
		n, err := syscall.EpollWait(l.epoll, events[:], -1)
		if err != nil && err != syscall.EINTR {
			panic("BUG: waiting for sockets: " + err.Error())
		}
		for _, event := range events[:max(n, 0)] {
			if int(event.Fd) == l.wake[0] {
				if l.runPosted() {
					return
				}
			} else if x := l.sides[event.Fd]; x != nil {
				l.handle(x, event.Events)
			}
		}
	}
}

func (l *loop) runPosted() (ended bool) {
	var drop [64]byte
	_, _ = syscall.Read(l.wake[0], drop[:])
	l.mu.Lock()
	posted := l.posted
	l.posted = nil
	l.mu.Unlock()
	for _, f := range posted {
		if f == nil {
			l.mu.Lock()
			l.ended = true
			l.mu.Unlock()
			return true
		}
		f()
	}
	return false
}

// handle deals with what happened to one socket.
func (l *loop) handle(x *side, events uint32) {
	x.relay.guarded(func() error { return x.relay.event(x, events) })
}

// watch makes the loop wait for what a socket is interested in.
func (l *loop) watch(x *side, events uint32) error {
	if x.events == events {
		return nil
	}
	op := syscall.EPOLL_CTL_MOD
	if x.events == unwatched {
		op = syscall.EPOLL_CTL_ADD
	}
	x.events = events
	event := syscall.EpollEvent{Events: events, Fd: int32(x.fd)}
	if err := syscall.EpollCtl(l.epoll, op, x.fd, &event); err != nil {
		return fmt.Errorf("watching a socket: %w", err)
	}
	return nil
}
