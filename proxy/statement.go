package proxy

import "github.com/pgjanus/pgjanus/rewrite"

// statement is what the core knows of a prepared statement of the client.
type statement struct {
	text  []byte // as the client sent it
	types []byte // the rest of its Parse: parameter type count and OIDs
	// planner is the one that plan was made by; plan's text is what the server
	// has under the client's name.
	planner *rewrite.Planner
	plan    *rewrite.Plan
	drops   dropping
	// unsure: whether the server has plan's text is not known, since a message
	// that was to prepare it anew has failed or was skipped. planner is nil then.
	unsure bool

	// of a named one; see statements
	number uint64
	before *statement
	closed bool
}

// rewritten returns the plan's only statement where it is rewritten, or nil.
func (s *statement) rewritten() *rewrite.Statement {
	if s == nil || s.plan == nil || s.plan.Outcome != rewrite.Rewrite {
		return nil
	}
	return &s.plan.Statements[0]
}

// portal is what the core knows of a portal: the statement it was bound to, as
// it was then.
type portal struct {
	plan  *rewrite.Plan
	drops dropping
}

func (p portal) rewritten() *rewrite.Statement {
	if p.plan == nil || p.plan.Outcome != rewrite.Rewrite || len(p.plan.Statements) == 0 {
		return nil
	}
	return &p.plan.Statements[0]
}

// serverText is the text that the server has for a plan of original.
func serverText(plan *rewrite.Plan, original []byte) string {
	if plan.Outcome == rewrite.Rewrite {
		return plan.Extended.Text
	}
	return string(original)
}
