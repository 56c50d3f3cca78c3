package proxy

import "github.com/pgjanus/pgjanus/rewrite"

// answer is the kind of reply that a message to the server will have.
type answer uint8

const (
	answerParse    answer = iota + 1 // ParseComplete
	answerBind                       // BindComplete
	answerClose                      // CloseComplete
	answerDescribe                   // [ParameterDescription] RowDescription or NoData
	answerExecute                    // rows, then CommandComplete, EmptyQueryResponse or PortalSuspended
	answerReady                      // ReadyForQuery: to Sync, and at the end of login
	answerQuery                      // anything, then ReadyForQuery: to Query and FunctionCall
	answerCopyEnd                    // none: CopyDone or CopyFail has been sent
)

// expectation is one entry of the queue of answers that are outstanding.
type expectation struct {
	answer answer
	// swallow: the message was ours, so the client does not see the answer.
	swallow bool
	// unnamed: it decides what the unnamed statement is; risky: the one before or
	// the one after is rewritten.
	unnamed, risky bool
	// detail is set only where the answer is about a plan or may need undoing.
	detail *detail
}

// ready reports whether a ReadyForQuery ends the answer.
func (e *expectation) ready() bool { return e.answer == answerReady || e.answer == answerQuery }

// edit returns the expectation's detail.
func (e *expectation) edit() *detail {
	if e.detail == nil {
		e.detail = &detail{}
	}
	return e.detail
}

// current returns what is known of the statement that is being answered: of a
// Query, the one of its statements that is its turn.
func (e *expectation) current() detail {
	if e == nil || e.detail == nil {
		return detail{}
	}
	d := *e.detail
	if d.query != nil {
		d.stmt, d.sync = d.query.statement()
		if d.query.over {
			d.sync = nil
		}
	}
	return d
}

// commits reports whether what is being answered is done, but for the commit of the
// Query that it ends.
func (e *expectation) commits() bool {
	return e.detail != nil && e.detail.query != nil && e.detail.query.over
}

// detail is what is known of an answer that is not simply forwarded.
type detail struct {
	edited  *rewrite.Edited    // the text that error positions refer to
	stmt    *rewrite.Statement // reshape its rows; hold its completion for its syncs
	sync    *rewrite.Sync      // the answer belongs to this sync
	release bool               // it is the last one before the held completion
	refusal *rewrite.Refusal   // the message was made to fail; this is the client's error
	former  bool               // it is about the text before that, which the server may not understand any more
	query   *progress          // where a rewritten Query stands
	copyIn  *copyIn            // the message began it
	name    string             // with entry: the statement's name
	entry   *statement         // what the message was sent for, in the table of statements
	anew    *statement         // the statement that the message prepares anew
	bound   *bound             // what the message was sent for, in the table of portals
	spends  *bound             // the portal that the message executes, where it can be but once
	changes []change           // what its statements do to the table, as far as they are not done
	drops   dropping           // what the text may drop of the first pushed statements
	pushed  uint64
	// with drops: how many texts before it could not be read, and may have made
	// names stand for others
	obscures, shadows uint64
	question          bool        // the message was sent to ask what names stand for
	undo              func(*core) // runs when the message failed or was skipped
	done              func(*core) // runs when the answer says that it succeeded
}

// complete notes that a statement of the text is complete.
func (d *detail) complete(c *core, stmt int) {
	for len(d.changes) > 0 && d.changes[0].stmt <= stmt {
		c.statements.settle(d.changes[0].name, d.changes[0].entry)
		d.changes = d.changes[1:]
	}
}

// settle notes that the message succeeded.
func (d *detail) settle(c *core) {
	if d.entry != nil {
		c.statements.settle(d.name, d.entry)
	}
	if d.bound != nil {
		c.portals.settle(d.bound)
	}
	if d.done != nil {
		d.done(c)
	}
}

// revert notes that the message failed, or was skipped.
func (d *detail) revert(c *core) {
	if d.entry != nil {
		c.statements.undo(d.name, d.entry)
	}
	if d.bound != nil {
		c.portals.undo(d.bound)
	}
	if d.spends != nil {
		d.spends.spent = false
	}
	c.takeBack(d.changes)
	d.changes = nil
	if d.anew != nil {
		d.anew.unsure, d.anew.planner = true, nil
	}
	if d.undo != nil {
		d.undo(c)
	}
}

// progress follows the statements of a rewritten Query: each is answered by
// its own completion and then by one of each of its syncs.
type progress struct {
	plan *rewrite.Plan
	stmt int
	sync int // 0: the statement itself; n: its n-th sync
	// over: the sync has yielded its row. What comes before its completion is of the
	// commit that ends the text: deferred constraints and triggers, say.
	over bool
}

// statement returns the statement that is being answered, and its sync if the
// answers are a sync's. Both are nil behind the last.
func (p *progress) statement() (*rewrite.Statement, *rewrite.Sync) {
	if p.stmt >= len(p.plan.Statements) {
		return nil, nil
	}
	s := &p.plan.Statements[p.stmt]
	if p.sync == 0 {
		return s, nil
	}
	return s, s.Syncs[p.sync-1]
}

// next moves behind a completion and reports whether the statement and all of
// its syncs are complete.
func (p *progress) next() bool {
	p.over = false
	if p.sync < len(p.plan.Statements[p.stmt].Syncs) {
		p.sync++
		return false
	}
	p.stmt, p.sync = p.stmt+1, 0
	return true
}

// queue is a ring of expectations.
type queue struct {
	ring []expectation // length is a power of two
	head int
	n    int
	// asked is how many ReadyForQuery were expected ever, told how many came.
	asked, told uint64
	// unnamedAt: when so many are in, what the unnamed statement is is known, as far
	// as it matters.
	unnamedAt uint64
}

// open reports whether the server is yet to say what will be known when that many
// ReadyForQuery are in, whatever becomes of what the client sends now.
func (q *queue) open(at uint64) bool { return q.told < at && at <= q.asked }

func (q *queue) len() int { return q.n }

func (q *queue) at(i int) *expectation { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) push(e expectation) {
	if q.n == len(q.ring) {
		grown := make([]expectation, max(16, 2*len(q.ring)))
		for i := range q.n {
			grown[i] = *q.at(i)
		}
		q.ring, q.head = grown, 0
	}
	q.n++
	*q.at(q.n - 1) = e
	if e.unnamed && (e.risky || q.told < q.unnamedAt) {
		q.unnamedAt = q.asked + 1
	}
	if e.ready() {
		q.asked++
	}
}

func (q *queue) pop() expectation {
	e := *q.at(0)
	*q.at(0) = expectation{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	if e.ready() {
		q.told++
	}
	return e
}

// remove deletes n entries from entry i on, which will not be answered.
func (q *queue) remove(i, n int) {
	for k := i; k < i+n; k++ {
		if q.at(k).ready() {
			q.asked--
		}
	}
	for ; i < q.n-n; i++ {
		*q.at(i) = *q.at(i + n)
	}
	for ; i < q.n; i++ {
		*q.at(i) = expectation{}
	}
	q.n -= n
}
