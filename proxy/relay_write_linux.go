package proxy

import (
	"errors"
	"os"
	"syscall"
)

// send writes segments to a socket and keeps what it does not take.
func (r *relay) send(x *side, segments [][]byte) error {
	if len(segments) == 0 {
		return nil
	}
	data := segments[0]
	if len(segments) > 1 {
		total := 0
		for _, s := range segments {
			total += len(s)
		}
		if total > joinLimit && len(x.unsent) == 0 {
			for _, s := range segments {
				if err := r.write(x, s); err != nil {
					return err
				}
			}
			return nil
		}
		r.loop.joined = r.loop.joined[:0]
		for _, s := range segments {
			r.loop.joined = append(r.loop.joined, s...)
		}
		data = r.loop.joined
	}
	return r.write(x, data)
}

func (r *relay) write(x *side, data []byte) error {
	if x.broken {
		return nil
	}
	if len(x.unsent) == 0 {
		n, err := syscall.Write(x.fd, data)
		if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) {
			return r.broke(x, err)
		}
		if data = data[max(n, 0):]; len(data) == 0 {
			return nil
		}
	}
	x.unsent = r.loop.keep(x.unsent, data)
	if err := r.interest(x); err != nil {
		return err
	}
	return r.interest(x.peer)
}

// broke deals with a socket that cannot be written to. A server that ends a
// session while the client is busy writing has said why before: its last words
// are still to be read.
func (r *relay) broke(x *side, err error) error {
	if x == &r.client {
		return os.NewSyscallError("write", err)
	}
	r.loop.drop(x.unsent)
	x.unsent, x.sent, x.broken = nil, 0, true
	if err := r.interest(x); err != nil {
		return err
	}
	return r.interest(x.peer)
}

// flush writes what a socket did not take before.
func (r *relay) flush(x *side) error {
	n, err := syscall.Write(x.fd, x.unsent[x.sent:])
	if err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR) {
		return r.broke(x, err)
	}
	if x.sent += max(n, 0); x.sent < len(x.unsent) {
		return nil
	}
	r.loop.drop(x.unsent)
	x.unsent, x.sent = nil, 0
	if err := r.interest(x); err != nil {
		return err
	}
	return r.interest(x.peer)
}
