package proxy

import (
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

// onQuery plans the text of a Query and sends on what the plan makes of it.
func (c *core) onQuery(body []byte, from, to int, out *batch) error {
	text, _, ok := cstring(body)
	if !ok {
		return errProtocol
	}
	mention := c.planner.Mentions(text)
	if mention&rewrite.MentionsExecute != 0 && c.mustWait(c.statements.anyOpen) {
		return errWait
	}
	e := expectation{answer: answerQuery, unnamed: true, risky: c.unnamed.rewritten() != nil || c.unnamed.names()}
	c.unnamed.plan, c.portal = nil, portal{}
	if drops := droppingOf(text, mention); drops.some {
		c.forgetPrepared()
		e.detail = &detail{drops: drops, pushed: c.statements.pushed, obscures: c.obscures}
	}
	env := c.env
	env.Names = c.namesMatter(mention)
	planned, source := c.planner.PlanFrom(text, mention, env)
	c.obscure(planned, mention)
	c.sawQuery(planned)
	plan, changes := c.resolve(planned, c.sawExecute)
	if plan.Outcome != rewrite.Refuse || planned.Outcome == rewrite.Refuse {
		c.metrics.planned(plan, source)
	}
	c.statements.fence = c.statements.pushed
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

// planAnew plans a prepared statement under the rules of the current epoch.
func (c *core) planAnew(s *statement) *rewrite.Plan {
	return c.planPrepared(s.text, c.planner.Mentions(s.text))
}

// planPrepared plans the text of a statement that may be executed many times,
// whatever names stand for then.
func (c *core) planPrepared(text []byte, mention rewrite.Mention) *rewrite.Plan {
	env := c.env
	env.Names = true
	return c.plan(text, mention, env)
}

// plan plans a text of the client, of which mention is known, and counts the outcome.
func (c *core) plan(text []byte, mention rewrite.Mention, env rewrite.Env) *rewrite.Plan {
	plan, source := c.planner.PlanFrom(text, mention, env)
	c.metrics.planned(plan, source)
	return plan
}
