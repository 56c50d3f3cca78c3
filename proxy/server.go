package proxy

import (
	"encoding/binary"
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

// server takes what the server sent; see client.
func (c *core) server(in []byte, out *batch) (n int, want need, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out.begin(in)
	for n < len(in) {
		if c.serverPass > 0 {
			k := min(c.serverPass, len(in)-n)
			out.forward(n, n+k)
			n, c.serverPass = n+k, c.serverPass-k
			continue
		}
		if c.serverDrop > 0 {
			k := min(c.serverDrop, len(in)-n)
			n, c.serverDrop = n+k, c.serverDrop-k
			continue
		}
		if len(in)-n < headerSize {
			return n, need{bytes: headerSize}, nil
		}
		size := frameSize(in[n:])
		if size == 0 {
			return n, need{}, errProtocol
		}
		have := min(size, len(in)-n)
		whole, err := c.reply(in, n, n+have, size, out)
		if err != nil {
			return n, need{}, err
		}
		if !whole {
			return n, need{bytes: size}, nil
		}
		if c.serverPass == 0 && c.serverDrop == 0 {
			n += have
			c.serverPass = size - have
		}
		n, c.serverHead = n+c.serverHead, 0
	}
	return n, need{}, nil
}

// reply deals with the server's frame in[from:to], which may be only the
// beginning of size bytes; see message. A reply that sets serverPass or
// serverDrop says itself what becomes of the bytes from in[from] on.
func (c *core) reply(in []byte, from, to, size int, out *batch) (whole bool, err error) {
	complete := to-from == size
	h := c.head()
	c.said = c.said || !unasked(in[from])
	switch in[from] {
	case 'D':
		return c.onDataRow(h, in, from, size, out)
	case 'T', 'n':
		if st := reshaped(h); st != nil || hides(h) {
			if !complete {
				return false, nil
			}
			return true, c.onRowDescription(h, st, in[from+headerSize:to], in[from] == 'n', out)
		}
		if h != nil && h.answer == answerDescribe {
			c.pop()
		}
	case '1', '2', '3':
		if h == nil || !answers(h.answer, in[from]) || size != headerSize {
			return true, errProtocol
		}
		e := c.pop()
		if e.detail != nil {
			e.detail.settle(c)
			if e.detail.release {
				c.release(out)
			}
		}
		if e.swallow {
			return true, nil
		}
	case 'C', 'I', 's':
		if h == nil {
			break
		}
		if !complete {
			return false, nil
		}
		return true, c.onComplete(h, in, from, to, out)
	case 'E':
		if !complete {
			return false, nil
		}
		c.onError(h, in[from:to], out)
		return true, nil
	case 'N':
		if hides(h) && !h.commits() {
			c.skipFrame(size)
			return true, nil
		}
		if reshaped(h) != nil {
			if !complete {
				return false, nil
			}
			if d := h.current(); d.fanout(in[from:to]) != "" {
				return true, nil
			}
		}
	case 'Z':
		if size != headerSize+1 {
			return true, errProtocol
		}
		if !complete {
			return false, nil
		}
		return true, c.onReady(in, from, to, out)
	case 'S':
		if !complete {
			return false, nil
		}
		c.onParameter(in[from+headerSize : to])
	case 'G', 'W':
		c.onCopyIn()
	}
	out.forward(from, to)
	return true, nil
}

// unasked reports whether a message answers nothing, or is a ReadyForQuery.
func unasked(kind byte) bool {
	switch kind {
	case 'Z', 'N', 'S', 'A':
		return true
	}
	return false
}

// skipFrame drops a frame of that size, from its first byte on.
func (c *core) skipFrame(size int) { c.serverDrop = size }

// reshaped returns the statement whose rows the head expectation reshapes.
func reshaped(h *expectation) *rewrite.Statement {
	if h == nil || h.detail == nil || hides(h) {
		return nil
	}
	st := h.detail.stmt
	if h.detail.query != nil {
		st, _ = h.detail.query.statement()
	}
	if st == nil || st.Hidden == 0 {
		return nil
	}
	return st
}

// hides reports whether what is being answered is ours and not the client's.
func hides(h *expectation) bool {
	if h == nil {
		return false
	}
	if h.detail != nil && h.detail.query != nil {
		_, sync := h.detail.query.statement()
		return sync != nil
	}
	return h.swallow
}

func answers(a answer, kind byte) bool {
	return a == answerParse && kind == '1' || a == answerBind && kind == '2' || a == answerClose && kind == '3'
}

// onDataRow passes a row on, without its last column where that is ours: one
// byte of a boolean behind its length.
func (c *core) onDataRow(h *expectation, in []byte, from, size int, out *batch) (whole bool, err error) {
	if asks(h) {
		if len(in)-from < size {
			return false, nil
		}
		return true, c.onAnswer(in[from+headerSize : from+size])
	}
	if hides(h) {
		return c.onSyncRow(h, in, from, size), nil
	}
	st := reshaped(h)
	if st == nil {
		have := min(size, len(in)-from)
		out.forward(from, from+have)
		return true, nil
	}
	if !st.Rows {
		c.skipFrame(size)
		return true, nil
	}
	const head, column = headerSize + 2, 4 + 1
	if size < head+column {
		return true, errProtocol
	}
	if len(in)-from < head {
		return false, nil
	}
	columns := binary.BigEndian.Uint16(in[from+headerSize:])
	if columns == 0 {
		return true, errProtocol
	}
	out.build(func(dst []byte) []byte {
		dst = binary.BigEndian.AppendUint32(append(dst, 'D'), uint32(size-1-column))
		return binary.BigEndian.AppendUint16(dst, columns-1)
	})
	// What is there of the header was dealt with; the rest of the row follows it.
	c.serverHead, c.serverPass, c.serverDrop = head, size-head-column, column
	return true, nil
}

// onSyncRow drops a row that is not the client's. That of a sync is one boolean,
// in either format: whether a key has become dirty.
func (c *core) onSyncRow(h *expectation, in []byte, from, size int) (whole bool) {
	const last = headerSize + 2 + 4
	if size == last+1 {
		if len(in)-from < size {
			return false
		}
		if d := h.current(); d.sync != nil && (in[from+last] == 't' || in[from+last] == 1) {
			c.metrics.soiled(d.sync.Migration)
		}
	}
	if h.detail != nil && h.detail.query != nil {
		h.detail.query.over = true
	}
	c.skipFrame(size)
	return true
}

// onRowDescription takes our column out of a row description.
func (c *core) onRowDescription(h *expectation, st *rewrite.Statement, body []byte, noData bool, out *batch) error {
	describe := h.answer == answerDescribe
	if describe {
		defer c.pop()
	}
	switch {
	case hides(h):
		return nil
	case noData && st.Named != nil: // EXECUTE of what a function has deallocated, say: it will fail
		if describe {
			out.build(func(dst []byte) []byte { return append(dst, 'n', 0, 0, 0, 4) })
		}
		return nil
	case noData:
		return errProtocol // a rewritten statement has at least our column
	case !st.Rows:
		if describe {
			out.build(func(dst []byte) []byte { return append(dst, 'n', 0, 0, 0, 4) })
		}
		return nil
	}
	stripped, err := withoutLastColumn(body)
	if err != nil {
		return err
	}
	out.build(func(dst []byte) []byte {
		return appendFrame(dst, 'T', func(b []byte) []byte {
			b = binary.BigEndian.AppendUint16(b, binary.BigEndian.Uint16(body)-1)
			return append(b, stripped...)
		})
	})
	return nil
}

// withoutLastColumn returns the fields of a RowDescription but the last.
func withoutLastColumn(body []byte) ([]byte, error) {
	const fixed = 4 + 2 + 4 + 2 + 4 + 2 // table, column, type, size, modifier, format
	if len(body) < 2 {
		return nil, errProtocol
	}
	rest := body[2:]
	last := 0
	for range binary.BigEndian.Uint16(body) {
		last = len(body) - len(rest)
		_, after, ok := cstring(rest)
		if !ok || len(after) < fixed {
			return nil, errProtocol
		}
		rest = after[fixed:]
	}
	if last == 0 {
		return nil, errProtocol
	}
	return body[2:last], nil
}

// onComplete ends the answer to an Execute, or to one statement of a Query.
func (c *core) onComplete(h *expectation, in []byte, from, to int, out *batch) error {
	c.syncAhead = false
	switch h.answer {
	case answerExecute:
		c.noteTag(in[from:to], h.detail)
		e := c.pop()
		if e.detail != nil {
			e.detail.complete(c, 0)
		}
		if e.swallow {
			return nil
		}
		if e.detail != nil && e.detail.stmt != nil {
			if len(e.detail.stmt.Syncs) > 0 {
				c.held = append(c.held[:0], in[from:to]...)
				if e.detail.copyIn != nil {
					e.detail.copyIn.complete = true
					c.wake()
				}
				return nil
			}
		}
	case answerQuery:
		c.noteTag(in[from:to], h.detail)
		if h.swallow {
			return nil
		}
		if h.detail == nil || h.detail.query == nil {
			break
		}
		p := h.detail.query
		st, sync := p.statement()
		if st == nil {
			return errProtocol
		}
		if in[from] == 'I' {
			break
		}
		if sync == nil {
			h.detail.complete(c, p.stmt)
		}
		if sync == nil && len(st.Syncs) > 0 {
			c.held = append(c.held[:0], in[from:to]...)
			p.next()
			return nil
		}
		complete := p.next()
		if sync != nil {
			if complete {
				c.release(out)
			}
			return nil
		}
	}
	out.forward(from, to)
	return nil
}

// release lets go of the completion that waited for syncs.
func (c *core) release(out *batch) {
	if len(c.held) == 0 {
		return
	}
	out.build(func(dst []byte) []byte { return append(dst, c.held...) })
	c.held = c.held[:0]
	c.metrics.synced(time.Since(c.syncing))
}

// onReady ends the answers up to a Sync, or to a Query.
func (c *core) onReady(in []byte, from, to int, out *batch) error {
	c.status = in[from+headerSize]
	c.ready = true
	h, said := c.head(), c.said
	c.said, c.syncAhead = false, false
	if h == nil || !said && h.answer != answerReady { // a Sync that was taken to be inside COPY, which had failed
		if h == nil {
			c.skipping, c.batched = false, false
		}
		out.forward(from, to)
		return nil
	}
	if h.answer != answerReady && h.answer != answerQuery {
		return errProtocol
	}
	e := c.pop()
	asked := asks(&e)
	if asked {
		c.asking.waits = false
	}
	if !e.swallow || asked && c.asking.failed {
		out.forward(from, to)
	}
	if c.status == 'I' && c.ddl {
		c.ddl = false
		if c.changed != nil {
			c.changed()
		}
	}
	if c.status == 'I' && c.queue.len() == 0 && !c.batched {
		c.portals.end()
	}
	return nil
}
