package proxy

import (
	"encoding/binary"

	"github.com/pgjanus/pgjanus/rewrite"
)

// What an unqualified name stands for depends on the session: its search_path,
// its temporary relations. Where the plan of a text depends on that, the core
// asks the server, at the place of the stream where the text's turn comes, and
// plans the text with the answer. Until the answer is in, the client side
// pauses: the client's message waits, and nothing more is read behind it.
//
// That cannot deadlock, for the reason that the pause for a new epoch cannot:
// the server has all it needs to answer (behind extended messages a Flush too),
// and answers to the client go on meanwhile. A client that reads nothing before
// it has written everything would hang with Postgres itself, which does not read
// a message either before it has answered the last.
//
// The orders that matter:
//
//   - A Query asks by a Query, whose answers are swallowed. Both are answered in
//     the session's state at that moment, as nothing of the session's comes
//     between them.
//   - Behind extended messages without a Sync a Query would end their implicit
//     transaction, so a client's Query that would have to ask there is refused.
//   - A Parse, and a Bind, ask by extended messages under names of our own, in
//     the implicit transaction that the client's message belongs to.
//   - Postgres reads the names of a prepared statement anew at Bind, when
//     search_path has changed (RevalidateCachedQuery in utils/cache/plancache.c),
//     so each Bind asks again, unless nothing was executed since the last answer.
//     With another answer the statement is prepared anew.
//   - When a question fails (the transaction has failed, a cancel request has
//     come) so would the client's message have, and the client gets that error
//     in its place. A Query is then not sent on: its ReadyForQuery is the
//     question's. In the extended protocol the server skips it, as it skips
//     everything up to the Sync.
//   - The names of a utility statement (COPY, TRUNCATE) are read when it is
//     executed. One whose portal was bound before something else was executed is
//     refused.
//   - In COPY FROM STDIN the server takes no other message, so nothing is asked.
//   - When a message before the question fails, the server skips the question
//     too, and the pause is over.
//   - When a new epoch is taken between question and message, it is another
//     question.
type asking struct {
	question *rewrite.Question // the last one that was asked
	// waits: its answer is outstanding. answered: names is its answer, and nothing
	// was executed since. failed: the Query that it was asked for is not sent on.
	waits, answered, failed bool
	names                   string
}

// way is how a question is asked.
type way uint8

const (
	asMessages way = iota // of the extended protocol
	asQuery
)

// answerTo returns the answer to a question, if it is known.
func (a *asking) answerTo(q *rewrite.Question) (names string, known bool) {
	return a.names, a.answered && a.question == q
}

// askPortal is the portal that questions run in.
const askPortal = "pgjanus_names"

// ask sends a question. The message at hand waits for the answer: it is fed
// again then.
func (c *core) ask(q *rewrite.Question, how way, out *batch) {
	c.asking = asking{question: q, waits: true}
	d := &detail{question: true}
	if how == asQuery {
		out.build(func(dst []byte) []byte { return appendQuery(dst, q.SQL) })
		c.queue.push(expectation{answer: answerQuery, swallow: true, unnamed: true, risky: c.unnamed.risky(), detail: d})
		c.unnamed.plan = nil
		return
	}
	c.batched = true
	sync := &rewrite.Sync{Name: q.Name, SQL: q.SQL}
	if c.wants(sync) {
		out.build(func(dst []byte) []byte { return c.appendPrepare(dst, sync) })
		c.expectPrepare(sync, d)
	}
	out.build(func(dst []byte) []byte {
		dst = appendBind(dst, askPortal, sync.Name)
		dst = appendExecute(dst, askPortal)
		return appendFlush(appendClose(dst, 'P', askPortal))
	})
	over := func(c *core) { c.asking.waits = false }
	lost := func(c *core) { c.asking = asking{} }
	c.queue.push(expectation{answer: answerBind, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerExecute, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerClose, swallow: true, detail: &detail{question: true, done: over, undo: lost}})
}

// asks reports whether what is being answered is a question.
func asks(h *expectation) bool { return h != nil && h.detail != nil && h.detail.question }

// onAnswer takes the one row of a question's answer.
func (c *core) onAnswer(row []byte) error {
	const head = 2 + 4 // one column, its length
	if len(row) < head || binary.BigEndian.Uint16(row) != 1 || int(binary.BigEndian.Uint32(row[2:])) != len(row)-head {
		return errProtocol
	}
	c.asking.names, c.asking.answered = string(row[head:]), true
	return nil
}

// executes notes that the client's message may have changed what names stand for.
func (a *asking) executes(kind byte) {
	switch kind {
	case 'Q', 'E', 'S', 'F':
		a.answered = false
	}
}

// outdated returns the plan that refuses a portal of a utility statement whose
// names may stand for something else than when it was bound; nil where they do not.
func (c *core) outdated(p portal) *rewrite.Plan {
	if !c.namesMove() || c.asking.answered || p.plan == nil || len(p.plan.Statements) != 1 {
		return nil
	}
	switch p.plan.Statements[0].Kind {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE":
		return nil
	}
	if plan := c.planner.Plan([]byte(p.plan.Original), c.env); plan.Ask != nil {
		return plan
	}
	return nil
}

// namesMove reports whether what names stand for, and with it the plan of a
// prepared statement, may have changed since it was prepared.
func (c *core) namesMove() bool { return c.planner.Contests(c.env) }
