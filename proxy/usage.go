package proxy

import (
	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rewrite"
)

// A statement counts when its execution is asked for: pools prepare once and
// execute for days. One that is refused never gets that far, so it counts when
// it is refused.

// sawQuery counts the text of a Query.
func (c *core) sawQuery(plan *rewrite.Plan) {
	if len(plan.Statements) == 1 && plan.Statements[0].Named != nil && plan.Statements[0].Named.Does == rewrite.Prepares {
		c.sawPrepared(plan)
		return
	}
	c.seen.Saw(c.planner, plan, c.sender, usage.Executed)
}

// sawExecute counts an EXECUTE as an execution of the text that was prepared.
func (c *core) sawExecute(name string) {
	s := c.statements.lookup([]byte(name))
	switch {
	case c.seen == nil || s == nil:
	case s.refusal != nil:
		c.seen.Saw(c.planner, c.planner.Plan(s.text, c.env), c.sender, usage.Executed)
	default:
		c.seen.Saw(c.planner, s.plan, c.sender, usage.Executed)
	}
}

// sawPrepared notices the text of a Parse.
func (c *core) sawPrepared(plan *rewrite.Plan) {
	how := usage.Prepared
	if plan.Outcome == rewrite.Refuse {
		how = usage.Executed
	}
	c.seen.Saw(c.planner, plan, c.sender, how)
}

// sawExecuted counts the text that a portal executes.
func (c *core) sawExecuted(plan *rewrite.Plan) {
	switch {
	case plan == nil || plan.Outcome == rewrite.Refuse:
	case executes(plan):
		c.sawExecute(plan.Statements[0].Named.Name)
	case !plan.Names():
		c.seen.Saw(c.planner, plan, c.sender, usage.Executed)
	}
}

// counts reports whether executions of the portal are counted.
func (p portal) counts() bool { return p.plan != nil && p.plan.Original != "" }

// rename notes the application_name that the server reports.
func (c *core) rename(application string) {
	if c.sender.Application != application {
		c.sender = &usage.Client{Application: application, User: c.sender.User}
	}
}
