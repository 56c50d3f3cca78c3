package proxy

import (
	"encoding/binary"

	"github.com/pgjanus/pgjanus/rewrite"
)

// onParse plans the text of a Parse and sends on what the plan makes of it.
func (c *core) onParse(body []byte, from, to int, out *batch) error {
	name, rest, ok := cstring(body)
	text, types, ok2 := cstring(rest)
	if !ok || !ok2 {
		return errMalformed
	}
	mention := c.planner.Mentions(text)
	if c.readsLater(text, mention) {
		return errWait
	}
	c.batched = true
	speaks := c.speaks(text, mention)
	plan := c.planPrepared(text, mention, out)
	if plan == nil {
		return nil
	}
	e := expectation{answer: answerParse}
	risky := len(name) == 0 && c.unnamed.risky()
	s := c.define(name, text, types, plan, &e)
	s.drops, s.speaks, s.mentions = droppingOf(text, mention), speaks, mention&rewrite.MentionsMigration != 0
	e.unnamed, e.risky = len(name) == 0, len(name) == 0 && (risky || s.risky())
	s.target = c.targetOf(plan)
	c.obscure(plan, mention)
	c.sawPrepared(plan)
	switch {
	case plan.Outcome == rewrite.Refuse:
		e.edit().refusal = plan.Refusal
		out.build(func(dst []byte) []byte { return appendParse(dst, string(name), refusedText(plan.Refusal), noTypes) })
	case plan.Outcome == rewrite.Rewrite && len(plan.Statements) == 1:
		e.edit().edited = &plan.Extended
		out.build(func(dst []byte) []byte { return appendParse(dst, string(name), plan.Extended.Text, types) })
	default:
		out.forward(from, to)
	}
	c.queue.push(e)
	return nil
}

// define enters a prepared statement into the table, before the server has
// said that it is good: what the client sends behind it may refer to it.
func (c *core) define(name, text, types []byte, plan *rewrite.Plan, e *expectation) *statement {
	if len(name) == 0 {
		s := &c.unnamed
		s.text, s.types = append(s.text[:0], text...), append(s.types[:0], types...)
		s.planner, s.plan, s.unsure = c.planner, plan, false
		s.number, s.settled, s.anewAt = 0, true, 0
		return s
	}
	key := string(name)
	s := &statement{
		text: append([]byte{}, text...), types: append([]byte{}, types...),
		planner: c.planner, plan: plan,
	}
	c.statements.push(key, s)
	e.edit().name, e.edit().entry = key, s
	return s
}

func (c *core) lookup(name []byte) *statement {
	if len(name) == 0 {
		if c.unnamed.plan == nil {
			return nil
		}
		return &c.unnamed
	}
	return c.statements.lookup(name)
}

// onBind binds a portal. A statement from an earlier epoch, or one whose names
// stand for something else than when it was prepared, is prepared anew first,
// where the text that the server should have is a different one.
func (c *core) onBind(body []byte, complete bool, from, to int, out *batch) (whole bool, err error) {
	name, rest, ok := cstring(body)
	statementName, _, ok2 := cstring(rest)
	if !ok || !ok2 {
		if complete {
			return false, errMalformed
		}
		return false, nil
	}
	s := c.lookup(statementName)
	if c.waitsFor(statementName, s) {
		return false, errWait
	}
	stale := s != nil && (s.planner != c.planner || c.namesMove())
	p := portal{}
	if s != nil {
		p = portal{plan: s.runs(), drops: s.drops, cursors: cursorText(s.text)}
	}
	if stale && !s.bySQL {
		if c.readsLater(s.text, c.planner.Mentions(s.text)) {
			return false, errWait
		}
		if p.plan = c.planAnew(s, out); p.plan == nil {
			return false, nil
		}
		if s.plan.ShowsOther(p.plan) {
			if complete {
				c.refuseResultType(out)
			}
			return complete, nil
		}
	}
	own := p.plan
	if s != nil && !c.bindable(s, &p, stale) {
		if complete {
			c.refuseAnew(p.plan, out)
		}
		return complete, nil
	}
	st := p.rewritten()
	widens := st != nil && st.Hidden > 0 && st.Rows
	if widens && !complete {
		return false, nil
	}
	c.batched = true
	switch {
	case s == nil || s.bySQL:
		c.mayReset(nil)
	case s.speaks:
		c.mayReset(s.text)
	}
	if misled := s != nil && (s.target.misleads(p.target) || c.spent(st)); misled || stale && !s.bySQL {
		s.unsure = s.unsure || misled
		c.prepareAnew(string(statementName), s, own, out)
	}
	e := expectation{answer: answerBind}
	if p.plan != nil && p.plan.Outcome == rewrite.Rewrite {
		e.detail = &detail{edited: &p.plan.Extended}
	}
	if b := c.portals.push(name, p); b != nil {
		e.edit().bound = b
	}
	c.queue.push(e)
	if widens {
		if changed, err := addResultFormat(body); err == nil && changed != nil { // else the server will say what is wrong with it
			out.build(func(dst []byte) []byte {
				return appendFrame(dst, 'B', func(b []byte) []byte { return append(b, changed...) })
			})
			return true, nil
		}
	}
	out.forward(from, to)
	return true, nil
}

