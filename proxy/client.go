package proxy

import (
	"encoding/binary"
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

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
		if begins(in[n]) && c.adopt(out) {
			return n, need{wait: true}, nil
		}
		have := min(size, len(in)-n)
		whole, err := c.message(in, n, n+have, size, out)
		if err != nil {
			return n, need{}, err
		}
		if !whole {
			return n, need{bytes: size}, nil
		}
		n += have
		c.clientPass = size - have
	}
	return n, need{}, nil
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

// message deals with the client's frame in[from:to], which may be only the
// beginning of size bytes. It returns false where it must see all of it first;
// where it returns true, what is not there yet passes without being looked at.
func (c *core) message(in []byte, from, to, size int, out *batch) (whole bool, err error) {
	kind, body := in[from], in[from+headerSize:to]
	complete := to-from == size
	if c.skipping && kind != 'S' && kind != 'X' {
		out.forward(from, to) // the server discards it
		return true, nil
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
		c.batched = true
		out.forward(from, to)
		return true, c.onClose(body)
	case 'S':
		c.batched, c.skipping = false, false
		if !c.copying {
			c.queue.push(expectation{answer: answerReady})
		}
	case 'F':
		c.queue.push(expectation{answer: answerQuery})
	case 'c', 'f':
		if c.copying {
			c.copying = false
		} else if c.queue.len() > 0 {
			c.queue.push(expectation{answer: answerCopyEnd})
		}
	}
	out.forward(from, to)
	return true, nil
}

// onParse plans the text of a Parse and sends on what the plan makes of it.
func (c *core) onParse(body []byte, from, to int, out *batch) error {
	c.batched = true
	name, rest, ok := cstring(body)
	text, types, ok2 := cstring(rest)
	if !ok || !ok2 {
		return errProtocol
	}
	plan := c.plan(text)
	s := c.define(name, text, types, plan)
	e := expectation{answer: answerParse}
	if s.undo != nil {
		e.detail = &detail{undo: s.undo}
	}
	switch {
	case plan.Outcome == rewrite.Refuse:
		e.detail = &detail{undo: s.undo, refusal: plan.Refusal}
		out.build(func(dst []byte) []byte { return appendParse(dst, string(name), refusedText(plan.Refusal), noTypes) })
	case plan.Outcome == rewrite.Rewrite && len(plan.Statements) == 1:
		e.detail = &detail{undo: s.undo, edited: &plan.Extended}
		out.build(func(dst []byte) []byte { return appendParse(dst, string(name), plan.Extended.Text, types) })
	default:
		out.forward(from, to)
	}
	c.queue.push(e)
	return nil
}

// defined is what define did.
type defined struct{ undo func(*core) }

// define enters a prepared statement into the table, before the server has
// said that it is good: what the client sends behind it may refer to it.
func (c *core) define(name, text, types []byte, plan *rewrite.Plan) defined {
	drops := c.planner.Mentions(text)&rewrite.MentionsDeallocate != 0
	if len(name) == 0 {
		s := &c.unnamed
		s.text, s.types = append(s.text[:0], text...), append(s.types[:0], types...)
		s.planner, s.plan, s.drops = c.planner, plan, drops
		return defined{}
	}
	key := string(name)
	previous := c.statements[key]
	c.statements[key] = &statement{
		text: append([]byte{}, text...), types: append([]byte{}, types...),
		planner: c.planner, plan: plan, drops: drops,
	}
	return defined{undo: func(c *core) {
		if previous == nil {
			delete(c.statements, key)
		} else {
			c.statements[key] = previous
		}
	}}
}

func (c *core) lookup(name []byte) *statement {
	if len(name) == 0 {
		if c.unnamed.plan == nil {
			return nil
		}
		return &c.unnamed
	}
	return c.statements[string(name)]
}

