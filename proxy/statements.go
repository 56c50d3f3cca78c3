package proxy

// statements are the named statements of the client, as the server will have
// them when it has answered everything that was sent: what the client sends
// next may refer to them. Behind each entry stands what was there before, until
// the server has said which of the two it keeps: a message that fails, or is
// skipped, leaves the earlier one in force, whatever was sent behind it.
type statements struct {
	last   map[string]*statement
	pushed uint64 // entries ever made
}

func (t *statements) lookup(name []byte) *statement {
	if s := t.last[string(name)]; s != nil && !s.closed {
		return s
	}
	return nil
}

// push enters what a Parse or a Close was sent for.
func (t *statements) push(name string, s *statement) {
	t.pushed++
	s.number, s.before = t.pushed, t.last[name]
	t.last[name] = s
}

// settle notes that the server has done what s was sent for.
func (t *statements) settle(name string, s *statement) {
	s.before = nil
	if s.closed {
		t.undo(name, s)
	}
}

// undo takes s out: the server has not done what it was sent for.
func (t *statements) undo(name string, s *statement) {
	x := t.last[name]
	if x == s {
		if s.before == nil {
			delete(t.last, name)
		} else {
			t.last[name] = s.before
		}
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
