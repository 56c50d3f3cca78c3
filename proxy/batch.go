package proxy

// batch collects what is to be written to one side: runs of the bytes that came
// in, forwarded where they lie, and bytes of our own between them.
type batch struct {
	in   []byte // the input that runs refer to
	from int    // the run that is being extended: in[from:to]
	to   int
	segs [][]byte
	own  []byte // backing of our own bytes
}

// begin starts a batch over input.
func (b *batch) begin(in []byte) {
	b.in, b.from, b.to = in, 0, 0
	b.segs = b.segs[:0]
	b.own = b.own[:0]
}

// forward passes in[from:to] on as it is.
func (b *batch) forward(from, to int) {
	if from == to {
		return
	}
	if b.to != from || b.from == b.to {
		b.flush()
		b.from = from
	}
	b.to = to
}

// add passes bytes of our own on, which must stay as they are until written.
func (b *batch) add(p []byte) {
	if len(p) == 0 {
		return
	}
	b.flush()
	b.segs = append(b.segs, p)
}

// build appends what fill appends, in memory that belongs to the batch.
func (b *batch) build(fill func(dst []byte) []byte) {
	start := len(b.own)
	b.own = fill(b.own) // where it moves, earlier segments keep the old array
	b.add(b.own[start:len(b.own):len(b.own)])
}

func (b *batch) flush() {
	if b.from < b.to {
		b.segs = append(b.segs, b.in[b.from:b.to])
	}
	b.from, b.to = 0, 0
}

// segments returns what is to be written, in order.
func (b *batch) segments() [][]byte {
	b.flush()
	return b.segs
}