// onBind binds a portal. A statement from an earlier epoch is prepared anew
// first, where the text that the server should have is a different one.
func (c *core) onBind(body []byte, complete bool, from, to int, out *batch) (whole bool, err error) {
	name, rest, ok := cstring(body)
	statementName, _, ok2 := cstring(rest)
	if !ok || !ok2 {
		if complete {
			return false, errProtocol
		}
		return false, nil
	}
	s := c.lookup(statementName)
	stale := s != nil && s.planner != c.planner
	if stale {
		if plan := c.plan(s.text); plan.Outcome == rewrite.Refuse {
			if !complete {
				return false, nil
			}
			c.batched = true
			out.build(func(dst []byte) []byte { return appendParse(dst, "", refusedText(plan.Refusal), noTypes) })
			c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{refusal: plan.Refusal}})
			return true, nil
		}
	}
	st := s.rewrittenBy(c)
	if st != nil && st.Hidden > 0 && st.Rows && !complete {
		return false, nil
	}
	c.batched = true
	if stale {
		c.prepareAnew(string(statementName), s, out)
	}
	p := portal{}
	e := expectation{answer: answerBind}
	if s != nil {
		p = portal{plan: s.plan, drops: s.drops}
		if s.plan.Outcome == rewrite.Rewrite {
			e.detail = &detail{edited: &s.plan.Extended}
		}
	}
	if len(name) == 0 {
		c.portal = p
	} else {
		if c.portals == nil {
			c.portals = map[string]portal{}
		}
		c.portals[string(name)] = p
	}
	c.queue.push(e)
	if st := p.rewritten(); st != nil && st.Hidden > 0 && st.Rows {
		changed, err := addResultFormat(body)
		if err != nil {
			return false, err
		}
		if changed != nil {
			out.build(func(dst []byte) []byte {
				return appendFrame(dst, 'B', func(b []byte) []byte { return append(b, changed...) })
			})
			return true, nil
		}
	}
	out.forward(from, to)
	return true, nil
}

// rewrittenBy returns what the statement's plan under the current epoch
// rewrites, without changing the statement.
func (s *statement) rewrittenBy(c *core) *rewrite.Statement {
	if s == nil {
		return nil
	}
	if s.planner == c.planner {
		return s.rewritten()
	}
	return portal{plan: c.plan(s.text)}.rewritten()
}

// prepareAnew brings a prepared statement to the current epoch. Its parameter
// types and row description stay, since plans never change them.
func (c *core) prepareAnew(name string, s *statement, out *batch) {
	plan := c.plan(s.text)
	before := serverText(s.plan, s.text)
	s.planner, s.plan = c.planner, plan
	text := serverText(plan, s.text)
	if text == before {
		return
	}
	out.build(func(dst []byte) []byte {
		return appendParse(appendClose(dst, 'S', name), name, text, s.types)
	})
	c.queue.push(expectation{answer: answerClose, swallow: true})
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{edited: &plan.Extended}})
}