// onExecute runs a portal, and the syncs of its plan right behind it.
func (c *core) onExecute(body []byte, from, to int, out *batch) error {
	name, rest, ok := cstring(body)
	if !ok || len(rest) != 4 {
		return errMalformed
	}
	if c.mustWait(func() bool { return c.portals.open(name) }) {
		return errWait
	}
	c.batched = true
	p := c.portals.lookup(name)
	if p.plan != nil && p.target.outdated(c.targetOf(p.plan)) {
		c.refuseAnew(c.refuses(p.plan, 0, rewrite.Refusal{
			Reason: "what the name stands for has changed since the portal was bound", Hint: "bind it again",
		}), out)
		return nil
	}
	if plan := c.outdated(p); plan != nil {
		c.refuseAnew(plan, out)
		return nil
	}
	if r := c.reaches([]byte(p.cursors)); r != nil {
		c.refuseAnew(c.refusesReach(p.cursors, r), out)
		return nil
	}
	st := p.rewritten()
	write := st != nil && st.Hidden > 0 && !st.Rows
	if write && c.portals.at(name).spent {
		c.executeAgain(string(clip(name)), p.plan, out)
		return nil
	}
	c.sawExecuted(p.plan)
	if len(name) > 0 { // of the unnamed portal, its Bind tells
		c.mayReset(nil)
	}
	var d *detail
	if p.drops.some {
		c.forgetPrepared()
		d = &detail{drops: p.drops, pushed: c.statements.pushed, obscures: c.obscures, shadows: c.shadows}
	}
	if changes := c.changesBy(p); len(changes) > 0 {
		if d == nil {
			d = &detail{}
		}
		d.changes = changes
	}
	if st == nil {
		c.queue.push(expectation{answer: answerExecute, detail: d})
		out.forward(from, to)
		return nil
	}
	if d == nil {
		d = &detail{}
	}
	d.stmt, d.edited = st, &p.plan.Extended
	c.queue.push(expectation{answer: answerExecute, detail: d})
	if st.CopyIn && len(st.Syncs) > 0 {
		c.runCopy(d)
		out.forward(from, to)
		return nil
	}
	if write {
		d.spends = c.portals.at(name)
		d.spends.spent = true
	}
	if write && binary.BigEndian.Uint32(rest) != 0 {
		// The rows are not the client's, so its limit on rows is not about them.
		out.build(func(dst []byte) []byte { return appendExecute(dst, string(name)) })
	} else {
		out.forward(from, to)
	}
	for i, sync := range st.Syncs {
		c.inject(sync, i == len(st.Syncs)-1, out)
	}
	return nil
}

// onDescribe describes a statement or portal.
func (c *core) onDescribe(body []byte, from, to int, out *batch) error {
	if len(body) < 2 {
		return errMalformed
	}
	name, _, ok := cstring(body[1:])
	if !ok {
		return errMalformed
	}
	var st *rewrite.Statement
	var plan *rewrite.Plan
	switch {
	case body[0] == 'S':
		s := c.lookup(name)
		if c.waitsFor(name, s) {
			return errWait
		}
		if s != nil {
			var refused bool
			if plan, refused = c.described(name, s, out); refused {
				return nil
			}
			st = portal{plan: plan}.rewritten()
		}
	default:
		if c.mustWait(func() bool { return c.portals.open(name) }) {
			return errWait
		}
		p := c.portals.lookup(name)
		st, plan = p.rewritten(), p.plan
	}
	c.batched = true
	e := expectation{answer: answerDescribe}
	if st != nil {
		e.detail = &detail{stmt: st, edited: &plan.Extended}
	}
	c.queue.push(e)
	out.forward(from, to)
	return nil
}

// onClose forgets a statement or portal.
func (c *core) onClose(body []byte) error {
	if len(body) < 2 {
		return errMalformed
	}
	name, _, ok := cstring(body[1:])
	if !ok {
		return errMalformed
	}
	e := expectation{answer: answerClose}
	key := string(name)
	switch {
	case body[0] == 'P':
		if b := c.portals.push(name, portal{}); b != nil {
			e.detail = &detail{bound: b}
		}
	case key == "":
		e.unnamed, e.risky = true, c.unnamed.risky()
		c.unnamed.plan = nil
	default:
		if c.statements.has(name) {
			s := &statement{closed: true}
			c.statements.push(key, s)
			e.detail = &detail{name: key, entry: s}
		}
	}
	c.queue.push(e)
	return nil
}
