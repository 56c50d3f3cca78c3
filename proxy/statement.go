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
	speaks  bool // it may change how texts are read; see parameter.go
	// mentions: it may be about a migration, under these rules or others.
	mentions bool
	// unsure: whether the server has plan's text is not known, since a message
	// that was to prepare it anew has failed or was skipped. planner is nil then.
	unsure bool
	// anewAt: when so many ReadyForQuery are in, it is known whether it was.
	anewAt uint64

	// of one that was prepared by SQL; see prepare_sql.go
	bySQL    bool             // text is its PREPARE, and plan the plan of that
	has      string           // the PREPARE that the server has executed; "" for none
	refusal  *rewrite.Refusal // why it must not be executed, or nil
	doubtful bool             // whether the server has it is not known
	reading  reading          // the settings that text was read under
	// target is, of an EXECUTE, what its name stood for when the server parsed it.
	target target

	// of a named one; see statements
	number  uint64
	before  *statement
	closed  bool
	settled bool // the server has answered
}

// rewritten returns the plan's only statement where it is rewritten, or nil.
func (s *statement) rewritten() *rewrite.Statement {
	if s == nil || s.plan == nil || s.plan.Outcome != rewrite.Rewrite {
		return nil
	}
	return &s.plan.Statements[0]
}

// risky reports whether it matters that the server has s where it was to have another
// statement, or none.
func (s *statement) risky() bool {
	return s.plan != nil && (s.mentions || s.rewritten() != nil || s.names())
}

// names reports whether the statement has to do with names of prepared statements.
func (s *statement) names() bool { return s.plan != nil && s.plan.Names() }

// portal is what the core knows of a portal: the statement it was bound to, as
// it was then.
type portal struct {
	plan  *rewrite.Plan
	drops dropping
	// target is, of an EXECUTE, what its name stood for.
	target target
	// cursors is the text, of a statement that may run other portals by name.
	cursors string
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
