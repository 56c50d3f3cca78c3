package proxy

import (
	"slices"

	"github.com/pgjanus/pgjanus/rewrite"
)

// A statement that was prepared by SQL keeps its name on the server, so that
// Bind, DEALLOCATE, EXPLAIN and pg_prepared_statements find it. Its text is the
// PREPARE itself. When other rules come into force it is prepared anew at once,
// while the session is between transactions: an EXECUTE may come inside one,
// where what fails cannot be hidden from the client.

// preparedBySQL is the entry of what a PREPARE prepares.
func (c *core) preparedBySQL(named *rewrite.Named) *statement {
	env := c.env
	env.Prepared = true
	plan := c.planner.Plan([]byte(named.Text), env)
	return &statement{
		bySQL: true, text: []byte(named.Text), planner: c.planner, plan: plan,
		has: serverText(plan, []byte(named.Text)), reading: c.reading(),
	}
}

// namesAnew prepares anew what was prepared by SQL and is another text under the
// rules that are in force now. The session is between transactions.
func (c *core) namesAnew(out *batch) {
	var names []string
	for name, s := range c.statements.last {
		if s.bySQL {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return int(c.statements.last[a].number) - int(c.statements.last[b].number) })
	for _, name := range names {
		c.nameAnew(name, c.statements.last[name], out)
	}
}

func (c *core) nameAnew(name string, s *statement, out *batch) {
	if s.doubtful {
		return
	}
	env := c.env
	env.Prepared = true
	plan := c.planner.Plan(s.text, env)
	s.planner = c.planner
	switch {
	case s.reading != c.reading() && !rewrite.Plain(s.text):
		s.refusal = c.unclear(s)
		return
	case plan.Outcome == rewrite.Refuse:
		s.refusal = plan.Refusal
		return
	case s.plan.ShowsOther(plan):
		s.refusal = errorResultType()
		return
	}
	s.plan, s.refusal = plan, nil
	text := serverText(plan, s.text)
	if text == s.has {
		return
	}
	s.has = text
	out.build(func(dst []byte) []byte {
		dst = appendClose(appendClose(dst, 'S', name), 'S', anewStatement)
		dst = appendParse(dst, anewStatement, text, noTypes)
		dst = appendExecute(appendBind(dst, syncPortal, anewStatement), syncPortal)
		dst = appendClose(appendClose(dst, 'P', syncPortal), 'S', anewStatement)
		return appendFrame(dst, 'S', func(b []byte) []byte { return b })
	})
	failed := &detail{undo: func(c *core) {
		s.has = ""
		s.refusal = &rewrite.Refusal{
			Reason: "the statement could not be prepared anew when the rules changed: " + c.failure,
			Hint:   "deallocate it, and prepare it again",
		}
	}}
	for _, a := range []answer{answerClose, answerClose, answerParse, answerBind, answerExecute, answerClose, answerClose, answerReady} {
		e := expectation{answer: a, swallow: true}
		if a == answerExecute {
			e.detail = failed
		}
		c.queue.push(e)
	}
}

// anewStatement is the name of the statement that prepares another.
const anewStatement = "pgjanus_prepare"

// unclear refuses a statement whose text would not be read as it was, unless no
// migration is concerned, now and before.
func (c *core) unclear(s *statement) *rewrite.Refusal {
	untouched := s.plan.Outcome == rewrite.Pass && s.has == string(s.text)
	if untouched && !(c.planner.Active() && c.planner.Mentions(s.text)&rewrite.MentionsMigration != 0) {
		return nil
	}
	return &rewrite.Refusal{
		Reason: "the statement was prepared under another standard_conforming_strings or client_encoding, and the rules have changed since",
		Hint:   "deallocate it, and prepare it again",
	}
}

// runs is the plan of what an execution of the statement runs.
func (s *statement) runs() *rewrite.Plan {
	if s.plan == nil || !s.bySQL {
		return s.plan
	}
	if len(s.plan.Statements) == 1 && s.plan.Statements[0].Named != nil {
		return s.plan.Statements[0].Named.Runs
	}
	return nil
}

// doubt notes that an error came where it may not be the PREPARE that has
// failed: the last statement of a text that commits with it (deferred
// constraints, in finish_xact_command). Then the server has the statement, since
// PREPARE is not undone by a rollback.
func (d *detail) doubt(frame []byte) bool {
	if d == nil || d.query == nil || len(d.query.plan.Statements) < 2 || field(frame, 'C') == codeDuplicateStatement || field(frame, 'P') != "" {
		return false
	}
	last := len(d.query.plan.Statements) - 1
	if d.query.stmt != last {
		return false
	}
	for _, ch := range d.changes {
		if ch.stmt == last && ch.entry.bySQL {
			ch.entry.doubtful, ch.entry.settled, ch.entry.before = true, true, nil
			ch.entry.refusal = &rewrite.Refusal{
				Reason: "whether the statement was prepared is not known: an error came behind it in the same text",
				Hint:   "deallocate it, and prepare it again",
			}
			return true
		}
	}
	return false
}

const codeDuplicateStatement = "42P05" // duplicate_prepared_statement
