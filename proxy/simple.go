package proxy

import (
	"encoding/binary"
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

// onQuery plans the text of a Query and sends on what the plan makes of it.
func (c *core) onQuery(body []byte, from, to int, out *batch) error {
	text, _, ok := cstring(body)
	if !ok {
		return errProtocol
	}
	e := expectation{answer: answerQuery, unnamed: true, risky: c.unnamed.rewritten() != nil}
	c.unnamed.plan, c.portal = nil, portal{}
	mention := c.mentions(text)
	if drops := droppingOf(text, mention); drops.some {
		c.forgetPrepared()
		e.detail = &detail{drops: drops, pushed: c.statements.pushed, prepares: c.prepares}
	}
	plan := c.executed(text, mention)
	if plan == nil {
		plan = c.plan(text, mention, c.env)
	}
	c.sawQuery(plan)
	switch plan.Outcome {
	case rewrite.Pass:
		out.forward(from, to)
		c.queue.push(e)
	case rewrite.Refuse:
		out.build(func(dst []byte) []byte { return appendQuery(dst, refusedText(plan.Refusal)) })
		e.edit().refusal = plan.Refusal
		c.queue.push(e)
	case rewrite.Rewrite:
		c.rewriteQuery(plan, e, out)
	}
	return nil
}

// rewriteQuery sends the edited text with its syncs. The first time, they are
// in it in full, and are prepared behind it for the next time.
func (c *core) rewriteQuery(plan *rewrite.Plan, e expectation, out *batch) {
	c.syncing = time.Now()
	form := c.form()
	var missing []*rewrite.Sync
	for _, sync := range plan.Syncs() {
		if sync = form.Pick(sync); c.wants(sync) {
			missing = append(missing, sync)
		}
	}
	if len(missing) > 0 {
		form |= rewrite.InFull
	}
	edited := plan.Simple(form)
	out.build(func(dst []byte) []byte { return appendQuery(dst, edited.Text) })
	d := e.edit()
	d.edited, d.query = edited, &progress{plan: plan}
	c.queue.push(e)
	if len(missing) == 0 || c.batched || copies(plan) {
		// Inside an extended batch an error of ours would hit the client's
		// messages, and inside COPY FROM STDIN any message ends it.
		return
	}
	for _, sync := range missing {
		if !c.wants(sync) {
			continue // twice in one text
		}
		out.build(func(dst []byte) []byte { return c.appendPrepare(dst, sync) })
		c.expectPrepare(sync, &detail{})
	}
	out.build(appendSync)
	c.batch++
	c.queue.push(expectation{answer: answerReady, swallow: true})
}

// form is the form of the syncs that the session's transactions need.
func (c *core) form() rewrite.SyncForm {
	if c.fixed || c.planner.FixedByDefault() {
		return rewrite.FixedSnapshots
	}
	return 0
}

// mentions says what a text may be about, and notes what that means for the
// session from then on.
func (c *core) mentions(text []byte) rewrite.Mention {
	mention := c.planner.Mentions(text)
	c.fixed = c.fixed || mention&rewrite.MentionsIsolation != 0
	return mention
}

// copies reports whether the text has a COPY.
func copies(plan *rewrite.Plan) bool {
	for i := range plan.Statements {
		if plan.Statements[i].Kind == "COPY" {
			return true
		}
	}
	return false
}

// planTyped plans the text of a Parse. types is the end of its body: a count of
// declared parameter types, and their OIDs.
func (c *core) planTyped(text, types []byte, mention rewrite.Mention) *rewrite.Plan {
	env := c.env
	for i := 2; i+4 <= len(types); i += 4 {
		env.LooseTypes = env.LooseTypes || rewrite.LooseType(binary.BigEndian.Uint32(types[i:]))
	}
	return c.plan(text, mention, env)
}

// planAnew plans a prepared statement under the rules of the current epoch.
func (c *core) planAnew(s *statement) *rewrite.Plan {
	return c.planTyped(s.text, s.types, c.planner.Mentions(s.text))
}

// plan plans a text of the client, of which mention is known, and counts the outcome.
func (c *core) plan(text []byte, mention rewrite.Mention, env rewrite.Env) *rewrite.Plan {
	plan, source := c.planner.PlanFrom(text, mention, env)
	if plan.PreparesWrite {
		c.env.SQLPrepared = true
		c.prepares++
	}
	c.metrics.planned(plan, source)
	return plan
}
