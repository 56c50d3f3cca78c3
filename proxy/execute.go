package proxy

import (
	"fmt"

	"github.com/pgjanus/pgjanus/rewrite"
)

// EXECUTE, in SQL, runs what the session has prepared, by PREPARE or through the
// protocol: both share their names. Plans are shared between sessions, so what a
// name stands for is put into them here, for one execution.

// change is what the statement of a text at that place does to the table of
// prepared statements.
type change struct {
	stmt  int
	name  string
	entry *statement
}

// target is what the name in an EXECUTE stands for.
type target struct {
	entry *statement
	plan  *rewrite.Plan // of what it runs, then
}

// hides reports whether its rows have a column of ours.
func (t target) hides() bool {
	return t.plan != nil && len(t.plan.Statements) > 0 && t.plan.Statements[0].Hidden > 0
}

// outdated reports whether a portal that was bound when its name stood for t is
// not to be executed now.
func (t target) outdated(now target) bool { return t != now && (t.writes() || now.writes()) }

// writes reports whether anything has to be done with what it runs.
func (t target) writes() bool { return t.plan != nil && t.plan.Outcome == rewrite.Rewrite }

// misleads reports whether the server describes an EXECUTE that it parsed when
// its name stood for t, and not for now, in a way that cannot be put right.
func (t target) misleads(now target) bool { return t != now && (t.hides() || now.hides()) }

// namesMatter reports whether it has to be known what a text does to names.
func (c *core) namesMatter(mention rewrite.Mention) bool {
	return mention&rewrite.MentionsPrepare != 0 || mention&rewrite.MentionsDeallocate != 0 && c.preparesBySQL ||
		mention&rewrite.MentionsExecute != 0 && (len(c.statements.last) > 0 || len(c.obscured) > 0)
}

// resolve returns the plan of a text about to be executed with what the names in
// it stand for, and what the text does to names: later statements of the text,
// and what the client sends behind it, refer to that. saw is told each name that is
// executed.
func (c *core) resolve(plan *rewrite.Plan, saw func(name string)) (_ *rewrite.Plan, changes []change) {
	if plan.Outcome == rewrite.Refuse || !plan.Names() {
		return c.resolveObscure(plan), nil
	}
	var runs []*rewrite.Plan
	for i := range plan.Statements {
		named := plan.Statements[i].Named
		if named == nil {
			continue
		}
		switch named.Does {
		case rewrite.Prepares:
			c.preparesBySQL = true
			changes = append(changes, c.enter(i, named.Name, c.preparedBySQL(named)))
		case rewrite.Deallocates:
			for name := range c.statements.last {
				if named.Name == "" || name == named.Name {
					changes = append(changes, c.enter(i, name, &statement{closed: true}))
				}
			}
		default:
			run, refusal := c.runs(named.Name)
			saw(named.Name)
			if refusal != nil {
				c.takeBack(changes)
				return c.refuses(plan, i, *refusal), nil
			}
			if run != nil && runs == nil {
				runs = make([]*rewrite.Plan, len(plan.Statements))
			}
			if run != nil {
				runs[i] = run
			}
		}
	}
	if runs != nil {
		plan = plan.Executing(runs)
	}
	return plan, changes
}

func (c *core) enter(stmt int, name string, s *statement) change {
	c.statements.push(name, s)
	return change{stmt, name, s}
}

// takeBack undoes changes that were not made, the last one first.
func (c *core) takeBack(changes []change) {
	for i := len(changes) - 1; i >= 0; i-- {
		c.statements.undo(changes[i].name, changes[i].entry)
	}
}

func (c *core) refuses(plan *rewrite.Plan, stmt int, r rewrite.Refusal) *rewrite.Plan {
	refused := plan.Refused(stmt, r)
	c.metrics.planned(refused, rewrite.Unmentioned)
	return refused
}

// runs returns the plan of what EXECUTE of a name runs: nil where nothing has to
// be known of it.
func (c *core) runs(name string) (*rewrite.Plan, *rewrite.Refusal) {
	if c.hidesName(name) {
		return nil, &rewrite.Refusal{
			Reason: fmt.Sprintf("what %q stands for cannot be told: a text that may have prepared it could not be read", name),
			Hint:   "run DEALLOCATE ALL, and prepare the statement again",
		}
	}
	s := c.statements.lookup([]byte(name))
	switch {
	case s == nil:
		return nil, nil
	case s.bySQL:
		return s.runs(), s.refusal
	}
	return c.runsProtocol(name, s)
}

