package proxy

import (
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

// onQuery plans the text of a Query and sends on what the plan makes of it.
func (c *core) onQuery(body []byte, from, to int, out *batch) error {
	text, rest, ok := cstring(body)
	if !ok || len(rest) > 0 {
		return errMalformed
	}
	if c.asking.failed {
		c.asking.failed = false
		return nil // it was answered by the error of the question
	}
	mention, shadows := c.planner.Mentions(text), c.shadows
	if mention&rewrite.MentionsExecute != 0 && c.mustWait(c.anyOpen) || c.readsLater(text, mention) {
		return errWait
	}
	c.speaks(text, mention)
	env := c.env
	env.Prepared = c.namesMatter(mention)
	planned, source := c.planFrom(text, mention, env, asQuery, out)
	if planned == nil {
		return nil
	}
	if r := c.reaches(text); r != nil && planned.Outcome != rewrite.Refuse {
		planned = c.refusesReach(string(text), r)
	}
	c.mayReset(text)
	e := expectation{answer: answerQuery, unnamed: true, risky: c.unnamed.risky()}
	c.unnamed.plan = nil
	if drops := droppingOf(text, mention); drops.some {
		c.forgetPrepared()
		e.detail = &detail{drops: drops, pushed: c.statements.pushed, obscures: c.obscures, shadows: shadows}
	}
	c.obscure(planned, mention)
	c.sawQuery(planned)
	plan, changes := c.resolve(planned, c.sawExecute)
	if plan.Outcome != rewrite.Refuse || planned.Outcome == rewrite.Refuse {
		c.metrics.planned(plan, source)
	}
	c.statements.fence, c.portals.fence = c.statements.pushed, c.portals.pushed
	if len(changes) > 0 {
		e.edit().changes, e.edit().query = changes, &progress{plan: plan}
	}
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

// rewriteQuery sends the edited text, with its syncs.
func (c *core) rewriteQuery(plan *rewrite.Plan, e expectation, out *batch) {
	c.syncing = time.Now()
	edited := plan.Simple()
	out.build(func(dst []byte) []byte { return appendQuery(dst, edited.Text) })
	d := e.edit()
	d.edited, d.query = edited, &progress{plan: plan}
	c.queue.push(e)
}

// mustWait reports whether the client side has to wait for what is open. In COPY
// FROM STDIN it is the server that waits.
func (c *core) mustWait(open func() bool) bool { return c.queue.len() > 0 && !c.copying && open() }

// planAnew plans a prepared statement under the rules of the current epoch and
// what its names stand for now; see planPrepared.
func (c *core) planAnew(s *statement, out *batch) *rewrite.Plan {
	return c.planPrepared(s.text, c.planner.Mentions(s.text), out)
}

// planPrepared plans the text of a statement that may be executed many times,
// whatever names of prepared statements stand for then, and counts the outcome.
// It returns nil where the server was asked something first: then the client's
// message has to wait.
func (c *core) planPrepared(text []byte, mention rewrite.Mention, out *batch) *rewrite.Plan {
	env := c.env
	env.Prepared = true
	plan, source := c.planFrom(text, mention, env, asMessages, out)
	if plan != nil {
		c.metrics.planned(plan, source)
	}
	return plan
}

// planFrom plans a text of the client, of which mention is known. It returns nil
// where the server was asked something first. Behind extended messages a Query
// cannot ask.
func (c *core) planFrom(text []byte, mention rewrite.Mention, env rewrite.Env, how way, out *batch) (*rewrite.Plan, rewrite.Source) {
	env.Unsettled = len(c.resets) > 0 && !rewrite.Plain(text) && c.readAt() > 0
	plan, source := c.planner.PlanFrom(text, mention, env)
	if plan.Ask != nil && !c.copying && !(how == asQuery && c.batched) {
		names, known := c.asking.answerTo(plan.Ask)
		if !known {
			c.ask(plan.Ask, how, out)
			return nil, source
		}
		env.Names = names
		plan, source = c.planner.PlanFrom(text, mention, env)
	}
	if plan.Shadows {
		c.env.Shadowed = true
		c.shadows++
	}
	return plan, source
}
