package proxy

// portals are the client's portals, as the server will have them when it has
// answered everything that was sent, as far as it matters what they are bound to.
// Behind each stands what its name was bound to before, until the server has
// answered: a Bind or a Close that fails, or is skipped, leaves the portal that
// was there, and ROLLBACK TO may bring the session back to where it can be
// executed. What ends portals otherwise (the end of a transaction, a Query, CLOSE)
// is not followed: to execute one that is gone fails.
type portals struct {
	last   map[string]*bound
	pushed uint64 // ever bound or closed
	fence  uint64 // pushed at the last Sync or Query; see statements
	spare  *bound // for the next one that only counts
}

// bound is what the name of a portal stands for.
type bound struct {
	portal
	name    string
	before  *bound
	number  uint64
	settled bool // the server has answered
	spent   bool // its execution was sent, and it is a write without RETURNING
}

// matters reports whether anything has to be known of the portal; weighs, whether
// more than that its executions count.
func (p portal) matters() bool { return p.weighs() || p.counts() }

func (p portal) weighs() bool { return p.rewritten() != nil || p.drops.some || p.cursors != "" }

func (t *portals) lookup(name []byte) portal {
	if b := t.at(name); b != nil {
		return b.portal
	}
	return portal{}
}

// at returns what the name stands for, or nil. The server keeps as much of it as of
// that of a statement (MAX_PORTALNAME_LEN in utils/mmgr/portalmem.c).
func (t *portals) at(name []byte) *bound { return t.last[string(clip(name))] }

// push enters what a Bind or, with the zero portal, a Close was sent for. It
// returns nil where neither that weighs nor what was there before.
func (t *portals) push(name []byte, p portal) *bound {
	name = clip(name)
	before := t.at(name)
	if !p.weighs() && (before == nil || before.before == nil && !before.weighs()) {
		t.count(name, before, p)
		return nil
	}
	t.pushed++
	b := &bound{portal: p, name: string(name), before: before, number: t.pushed}
	t.enter(b)
	return b
}

// count enters a portal that at most counts, over one that at most does.
func (t *portals) count(name []byte, b *bound, p portal) {
	switch {
	case b == nil && !p.counts():
		return
	case !p.counts():
		delete(t.last, string(name))
		return
	case b == nil:
		if b, t.spare = t.spare, nil; b == nil {
			b = &bound{}
		}
		*b = bound{name: string(name), settled: true}
		t.enter(b)
	}
	b.portal = p
}

func (t *portals) enter(b *bound) {
	if t.last == nil {
		t.last = map[string]*bound{}
	}
	t.last[b.name] = b
}

// end notes that all portals have ended, with their transaction.
func (t *portals) end() {
	for _, b := range t.last {
		t.spare = b
	}
	clear(t.last)
}

// settle notes that the server has done what b was sent for.
func (t *portals) settle(b *bound) {
	b.before, b.settled = nil, true
	if !b.matters() && t.last[b.name] == b {
		delete(t.last, b.name)
	}
}

// undo takes b out: the server has not done what it was sent for.
func (t *portals) undo(b *bound) {
	x := t.last[b.name]
	switch {
	case x == b && b.before == nil:
		delete(t.last, b.name)
	case x == b:
		t.last[b.name] = b.before
	default:
		for ; x != nil; x = x.before {
			if x.before == b {
				x.before = b.before
				return
			}
		}
	}
}

// open reports whether the server is yet to say what the portal is bound to,
// whatever becomes of what the client sends now.
func (t *portals) open(name []byte) bool {
	b := t.at(name)
	return b != nil && !b.settled && b.before != nil && b.number <= t.fence
}
