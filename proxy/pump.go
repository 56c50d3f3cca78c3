package proxy

import (
	"net"
)

// pump moves bytes from one connection through the core to the other: as much
// as one read gives is passed on by one write.
type pump struct {
	from, to net.Conn
	count    func(float64)
	buf      []byte // buf[r:w] is what the core has not dealt with
	r, w     int
	out      batch
	vec      net.Buffers
	joined   []byte
}

const (
	pumpBuffer = 16 << 10
	// joinLimit is up to how many bytes several segments are copied into one
	// write, which is cheaper than writev.
	joinLimit = 16 << 10
)

func newPump(from, to net.Conn, count func(float64)) *pump {
	return &pump{from: from, to: to, count: count, buf: make([]byte, pumpBuffer)}
}

// run moves bytes until reading or writing fails. wait is called when the feed
// asks for it; after, if not nil, behind every write.
func (p *pump) run(feed func([]byte, *batch) (int, need, error), wait, after func() error) error {
	for {
		n, err := p.from.Read(p.buf[p.w:])
		p.w += n
		if n > 0 {
			p.count(float64(n))
			if err := p.feed(feed, wait); err != nil {
				return err
			}
			if after != nil {
				if err := after(); err != nil {
					return err
				}
			}
		}
		if err != nil {
			return err
		}
	}
}

// writeError says that it was writing that failed.
type writeError struct{ error }

func (e writeError) Unwrap() error { return e.error }

func (p *pump) feed(feed func([]byte, *batch) (int, need, error), wait func() error) error {
	for p.r < p.w {
		n, want, err := feed(p.buf[p.r:p.w], &p.out)
		if werr := p.write(); werr != nil {
			return writeError{werr}
		}
		p.r += n
		if err != nil {
			return err
		}
		if !want.wait {
			p.makeRoom(want.bytes)
			break
		}
		if err := wait(); err != nil {
			return err
		}
	}
	if p.r == p.w {
		p.r, p.w = 0, 0
		if len(p.buf) > pumpBuffer {
			p.buf = make([]byte, pumpBuffer)
		}
	}
	return nil
}

// makeRoom moves what is left to the front and grows the buffer, by doubling,
// towards the size of the frame that is needed whole.
func (p *pump) makeRoom(bytes int) {
	if p.r > 0 {
		p.w = copy(p.buf, p.buf[p.r:p.w])
		p.r = 0
	}
	if p.w == len(p.buf) {
		p.buf = append(p.buf, make([]byte, min(len(p.buf), max(bytes-len(p.buf), pumpBuffer)))...)
	}
}

func (p *pump) write() error {
	segs := p.out.segments()
	switch len(segs) {
	case 0:
		return nil
	case 1:
		_, err := p.to.Write(segs[0])
		return err
	}
	total := 0
	for _, s := range segs {
		total += len(s)
	}
	if total <= joinLimit {
		p.joined = p.joined[:0]
		for _, s := range segs {
			p.joined = append(p.joined, s...)
		}
		_, err := p.to.Write(p.joined)
		return err
	}
	p.vec = append(p.vec[:0], segs...)
	vec := p.vec // WriteTo consumes the slice it is called on
	_, err := vec.WriteTo(p.to)
	return err
}