// onExecute runs a portal, and the syncs of its plan right behind it.
func (c *core) onExecute(body []byte, from, to int, out *batch) error {
	c.batched = true
	name, rest, ok := cstring(body)
	if !ok || len(rest) != 4 {
		return errProtocol
	}
	p := c.portal
	if len(name) > 0 {
		p = c.portals[string(name)]
	}
	if p.drops {
		c.forgetPrepared()
	}
	st := p.rewritten()
	if st == nil {
		c.queue.push(expectation{answer: answerExecute})
		out.forward(from, to)
		return nil
	}
	c.queue.push(expectation{answer: answerExecute, detail: &detail{stmt: st, edited: &p.plan.Extended}})
	if st.Hidden > 0 && !st.Rows && binary.BigEndian.Uint32(rest) != 0 {
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

// syncPortal is the portal that syncs run in: the unnamed one is the client's.
const syncPortal = "pgjanus_sync"

// inject sends the messages of one sync.
func (c *core) inject(sync *rewrite.Sync, last bool, out *batch) {
	c.syncing = time.Now()
	d := &detail{sync: sync}
	if c.wants(sync) {
		out.build(func(dst []byte) []byte { return c.appendPrepare(dst, sync) })
		c.expectPrepare(sync, d)
	}
	out.build(func(dst []byte) []byte {
		dst = appendBind(dst, syncPortal, sync.Name)
		dst = appendExecute(dst, syncPortal)
		return appendClose(dst, 'P', syncPortal)
	})
	c.queue.push(expectation{answer: answerBind, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerExecute, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerClose, swallow: true, detail: &detail{sync: sync, release: last}})
}

// wants reports whether the sync has to be prepared on the server.
func (c *core) wants(sync *rewrite.Sync) bool {
	sure, known := c.prepared[sync.Name]
	return !known || !sure
}

// appendPrepare prepares a sync; the client may or may not have dropped it.
func (c *core) appendPrepare(dst []byte, sync *rewrite.Sync) []byte {
	return appendParse(appendClose(dst, 'S', sync.Name), sync.Name, sync.SQL, noTypes)
}

func (c *core) expectPrepare(sync *rewrite.Sync, d *detail) {
	c.prepared[sync.Name] = true
	c.queue.push(expectation{answer: answerClose, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{
		sync: d.sync,
		undo: func(c *core) {
			if _, known := c.prepared[sync.Name]; known {
				c.prepared[sync.Name] = false
			}
		},
	}})
}

// forgetPrepared notes that the client may drop every prepared statement.
func (c *core) forgetPrepared() {
	for name := range c.prepared {
		c.prepared[name] = false
	}
}

func (c *core) onDescribe(body []byte, from, to int, out *batch) error {
	c.batched = true
	if len(body) < 2 {
		return errProtocol
	}
	name, _, ok := cstring(body[1:])
	if !ok {
		return errProtocol
	}
	var st *rewrite.Statement
	var plan *rewrite.Plan
	switch {
	case body[0] == 'S':
		if s := c.lookup(name); s != nil {
			st, plan = s.rewritten(), s.plan
		}
	case len(name) == 0:
		st, plan = c.portal.rewritten(), c.portal.plan
	default:
		p := c.portals[string(name)]
		st, plan = p.rewritten(), p.plan
	}
	e := expectation{answer: answerDescribe}
	if st != nil {
		e.detail = &detail{stmt: st, edited: &plan.Extended}
	}
	c.queue.push(e)
	out.forward(from, to)
	return nil
}

func (c *core) onClose(body []byte) error {
	if len(body) < 2 {
		return errProtocol
	}
	name, _, ok := cstring(body[1:])
	if !ok {
		return errProtocol
	}
	e := expectation{answer: answerClose}
	key := string(name)
	switch {
	case body[0] == 'P' && key == "":
		c.portal = portal{}
	case body[0] == 'P':
		delete(c.portals, key)
	case key == "":
		c.unnamed.plan = nil
	default:
		if s := c.statements[key]; s != nil {
			delete(c.statements, key)
			e.detail = &detail{undo: func(c *core) { c.statements[key] = s }}
		}
	}
	c.queue.push(e)
	return nil
}

func (c *core) onQuery(body []byte, from, to int, out *batch) error {
	text, _, ok := cstring(body)
	if !ok {
		return errProtocol
	}
	c.unnamed.plan, c.portal = nil, portal{}
	if c.planner.Mentions(text)&rewrite.MentionsDeallocate != 0 {
		c.forgetPrepared()
	}
	plan := c.plan(text)
	switch plan.Outcome {
	case rewrite.Pass:
		out.forward(from, to)
		c.queue.push(expectation{answer: answerQuery})
	case rewrite.Refuse:
		out.build(func(dst []byte) []byte { return appendQuery(dst, refusedText(plan.Refusal)) })
		c.queue.push(expectation{answer: answerQuery, detail: &detail{refusal: plan.Refusal}})
	case rewrite.Rewrite:
		c.rewriteQuery(plan, out)
	}
	return nil
}

// rewriteQuery sends the edited text with its syncs. The first time, they are
// in it in full, and are prepared behind it for the next time.
func (c *core) rewriteQuery(plan *rewrite.Plan, out *batch) {
	c.syncing = time.Now()
	edited := &plan.SimplePrepared
	var missing []*rewrite.Sync
	for _, sync := range plan.Syncs() {
		if c.wants(sync) {
			missing = append(missing, sync)
			edited = &plan.SimpleFull
		}
	}
	out.build(func(dst []byte) []byte { return appendQuery(dst, edited.Text) })
	c.queue.push(expectation{answer: answerQuery, detail: &detail{edited: edited, query: &progress{plan: plan}}})
	if len(missing) == 0 || c.batched {
		return // inside an extended batch, an error of ours would hit the client's messages
	}
	for _, sync := range missing {
		if !c.wants(sync) {
			continue // twice in one text
		}
		out.build(func(dst []byte) []byte { return c.appendPrepare(dst, sync) })
		c.expectPrepare(sync, &detail{})
	}
	out.build(appendSync)
	c.queue.push(expectation{answer: answerReady, swallow: true})
}

// plan plans a text of the client and counts the outcome.
func (c *core) plan(text []byte) *rewrite.Plan {
	plan := c.planner.Plan(text, c.env)
	if plan.PreparesWrite {
		c.env.SQLPrepared = true
	}
	c.metrics.planned(plan)
	return plan
}
