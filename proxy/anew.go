package proxy

import "github.com/pgjanus/pgjanus/rewrite"

// prepareAnew brings a prepared statement to the current epoch, under which plan
// is its plan. Its parameter types and row description stay, since plans never
// change them.
func (c *core) prepareAnew(name string, s *statement, plan *rewrite.Plan, out *batch) {
	before := serverText(s.plan, s.text)
	s.planner, s.plan = c.planner, plan
	text := serverText(plan, s.text)
	if text == before && !s.unsure {
		return
	}
	s.unsure = false
	s.target = c.targetOf(plan)
	out.build(func(dst []byte) []byte {
		return appendParse(appendClose(dst, 'S', name), name, text, s.types)
	})
	c.queue.push(expectation{answer: answerClose, swallow: true})
	d := &detail{anew: s}
	if plan.Outcome == rewrite.Rewrite {
		d.edited = &plan.Extended
	}
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: d})
}

// refuseAnew makes a statement fail that the rules of the current epoch refuse.
func (c *core) refuseAnew(plan *rewrite.Plan, out *batch) {
	c.batched = true
	c.sawPrepared(plan)
	out.build(func(dst []byte) []byte { return appendParse(dst, "", refusedText(plan.Refusal), noTypes) })
	c.queue.push(expectation{
		answer: answerParse, swallow: true, unnamed: true, risky: c.unnamed.rewritten() != nil || c.unnamed.names(),
		detail: &detail{refusal: plan.Refusal},
	})
	c.unnamed.plan = nil
}

// executeAgain makes the second Execute of a write without RETURNING fail as it
// does in Postgres (PortalRunMulti in tcop/pquery.c; the server would fetch from
// the portal again, because of our column). Where the portal is gone, Describe
// fails as the Execute would. The statement that cannot be parsed has a name, so
// the client's unnamed one stays.
func (c *core) executeAgain(name string, plan *rewrite.Plan, out *batch) {
	const refused = "pgjanus_refused"
	r := &rewrite.Refusal{Code: codePortal, Reason: `portal "` + name + `" cannot be run`, Offset: -1}
	out.build(func(dst []byte) []byte {
		return appendParse(appendDescribe(dst, 'P', name), refused, refusedText(r), noTypes)
	})
	c.queue.push(expectation{answer: answerDescribe, swallow: true, detail: &detail{edited: &plan.Extended}})
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{refusal: r}})
}

// closeUnnamed makes sure that the server has no unnamed statement either.
func (c *core) closeUnnamed(out *batch) {
	c.unnamedLost = false
	out.build(func(dst []byte) []byte { return appendClose(dst, 'S', "") })
	c.queue.push(expectation{answer: answerClose, swallow: true, unnamed: true, risky: true})
}
