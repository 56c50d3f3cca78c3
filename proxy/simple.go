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
	if c.asking.failed {
		c.asking.failed = false
		return nil // it was answered by the error of the question
	}
	mention, prepares := c.planner.Mentions(text), c.prepares
	plan := c.executed(text, mention)
	if plan == nil {
		if plan = c.plan(text, mention, true, out); plan == nil {
			return nil
		}
	}
	e := expectation{answer: answerQuery, unnamed: true, risky: c.unnamed.rewritten() != nil}
	c.unnamed.plan, c.portal = nil, portal{}
	if drops := droppingOf(text, mention); drops.some {
		c.forgetPrepared()
		e.detail = &detail{drops: drops, pushed: c.statements.pushed, prepares: prepares}
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

// rewriteQuery sends the edited text, with its syncs.
func (c *core) rewriteQuery(plan *rewrite.Plan, e expectation, out *batch) {
	c.syncing = time.Now()
	edited := plan.Simple()
	out.build(func(dst []byte) []byte { return appendQuery(dst, edited.Text) })
	d := e.edit()
	d.edited, d.query = edited, &progress{plan: plan}
	c.queue.push(e)
}

// planAnew plans a prepared statement under the rules of the current epoch and
// what its names stand for now; see plan.
func (c *core) planAnew(s *statement, out *batch) *rewrite.Plan {
	return c.plan(s.text, c.planner.Mentions(s.text), false, out)
}

// plan plans a text of the client, of which mention is known, and counts the
// outcome. It returns nil where the server was asked something first: then the
// client's message, a Query or not, has to wait.
func (c *core) plan(text []byte, mention rewrite.Mention, query bool, out *batch) *rewrite.Plan {
	plan, source := c.planner.PlanFrom(text, mention, c.env)
	if plan.Ask != nil && !c.copying && !(query && c.batched) {
		names, known := c.asking.answerTo(plan.Ask)
		if !known {
			c.ask(plan.Ask, query, out)
			return nil
		}
		env := c.env
		env.Names = names
		plan, source = c.planner.PlanFrom(text, mention, env)
	}
	if plan.Shadows {
		c.env.Shadowed = true
		c.prepares++
	}
	if plan.PreparesWrite || plan.PreparesGuarded {
		c.env.SQLPrepared = c.env.SQLPrepared || plan.PreparesWrite
		c.guardedPrepares = c.guardedPrepares || plan.PreparesGuarded
		c.prepares++
	}
	c.metrics.planned(plan, source)
	return plan
}
