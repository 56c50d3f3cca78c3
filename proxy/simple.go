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
