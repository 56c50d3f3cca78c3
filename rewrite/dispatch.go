package rewrite

import (
	"errors"
	"fmt"
	"sort"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// planning is the work on one text.
type planning struct {
	*Planner
	env    Env
	text   string
	tokens []token
	edits  edits
	plan   *Plan

	// of the statement at hand
	stmt    *Statement
	nodes   []node                   // all its messages, as walk visits them
	created map[node]bool            // names of what it creates
	planned map[node]bool            // writes that have been dealt with
	touched map[*Migration]direction // the syncs it needs behind it
	deletes bool                     // it has a DELETE, too
	several bool                     // it has several writes
	both    map[*Migration]bool      // those of kind rows of which it writes both tables
	mixed   *Refusal                 // of a statement that needs two for one migration, or one that cannot be told the keys
	ctes    int
	literal bool // a constant decides what becomes of it
	names   naming
	later   bool // names are read again when the statement at hand, PREPARE, is executed
}

// plan parses text, of which mention is known, and plans each of its statements.
func (p *Planner) plan(text string, mention Mention, env Env) *Plan {
	blind := p.unreadable([]byte(text), env) != nil
	concerns := mention&MentionsNames != 0
	if blind || !p.active && !concerns && !p.hides && !p.lastval && !mentionsTemporary([]byte(text)) {
		return &Plan{Outcome: Pass, Original: text, Obscure: blind && concerns}
	}
	tokens, unread := scan(text)
	tree, err := parse(text, tokens)
	if err == nil {
		err = unread
	}
	if err != nil {
		return p.unparsed(text, mention, err)
	}
	w := &planning{Planner: p, env: env, text: text, tokens: tokens, plan: &Plan{Original: text}}
	for _, raw := range tree.Stmts {
		err := w.statement(raw)
		if late := w.names.late; late != nil && (err != nil || w.stmt.Outcome != Pass || w.names.mixed) {
			err = late
		} else if err != nil && w.names.asked != nil {
			return w.ask(kindOf(raw.Stmt))
		}
		if err != nil {
			refusal := err.(*Refusal) //nolint:errorlint,forcetypeassert // planning returns no other kind
			plan := p.refuse(text, refusal)
			plan.Shadows, plan.Statements[0].Kind = w.plan.Shadows, kindOf(raw.Stmt)
			return plan
		}
		if w.names.late = nil; w.names.shifted == "" && len(tree.Stmts) > 1 && w.shifts(raw.Stmt) {
			w.names.shifted = statementName(raw.Stmt)
		}
	}
	for i := range w.plan.Statements {
		if w.plan.Statements[i].Outcome == Rewrite {
			w.plan.Outcome = Rewrite
		}
	}
	// Where all that might be ours passes, it does not matter what names stand for.
	if w.names.asked != nil && (w.plan.Outcome != Pass || w.names.mixed) {
		return w.ask(w.plan.Statements[0].Kind)
	}
	w.plan.apart = w.names.apart
	w.plan.elsewhere = w.names.apart && !w.names.ours && w.plan.Outcome == Pass
	if w.plan.Outcome == Rewrite {
		w.plan.finish(w.edits)
		w.plan.runs()
	}
	return w.plan
}

// unparsed is the plan of a text that the parser does not understand. In phase
// off, and where no migrating relation is mentioned, that is Postgres's business.
// Else it is never sent on, since Postgres might understand it; the error is
// the one that Postgres gives, as the parser is Postgres's own.
func (p *Planner) unparsed(text string, mention Mention, err error) *Plan {
	if !p.active || !p.mayConcern([]byte(text), mention) {
		return &Plan{Outcome: Pass, Original: text, Obscure: mention&MentionsNames != 0, Shadows: mentionsTemporary([]byte(text))}
	}
	if bad := invalidBytes(text); bad != "" {
		return p.refuse(text, &Refusal{Code: "22021", Reason: `invalid byte sequence for encoding "UTF8": ` + bad, Offset: -1})
	}
	if errors.Is(err, errDeep) {
		return p.refuse(text, &Refusal{
			Code: "54001", Reason: err.Error(), Offset: -1,
			Hint: "pgjanus does not read a statement that may concern a migrating table and is nested that deep, and did not send it on: split it, or use a list in the place of a chain.",
		})
	}
	plan := p.refuse(text, &Refusal{
		Code: "42601", Reason: err.Error(), Offset: parseErrorOffset(text, err),
		Hint: "pgjanus reads statements that may concern a migrating table with the grammar of Postgres 16, and did not send this one on.",
	})
	plan.Statements[0].Kind = "unparsed"
	return plan
}

// statement plans one statement of the text.
func (w *planning) statement(raw *pg_query.RawStmt) error {
	w.plan.Statements = append(w.plan.Statements, Statement{Kind: kindOf(raw.Stmt)})
	w.stmt = &w.plan.Statements[len(w.plan.Statements)-1]
	w.planned = map[node]bool{}
	w.touched = map[*Migration]direction{}
	from, to := w.span(raw)
	if from >= to {
		return nil
	}
	w.stmt.at, w.stmt.syncAt = w.tokens[from].start, w.tokens[to-1].end
	_, w.later = raw.Stmt.Node.(*pg_query.Node_PrepareStmt)
	w.deletes, w.both = false, nil
	w.nodes = w.nodes[:0]
	walk(raw.Stmt, func(n node) { w.nodes = append(w.nodes, n) })
	writes := 0
	for _, t := range w.tokens[from:to] {
		switch t.kind {
		case pg_query.Token_DELETE_P:
			w.deletes = true
			writes++
		case pg_query.Token_INSERT, pg_query.Token_UPDATE, pg_query.Token_MERGE:
			writes++
		}
	}
	if w.several = writes > 1; w.several {
		w.both = w.bothShapes()
	}

	if err := w.aside(raw.Stmt, w.text[w.tokens[from].start:w.stmt.syncAt]); err != nil {
		return err
	}
	w.created = w.creations()
	if err := w.dispatch(raw.Stmt, from, to); err != nil {
		return err
	}
	if w.mixed != nil {
		return w.mixed
	}
	if err := w.overlooked(raw.Stmt); err != nil {
		return err
	}
	if err := w.sights(raw.Stmt, from, to); err != nil {
		return err
	}
	w.lastvals(raw.Stmt)
	w.syncs()
	w.name(raw.Stmt, from, to)
	return nil
}

// dispatch plans a statement by its kind. Tokens [from, to) are its text.
func (w *planning) dispatch(stmt *pg_query.Node, from, to int) error {
	switch n := stmt.Node.(type) {
	case *pg_query.Node_SelectStmt:
		return w.with(n.SelectStmt.WithClause, stmt)
	case *pg_query.Node_InsertStmt:
		return w.topLevel(n.InsertStmt.WithClause, stmt, from, to)
	case *pg_query.Node_UpdateStmt:
		return w.topLevel(n.UpdateStmt.WithClause, stmt, from, to)
	case *pg_query.Node_DeleteStmt:
		return w.topLevel(n.DeleteStmt.WithClause, stmt, from, to)
	case *pg_query.Node_TruncateStmt:
		return w.truncate(n.TruncateStmt)
	case *pg_query.Node_CreateTableAsStmt:
		return w.with(n.CreateTableAsStmt.GetQuery().GetSelectStmt().GetWithClause(), stmt)
	case *pg_query.Node_CopyStmt:
		return w.copyTable(n.CopyStmt, stmt, from, to)
	case *pg_query.Node_MergeStmt:
		if w.merges() {
			return w.topLevel(n.MergeStmt.WithClause, stmt, from, to)
		}
	case *pg_query.Node_ExplainStmt:
		return w.explain(n.ExplainStmt, from, to)
	case *pg_query.Node_PrepareStmt:
		return w.prepare(n.PrepareStmt, from, to)
	case *pg_query.Node_DoStmt:
		return w.do(from, to)
	}
	return w.ddl(stmt)
}

// topLevel plans INSERT, UPDATE, DELETE or MERGE that is a statement by itself.
func (w *planning) topLevel(with *pg_query.WithClause, stmt *pg_query.Node, from, to int) error {
	if err := w.with(with, stmt); err != nil {
		return err
	}
	wr, err := w.write(stmt, from, to)
	if err != nil || wr == nil {
		return err
	}
	w.stmt.Rows = len(wr.returning) > 0
	if wr.record != "" {
		w.edits.insert(w.tokens[to-1].end, wr.clause())
		w.stmt.Hidden = 1
	}
	return nil
}

// write plans the write itself, without its WITH clause. nil means that
// nothing has to be done behind it.
func (w *planning) write(stmt *pg_query.Node, from, to int) (*write, error) {
	switch n := stmt.Node.(type) {
	case *pg_query.Node_InsertStmt:
		w.planned[n.InsertStmt] = true
		return w.insert(n.InsertStmt, to)
	case *pg_query.Node_UpdateStmt:
		w.planned[n.UpdateStmt] = true
		return w.update(n.UpdateStmt, from, to)
	case *pg_query.Node_DeleteStmt:
		w.planned[n.DeleteStmt] = true
		return w.delete(n.DeleteStmt, from, to)
	case *pg_query.Node_MergeStmt:
		if w.merges() {
			w.planned[n.MergeStmt] = true
			return w.merge(n.MergeStmt)
		}
	}
	return nil, nil //nolint:nilnil // no write, no error
}

// overlooked refuses a statement in which a write to a migrating table stands
// at a place that none of the planners above has looked at.
func (w *planning) overlooked(stmt *pg_query.Node) error {
	var refusal *Refusal
	for _, n := range w.nodes {
		if refusal != nil || w.planned[n] {
			continue
		}
		target := writeTarget(n)
		rel := w.resolve(target)
		if rel != nil && rel.guarded() {
			refusal = w.guardedWrite(rel, n)
		} else if rel != nil {
			refusal = &Refusal{
				Migration: rel.migration(), Offset: int(target.GetLocation()),
				Reason: fmt.Sprintf("a write inside %s to %s is at a place where it cannot be rewritten", statementName(stmt), rel.name),
				Hint:   "write it as a plain INSERT, UPDATE or DELETE",
			}
			if rel.guardable() {
				refusal.Hint += ", or set guard: sync for the migration"
			}
			if _, ok := n.(*pg_query.MergeStmt); ok {
				refusal.Reason = fmt.Sprintf("MERGE to %s cannot show which rows it writes before Postgres 17", rel.name)
			}
		}
	}
	if refusal != nil {
		return refusal
	}
	return nil
}

// writeTarget returns the relation that n writes to, or nil when n is no write.
func writeTarget(n node) *pg_query.RangeVar {
	switch n := n.(type) {
	case *pg_query.InsertStmt:
		return n.Relation
	case *pg_query.UpdateStmt:
		return n.Relation
	case *pg_query.DeleteStmt:
		return n.Relation
	case *pg_query.MergeStmt:
		return n.Relation
	}
	return nil
}

// span returns the tokens [from, to) of a statement.
func (w *planning) span(raw *pg_query.RawStmt) (from, to int) {
	start, end := int(raw.StmtLocation), len(w.text)
	if raw.StmtLen > 0 {
		end = start + int(raw.StmtLen)
	}
	from = sort.Search(len(w.tokens), func(i int) bool { return w.tokens[i].start >= start })
	for to = from; to < len(w.tokens) && w.tokens[to].end <= end; to++ {
		if w.tokens[to].kind == pg_query.Token_ASCII_59 {
			break
		}
	}
	return from, to
}
