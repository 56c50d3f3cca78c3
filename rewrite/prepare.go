package rewrite

import (
	"fmt"
	"slices"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// Naming is what a statement has to do with the name of a prepared statement.
type Naming uint8

const (
	// Prepares means: PREPARE name.
	Prepares Naming = iota + 1
	// Executes means: EXECUTE name, whose rows and tag are those of what it runs.
	Executes
	// Wraps means: EXECUTE name inside EXPLAIN ANALYZE or CREATE TABLE AS.
	Wraps
	// Deallocates means: DEALLOCATE; without a name, of all, and DISCARD ALL.
	Deallocates
)

// Named is a name of a prepared statement in a statement. What the name stands
// for is the session's to know: plans are shared.
type Named struct {
	Does Naming
	Name string
	// Text is, of a PREPARE, the statement by itself, and Runs is what EXECUTE
	// of it runs, as a plan of one statement.
	Text string
	Runs *Plan
}

// prepare plans what a PREPARE prepares like a statement by itself. What has to
// be done with its rows, and behind it, is done for each EXECUTE.
func (w *planning) prepare(n *pg_query.PrepareStmt, from, to int) error {
	switch n.Query.Node.(type) {
	case *pg_query.Node_SelectStmt, *pg_query.Node_InsertStmt, *pg_query.Node_UpdateStmt, *pg_query.Node_DeleteStmt, *pg_query.Node_MergeStmt:
		as := next(w.tokens, from+1, pg_query.Token_AS)
		return w.dispatch(n.Query, as+1, to)
	}
	return nil // a write in another is found by overlooked
}

// name notes what the statement, tokens [from, to), has to do with a name.
func (w *planning) name(stmt *pg_query.Node, from, to int) {
	does, name := namingOf(stmt)
	if does == 0 {
		return
	}
	w.stmt.Named = &Named{Does: does, Name: name}
	if does != Prepares {
		return
	}
	runs := *w.stmt
	runs.Named = nil
	w.stmt.Named.Text = w.text[w.tokens[from].start:w.tokens[to-1].end]
	w.stmt.Named.Runs = &Plan{Outcome: runs.Outcome, Original: w.text, Statements: []Statement{runs}, like: w.plan}
	w.stmt.Hidden, w.stmt.Rows, w.stmt.Syncs = 0, false, nil
}

func namingOf(stmt *pg_query.Node) (Naming, string) {
	switch n := stmt.GetNode().(type) {
	case *pg_query.Node_PrepareStmt:
		return Prepares, n.PrepareStmt.Name
	case *pg_query.Node_ExecuteStmt:
		return Executes, n.ExecuteStmt.Name
	case *pg_query.Node_DeallocateStmt:
		return Deallocates, n.DeallocateStmt.Name
	case *pg_query.Node_DiscardStmt:
		if n.DiscardStmt.Target == pg_query.DiscardMode_DISCARD_ALL {
			return Deallocates, ""
		}
	case *pg_query.Node_ExplainStmt:
		if analyzes(n.ExplainStmt) {
			return wrapped(n.ExplainStmt.Query)
		}
	case *pg_query.Node_CreateTableAsStmt:
		return wrapped(n.CreateTableAsStmt.Query)
	}
	return 0, ""
}

func wrapped(stmt *pg_query.Node) (Naming, string) {
	does, name := namingOf(stmt)
	if does != Executes && does != Wraps {
		return 0, ""
	}
	return Wraps, name
}

// runs gives what EXECUTE runs the text that error positions refer to.
func (p *Plan) runs() {
	for i := range p.Statements {
		if n := p.Statements[i].Named; n != nil && n.Runs != nil {
			n.Runs.Extended = p.Extended
		}
	}
}

// Names reports whether any statement has to do with a name.
func (p *Plan) Names() bool {
	for i := range p.Statements {
		if p.Statements[i].Named != nil {
			return true
		}
	}
	return false
}

// Executing returns the plan with what its i-th statement executes put in:
// runs[i], which may be nil.
func (p *Plan) Executing(runs []*Plan) *Plan {
	q := &Plan{Outcome: p.Outcome, Original: p.Original, Statements: slices.Clone(p.Statements), like: p}
	if p.like != nil {
		q.like = p.like
	}
	for i, r := range runs {
		if r == nil || r.Outcome != Rewrite {
			continue
		}
		st, inner := &q.Statements[i], &r.Statements[0]
		q.Outcome, st.Outcome = Rewrite, Rewrite
		st.Migrations, st.Syncs = inner.Migrations, inner.Syncs
		st.Hidden, st.Rows = 0, true
		if st.Named.Does == Executes {
			st.Hidden, st.Rows = inner.Hidden, inner.Rows
		}
	}
	if q.Outcome == Rewrite {
		q.finish(slices.Clone(p.Extended.edits))
	}
	return q
}

// Refused returns the refusal of the text because of its i-th statement. What
// Postgres itself would say, without a place, keeps it so.
func (p *Plan) Refused(i int, r Refusal) *Plan {
	st := p.Statements[i]
	if r.text = p.Original; r.Code == "" || r.Offset >= 0 {
		r.Offset = st.at
	}
	return &Plan{
		Outcome: Refuse, Original: p.Original, Refusal: &r,
		Statements: []Statement{{Kind: st.Kind, Outcome: Refuse, Migrations: migrationList(r.Migration)}},
	}
}

// shows appends what goldens show of a PREPARE.
func (n *Named) shows(b *strings.Builder) {
	if n == nil || n.Runs == nil || n.Runs.Outcome != Rewrite {
		return
	}
	st := n.Runs.Statements[0]
	fmt.Fprintf(b, "  EXECUTE %s%s\n", Ident(n.Name), st.sight())
	for _, sync := range st.Syncs {
		fmt.Fprintf(b, "    then %s\n", sync.Name)
	}
}
