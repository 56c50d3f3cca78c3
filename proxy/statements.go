package proxy

// statements are the named statements of the client, as the server will have
// them when it has answered everything that was sent: what the client sends
// next may refer to them. Behind each entry stands what was there before, until
// the server has said which of the two it keeps: a message that fails, or is
// skipped, leaves the earlier one in force, whatever was sent behind it.
type statements struct {
	last   map[string]*statement
	pushed uint64 // entries ever made
	// fence is pushed at the last Sync or Query: what was sent before it may fail,
	// and what is sent behind it is executed all the same.
	fence uint64
	// blurred: the server may have statements that are not in here.
	blurred bool
}

func (t *statements) lookup(name []byte) *statement {
	if s := t.last[string(clip(name))]; s != nil && !s.closed {
		return s
	}
	return nil
}

// has reports whether the server may have a statement of that name, whatever
// becomes of what is outstanding.
func (t *statements) has(name []byte) bool { return t.last[string(clip(name))] != nil }

// maxName is how many bytes of a name the server keeps (NAMEDATALEN); SQL cuts
// between two characters.
const maxName = 63

// clip cuts a name to what the server keeps of it.
func clip(name []byte) []byte { return name[:min(len(name), maxName)] }

// push enters what a Parse or a Close was sent for.
func (t *statements) push(name string, s *statement) {
	name = string(clip([]byte(name)))
	t.pushed++
	s.number, s.before = t.pushed, t.last[name]
	t.last[name] = s
}

// settle notes that the server has done what s was sent for. A Close that has others
// behind it stays until they are settled or undone.
func (t *statements) settle(name string, s *statement) {
	s.before, s.settled = nil, true
	if name = string(clip([]byte(name))); t.last[name] == s {
		t.enter(name, s)
	}
}

// enter makes s what a name stands for: nothing, if it is a Close that is done.
func (t *statements) enter(name string, s *statement) {
	if s == nil || s.closed && s.settled {
		delete(t.last, name)
		return
	}
	t.last[name] = s
}

// open reports whether the server is yet to say what the name stands for,
// whatever becomes of what the client sends now.
func (t *statements) open(name []byte) bool {
	return t.isOpen(t.last[string(clip(name))])
}

func (t *statements) isOpen(s *statement) bool {
	return s != nil && t.maybe(s) && (s.before != nil && !(s.before.closed && s.before.settled) || t.blurred)
}

// maybe reports whether the server is yet to say if it has s.
func (t *statements) maybe(s *statement) bool { return !s.settled && s.number <= t.fence }

// anyOpen reports whether that is so for any name, or whether it is yet to say which
// text any of the statements has.
func (t *statements) anyOpen(q *queue) bool {
	for _, s := range t.last {
		if t.isOpen(s) || q.open(s.anewAt) {
			return true
		}
	}
	return false
}

// undo takes s out: the server has not done what it was sent for.
func (t *statements) undo(name string, s *statement) {
	name = string(clip([]byte(name)))
	x := t.last[name]
	if x == s {
		t.enter(name, s.before)
		return
	}
	for ; x != nil; x = x.before {
		if x.before == s {
			x.before = s.before
			return
		}
	}
}

// forget takes out what the server dropped otherwise: those of that name among
// the first n entries.
func (t *statements) forget(name string, n uint64) {
	s := t.last[name]
	if s != nil && s.number <= n {
		delete(t.last, name)
		return
	}
	for ; s != nil; s = s.before {
		if s.before != nil && s.before.number <= n {
			s.before = nil
		}
	}
}

func (t *statements) forgetAll(n uint64) {
	for name := range t.last {
		t.forget(name, n)
	}
}