// runsProtocol is runs for a statement that was prepared through the protocol.
func (c *core) runsProtocol(name string, s *statement) (*rewrite.Plan, *rewrite.Refusal) {
	if s.planner != c.planner || c.namesMove() {
		env := c.env
		env.Prepared = true
		anew := c.planner.Plan(s.text, env) // what it names without a schema is refused where it is contested
		switch {
		case anew.Outcome == rewrite.Refuse:
			return nil, anew.Refusal
		case s.unsure || serverText(anew, s.text) != serverText(s.plan, s.text):
			return nil, &rewrite.Refusal{
				Reason: fmt.Sprintf("%q was prepared through the protocol, under rules that have changed since", name),
				Hint:   "execute it through the protocol, as it was prepared, or prepare it again",
			}
		}
		s.planner, s.plan = c.planner, anew
	}
	if s.plan.Names() || s.plan.Obscure && c.planner.Active() {
		return nil, &rewrite.Refusal{
			Reason: fmt.Sprintf("%q was prepared through the protocol and is itself about prepared statements", name),
			Hint:   "execute it through the protocol, as it was prepared",
		}
	}
	return s.plan, nil
}

// executing resolves the plan of a prepared statement, as far as the server does
// when it binds it, and says what the name in it stands for.
func (c *core) executing(plan *rewrite.Plan) (*rewrite.Plan, target) {
	if !executes(plan) {
		return c.resolveObscure(plan), target{}
	}
	resolved, _ := c.resolve(plan, func(string) {})
	return resolved, c.targetOf(plan)
}

// targetOf says what the name in the plan of an EXECUTE stands for now.
func (c *core) targetOf(plan *rewrite.Plan) target {
	if plan == nil || !executes(plan) {
		return target{}
	}
	s := c.statements.lookup([]byte(plan.Statements[0].Named.Name))
	if s == nil {
		return target{}
	}
	return target{s, s.runs()}
}

// executes reports whether a plan is that of one EXECUTE.
func executes(plan *rewrite.Plan) bool {
	if len(plan.Statements) != 1 || plan.Statements[0].Named == nil {
		return false
	}
	does := plan.Statements[0].Named.Does
	return does == rewrite.Executes || does == rewrite.Wraps
}

// changesBy enters what the execution of a portal does to names.
func (c *core) changesBy(p portal) []change {
	if p.plan == nil || len(p.plan.Statements) != 1 || p.plan.Statements[0].Named == nil || executes(p.plan) {
		return nil
	}
	_, changes := c.resolve(p.plan, func(string) {})
	return changes
}

// waitsFor reports whether the client side has to wait for what the name of s
// stands for, or what the name in s does; or for whether there is an s, where it may
// be prepared anew.
func (c *core) waitsFor(name []byte, s *statement) bool {
	return c.mustWait(func() bool {
		switch {
		case len(name) == 0 && c.queue.open(c.queue.unnamedAt), c.statements.open(name):
			return true
		case s == nil:
			return false
		}
		return c.queue.open(s.anewAt) || (s.names() || c.namesMove()) && c.statements.maybe(s) || s.names() && c.anyOpen()
	})
}

// anyOpen reports whether the server is yet to say what some name stands for.
func (c *core) anyOpen() bool { return c.statements.anyOpen(&c.queue) }

// bindable completes a portal for s, and reports whether it may be bound; else
// its plan says why not.
func (c *core) bindable(s *statement, p *portal, stale bool) bool {
	if s.refusal != nil {
		p.plan = c.refuses(s.plan, 0, *s.refusal)
		p.plan.Refusal.Offset = -1
		return false
	}
	if p.plan == nil || p.plan.Outcome == rewrite.Refuse {
		return p.plan == nil || !stale // its Parse was refused
	}
	p.plan, p.target = c.executing(p.plan)
	return p.plan.Outcome != rewrite.Refuse
}

// described returns the plan that a statement is described by. Where the server
// has parsed an EXECUTE when its name stood for something else, it parses it anew.
func (c *core) described(name []byte, s *statement, out *batch) (plan *rewrite.Plan, refused bool) {
	if s.bySQL {
		return s.runs(), false
	}
	if s.planner != c.planner && s.plan.Shows() != "" {
		now := c.planAnew(s, out)
		if now == nil {
			return nil, true
		}
		if s.plan.ShowsOther(now) {
			c.describeResultType(name, s, out)
			return nil, true
		}
	}
	anew, own := s.unsure || s.target.misleads(c.targetOf(s.plan)), s.plan
	if anew {
		if own = c.planAnew(s, out); own == nil {
			return nil, true
		}
	}
	plan, _ = c.executing(own)
	if plan.Outcome == rewrite.Refuse && (anew || own.Outcome != rewrite.Refuse) {
		c.refuseAnew(plan, out)
		return nil, true
	}
	if anew {
		s.unsure = true
		c.prepareAnew(string(name), s, own, out)
	}
	return plan, false
}
