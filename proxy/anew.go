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
	s.unsure, s.anewAt = false, c.queue.asked+1
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
		answer: answerParse, swallow: true, unnamed: true, risky: c.unnamed.risky(),
		detail: &detail{refusal: plan.Refusal},
	})
	c.unnamed.plan = nil
}

// executeAgain makes the second Execute of a write without RETURNING fail as it
// does in Postgres (PortalRunMulti in tcop/pquery.c; the server would fetch from
// the portal again, because of our column; nothing is left in it). Where the portal
// is gone, that is what the server says. The statement that cannot be parsed has a
// name, so the client's unnamed one stays.
func (c *core) executeAgain(name string, plan *rewrite.Plan, out *batch) {
	r := &rewrite.Refusal{Code: codePortal, Reason: `portal "` + name + `" cannot be run`, Offset: -1}
	out.build(func(dst []byte) []byte {
		return appendParse(appendExecute(dst, name), refusedStatement, refusedText(r), noTypes)
	})
	c.queue.push(expectation{answer: answerExecute, swallow: true, detail: &detail{edited: &plan.Extended}})
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{refusal: r}})
}

// closeUnnamed makes sure that the server has no unnamed statement either.
func (c *core) closeUnnamed(out *batch) {
	c.unnamedLost = false
	out.build(func(dst []byte) []byte { return appendClose(dst, 'S', "") })
	c.queue.push(expectation{answer: answerClose, swallow: true, unnamed: true, risky: true})
}

// refusedStatement is the name of a statement that cannot be parsed, where the
// client's unnamed one has to stay.
const refusedStatement = "pgjanus_refused"

// errorResultType is what Postgres says to an execution that would show other columns
// than the client has been told of, again and again, until the client prepares the
// statement anew. Rails and pgjdbc do so
// by themselves where it comes from that routine (utils/cache/plancache.c).
func errorResultType() *rewrite.Refusal {
	return &rewrite.Refusal{Code: codeRefused, Reason: "cached plan must not change result type", Offset: -1, Routine: "RevalidateCachedQuery"}
}

// refuseResultType makes a Bind fail so.
func (c *core) refuseResultType(out *batch) {
	c.batched = true
	r := errorResultType()
	out.build(func(dst []byte) []byte { return appendParse(dst, refusedStatement, refusedText(r), noTypes) })
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{refusal: r}})
}

// describeResultType makes the Describe of a statement fail so, behind the types of
// its parameters.
func (c *core) describeResultType(name []byte, s *statement, out *batch) {
	c.batched = true
	out.build(func(dst []byte) []byte { return appendDescribe(dst, 'S', string(name)) })
	c.queue.push(expectation{answer: answerDescribe, swallow: true, detail: &detail{edited: &s.plan.Extended, refusal: errorResultType(), former: true}})
	c.refuseResultType(out)
}
