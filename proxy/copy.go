package proxy

import (
	"strings"

	"github.com/pgjanus/pgjanus/rewrite"
)

// copyIn is a COPY FROM STDIN that an Execute runs and that needs syncs behind
// it. The server takes nothing but copy data until the client has ended them, so
// the syncs cannot go right behind the Execute. Nor can they go behind CopyDone
// as they are: where the COPY has failed, what the server makes of them depends
// on whether it has met a Sync since (it may have ignored one that the client
// sent early, or not). So a Flush goes behind CopyDone, and whatever the client
// sends next waits until the COPY is known to have succeeded or failed. The
// server has everything that it needs to say so, as in core.
type copyIn struct {
	stmt     *rewrite.Statement
	ended    bool // the client has sent CopyDone
	complete bool // the server has copied everything; its completion is held
}

// spent reports whether a COPY can be executed only once each time it is prepared:
// before Postgres 14, DoCopy in commands/copy.c changes the WHERE clause of the
// statement that it is given (later ones work on a copy, in utility.c).
func (c *core) spent(st *rewrite.Statement) bool {
	const copies = 140000
	return st != nil && st.CopyIn && c.planner.Snapshot().Version < copies
}

// runCopy notes that an Execute begins a COPY.
func (c *core) runCopy(d *detail) {
	run := &copyIn{stmt: d.stmt}
	c.copyIn, d.copyIn = run, run
	d.undo = func(c *core) {
		if c.copyIn == run {
			c.copyIn = nil
		}
	}
}

// endCopy sends a Flush behind a CopyDone.
func (c *core) endCopy(out *batch) {
	if c.copyIn != nil && !c.copyIn.ended {
		c.copyIn.ended = true
		out.build(func(dst []byte) []byte { return appendFrame(dst, 'H', func(b []byte) []byte { return b }) })
	}
}

// syncCopy sends the syncs of a COPY that is complete. It reports whether the
// client side must wait until it is.
func (c *core) syncCopy(out *batch) (wait bool) {
	switch {
	case c.copyIn == nil:
		return false
	case !c.copyIn.complete:
		return c.copyIn.ended
	}
	syncs := c.copyIn.stmt.Syncs
	c.copyIn = nil
	for i, sync := range syncs {
		c.inject(sync, i == len(syncs)-1, out)
	}
	return false
}

// onCopyIn notes that the server is in COPY FROM STDIN. Until the client ends
// it, the server ignores Sync; those that were sent already, and nothing else
// before them, are not answered (CopyGetData in commands/copyfromparse.c).
func (c *core) onCopyIn() {
	h := c.head()
	if h == nil || (h.answer != answerExecute && h.answer != answerQuery) {
		return
	}
	ahead := 0
	for c.queue.len() > 1+ahead && c.queue.at(1+ahead).answer == answerReady {
		ahead++
	}
	c.queue.remove(1, ahead)
	c.syncAhead = ahead > 0
	// Else the end of the data was sent ahead; or a message that ends the session.
	c.copying = c.queue.len() == 1
	if !c.copying && c.queue.at(1).answer == answerCopyEnd {
		c.queue.remove(1, 1) // behind it may be that of another COPY in the same Query
	}
	if c.copying && h.answer == answerExecute {
		c.batched = true // a Sync is still to come, whether or not one was sent early
	}
	if c.waits {
		c.wake()
	}
}

// copyContext is the context of an error in a rewritten COPY FROM as it is in
// the application's own. That one collects rows and inserts many at once, and by
// the time an index finds a duplicate it has only the number of the line
// (CopyFromErrorCallback in commands/copyfrom.c).
func (d *detail) copyContext(code, context string) string {
	const uniqueViolation, exclusionViolation = "23505", "23P01"
	if d.stmt == nil || d.stmt.Buffers == "" || code != uniqueViolation && code != exclusionViolation {
		return context
	}
	digit := func(r rune) bool { return r >= '0' && r <= '9' }
	_, line, found := strings.Cut(context, d.stmt.Buffers)
	if !found {
		return context
	}
	number := strings.TrimLeftFunc(line, func(r rune) bool { return !digit(r) })
	rest := strings.TrimLeftFunc(number, digit)
	return context[:len(context)-len(rest)]
}
