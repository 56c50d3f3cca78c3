package proxy

import "errors"

// client takes what the client sent. It returns how many bytes it has dealt
// with; the rest must be there again, with more, at the next call.
func (c *core) client(in []byte, out *batch) (n int, want need, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out.begin(in)
	for n < len(in) {
		if c.clientPass > 0 {
			k := min(c.clientPass, len(in)-n)
			out.forward(n, n+k)
			n, c.clientPass = n+k, c.clientPass-k
			continue
		}
		if len(in)-n < headerSize {
			return n, need{bytes: headerSize}, nil
		}
		size := frameSize(in[n:])
		if size == 0 || (!c.ready && size > c.limits.login) {
			return n, need{}, errProtocol
		}
		if c.asking.waits || c.syncCopy(out) || begins(in[n]) && c.adopt(out) {
			return n, need{wait: true}, nil
		}
		have := min(size, len(in)-n)
		whole, err := c.message(in, n, n+have, size, out)
		if errors.Is(err, errWait) {
			c.waits = true
			return n, need{wait: true}, nil
		}
		if errors.Is(err, errMalformed) {
			c.malformed(in[n])
			out.forward(n, n+have)
			whole, err = true, nil
		}
		if err != nil {
			return n, need{}, err
		}
		if c.asking.waits {
			return n, need{wait: true}, nil
		}
		if !whole {
			return n, need{bytes: size}, nil
		}
		c.asking.executes(in[n])
		n += have
		c.clientPass = size - have
	}
	return n, need{}, nil
}

// errMalformed says that a message's body is not what its kind demands. Postgres
// answers it with an error, as any that fails.
var errMalformed = errors.New("malformed message")

// malformed expects that error.
func (c *core) malformed(kind byte) {
	answers := map[byte]answer{'Q': answerQuery, 'P': answerParse, 'B': answerBind, 'D': answerDescribe, 'E': answerExecute, 'C': answerClose, 'H': answerClose}
	c.batched = c.batched || kind != 'Q'
	c.queue.push(expectation{answer: answers[kind]})
}

// begins reports whether a message asks for work of its own, unlike those that
// belong to work under way (copy data, Sync, Flush) or end the session.
func begins(kind byte) bool {
	switch kind {
	case 'Q', 'P', 'B', 'E', 'D', 'C', 'F':
		return true
	}
	return false
}

// lostInCopy is the version from which on the server ends a session whose client
// sends a message into COPY that is not of it (CopyGetData in
// commands/copyfromparse.c). Those before read it as data that fail.
const lostInCopy = 140000

// message deals with the client's frame in[from:to], which may be only the
// beginning of size bytes. It returns false where it must see all of it first;
// where it returns true, what is not there yet passes without being looked at.
func (c *core) message(in []byte, from, to, size int, out *batch) (whole bool, err error) {
	kind, body := in[from], in[from+headerSize:to]
	complete := to-from == size
	if c.skipping && kind != 'S' && kind != 'X' {
		if c.syncAhead && begins(kind) {
			return true, errProtocol // the server discards it, or not: there is no telling
		}
		out.forward(from, to) // the server discards it
		return true, nil
	}
	if c.copying && begins(kind) && c.planner.Snapshot().Version < lostInCopy {
		return true, errProtocol // it fails the COPY and is discarded, or the COPY has failed: there is no telling
	}
	if c.unnamedLost && begins(kind) {
		c.closeUnnamed(out)
	}
	switch kind {
	case 'Q':
		if !complete {
			return false, nil
		}
		return true, c.onQuery(body, from, to, out)
	case 'P':
		if !complete {
			return false, nil
		}
		return true, c.onParse(body, from, to, out)
	case 'B':
		return c.onBind(body, complete, from, to, out)
	case 'E':
		if !complete {
			return false, nil
		}
		return true, c.onExecute(body, from, to, out)
	case 'D':
		if !complete {
			return false, nil
		}
		return true, c.onDescribe(body, from, to, out)
	case 'C':
		if !complete {
			return false, nil
		}
		if err := c.onClose(body); err != nil {
			return true, err
		}
		c.batched = true
	case 'S':
		c.batched, c.skipping = false, false
		c.batch++
		c.statements.fence, c.portals.fence = c.statements.pushed, c.portals.pushed
		if !c.copying {
			c.queue.push(expectation{answer: answerReady})
		}
	case 'H':
		if size != headerSize && !c.copying { // in COPY it is ignored, whatever it has
			return true, errMalformed
		}
	case 'F':
		c.rereads = true // it may be any function
		c.mayReset(nil)
		c.queue.push(expectation{answer: answerQuery})
	case 'c', 'f':
		if !complete {
			return false, nil
		}
		if c.copying {
			c.copying = false
		} else if c.queue.len() > 0 {
			c.queue.push(expectation{answer: answerCopyEnd})
		}
		if kind == 'c' {
			out.forward(from, to)
			c.endCopy(out)
			return true, nil
		}
	}
	out.forward(from, to)
	return true, nil
}
