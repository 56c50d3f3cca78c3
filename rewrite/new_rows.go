package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/rules"
)

// Writes of the new table of kind rows, by applications that know it. Their
// parents' keys are recorded, and a sync behind the statement makes the old rows
// what down says: sync_back.go has the argument.

// bothShapes lists the migrations of kind rows of which the statement writes the
// old table and the new one: it is left as it is, and checked.
func (w *planning) bothShapes() map[*Migration]bool {
	old, new := map[*Migration]bool{}, map[*Migration]bool{}
	for _, n := range w.nodes {
		rel := w.resolve(writeTarget(n))
		if rel == nil {
			continue
		}
		for _, m := range rel.old {
			old[m.self()] = m.Rule.Kind == rules.Rows
		}
		for _, m := range rel.new {
			new[m] = true
		}
	}
	var both map[*Migration]bool
	for m := range new {
		if old[m] && m.lossy() {
			if both == nil {
				both = map[*Migration]bool{}
			}
			both[m] = true
		}
	}
	return both
}

// carriesBack refuses a write of the new table that down cannot carry back.
func (w *planning) carriesBack(rel *relation, rv *pg_query.RangeVar) error {
	for _, m := range rel.new {
		siblings := w.relations[m.Old.Name].old
		refuse := func(reason, hint string) error {
			return &Refusal{
				Migration: m.Rule.Name, Offset: int(rv.Location), Hint: hint,
				Reason: fmt.Sprintf("the statement writes %s, which is the new shape, and %s", rel.name, reason),
			}
		}
		instead := fmt.Sprintf("write %s of %s instead", quoted(m.Rule.Old.Columns), m.Old.Name)
		switch {
		case !m.lossy():
			return refuse("the rules do not say what the old shape is then", fmt.Sprintf("give down for %s, or write those instead", quoted(m.Rule.Old.Columns)))
		case len(rel.old) > 0:
			return refuse("the old shape of another migration too", instead)
		case alsoRead(siblings, m):
			return refuse("another migration derives its own new shape from what down would write", instead)
		case len(siblings) > 1 && m.triggered(onUpdate):
			return refuse(fmt.Sprintf("triggers of %s may change what another migration derives its new shape from", m.Old.Name), instead)
		}
	}
	return nil
}

// back notes that the old rows follow: behind the statement, for the parents that
// record gives.
func (w *planning) back(wr *write, m *Migration, record string) {
	to := backward
	if w.both[m] {
		to = checking
	}
	wr.add(record)
	w.follow(m, to)
}

func (w *planning) insertNew(rel *relation, n *pg_query.InsertStmt, to int) (*write, error) {
	if err := w.carriesBack(rel, n.Relation); err != nil {
		return nil, err
	}
	wr := &write{rel: rel, rv: n.Relation, returning: n.ReturningList}
	for _, m := range rel.new {
		if c := n.OnConflictClause; updates(c) && m.mayMove(mayChange(c, m.New)) {
			w.restrict(c.WhereClause, w.clauseEnd(to, n.ReturningList), "NOT ("+m.ParentRecord(rowName(n.Relation), false)+")")
		}
		w.back(wr, m, m.ParentRecord(rowName(n.Relation), true))
	}
	return wr, nil
}

func (w *planning) updateNew(rel *relation, n *pg_query.UpdateStmt, from, to int) (*write, error) {
	if err := w.carriesBack(rel, n.Relation); err != nil {
		return nil, err
	}
	wr := &write{rel: rel, rv: n.Relation, returning: n.ReturningList}
	row, assigned := rowName(n.Relation), targetNames(n.TargetList)
	end := w.clauseEnd(to, n.ReturningList)
	var conditions []string
	for _, m := range rel.new {
		if !m.downReads(assigned) && !m.newTriggered() {
			continue
		}
		if m.mayMove(assigned) {
			if n.WhereClause.GetCurrentOfExpr() != nil {
				return nil, &Refusal{
					Migration: m.Rule.Name, Offset: int(n.Relation.Location), Hint: "name the row by its key in WHERE",
					Reason: fmt.Sprintf("WHERE CURRENT OF does not say which row of %s a row of %s belonged to", m.Old.Name, rel.name),
				}
			}
			conditions = append(conditions, "NOT ("+m.ParentRecord(row, false)+")")
		}
		if lock := w.locksParents(m, n.Relation, n.FromClause, n.WhereClause, pg_query.Token_FROM, from, end); lock != "" {
			conditions = append(conditions, lock)
		}
		w.back(wr, m, m.ParentRecord(row, true))
	}
	if wr.record == "" {
		return nil, nil //nolint:nilnil // nothing to do
	}
	w.restrict(n.WhereClause, end, conditions...)
	return wr, nil
}

func (w *planning) deleteNew(rel *relation, n *pg_query.DeleteStmt, from, to int) (*write, error) {
	if err := w.carriesBack(rel, n.Relation); err != nil {
		return nil, err
	}
	wr := &write{rel: rel, rv: n.Relation, returning: n.ReturningList}
	end := w.clauseEnd(to, n.ReturningList)
	var conditions []string
	for _, m := range rel.new {
		if lock := w.locksParents(m, n.Relation, n.UsingClause, n.WhereClause, pg_query.Token_USING, from, end); lock != "" {
			conditions = append(conditions, lock)
		}
		w.back(wr, m, m.ParentRecord(rowName(n.Relation), false))
	}
	w.restrict(n.WhereClause, end, conditions...)
	return wr, nil
}

// mergeNew plans MERGE into the new table, for versions in which it has RETURNING.
func (w *planning) mergeNew(rel *relation, n *pg_query.MergeStmt) (*write, error) {
	if err := w.carriesBack(rel, n.Relation); err != nil {
		return nil, err
	}
	wr := &write{rel: rel, rv: n.Relation}
	for _, m := range rel.new {
		for _, c := range n.MergeWhenClauses {
			clause := c.GetMergeWhenClause()
			if clause.CommandType == pg_query.CmdType_CMD_UPDATE && m.mayMove(targetNames(clause.TargetList)) {
				return nil, &Refusal{
					Migration: m.Rule.Name, Offset: int(n.Relation.Location), Hint: "use UPDATE for those rows",
					Reason: fmt.Sprintf("MERGE does not say which row of %s a row of %s belonged to", m.Old.Name, rel.name),
				}
			}
		}
		w.back(wr, m, m.ParentRecord(rowName(n.Relation), true))
	}
	return wr, nil
}

// mayMove reports whether an UPDATE that assigns those columns may make a new row
// belong to another old row. RETURNING knows the new one only, so the one before
// is recorded by a condition: which is evaluated again, like all of WHERE, on the
// newest version of a row that was waited for. It may be evaluated for rows that
// other conditions exclude: to record a key too many is no harm.
func (m *Migration) mayMove(assigned []string) bool {
	for _, c := range assigned {
		if m.parentOf(c) {
			return true
		}
	}
	for _, t := range m.New.Triggers {
		if t.Before && t.Update {
			return true
		}
	}
	return false
}

// newTriggered reports whether the user has a trigger for UPDATE of the new table.
func (m *Migration) newTriggered() bool {
	for _, t := range m.New.Triggers {
		if t.Update {
			return true
		}
	}
	return false
}

// restrict adds conditions to a WHERE clause, or one that ends with token end.
func (w *planning) restrict(where *pg_query.Node, end int, conditions ...string) {
	if len(conditions) == 0 {
		return
	}
	added := strings.Join(conditions, " AND ")
	if where == nil {
		w.edits.insert(w.tokens[end].end, " WHERE "+added)
		return
	}
	w.edits.insert(w.tokens[w.whereAt(end)+1].start, "(")
	w.edits.insert(w.tokens[end].end, "\n) AND "+added)
}

// clauseEnd returns the last token of a statement that ends before to, or the one
// before its RETURNING.
func (w *planning) clauseEnd(to int, returning []*pg_query.Node) int {
	if len(returning) == 0 {
		return to - 1
	}
	return w.last(to-1, pg_query.Token_RETURNING) - 1
}

// whereAt returns the token WHERE in front of a condition that ends at end.
func (w *planning) whereAt(end int) int { return w.last(end, pg_query.Token_WHERE) }

// last returns the last token of that kind up to i at its depth of parentheses.
func (w *planning) last(i int, kind pg_query.Token) int {
	for depth := 0; i > 0; i-- {
		switch {
		case w.tokens[i].kind == tokenClose:
			depth++
		case w.tokens[i].kind == tokenOpen:
			depth--
		case depth == 0 && w.tokens[i].kind == kind:
			return i
		}
	}
	return i
}

// locksParents is a condition that is true, and for which the old rows of the new
// rows that the statement is about to write are locked first, in key order: an
// InitPlan, since it depends on no row. It repeats the application's own
// conditions, and is "" where they may not be evaluated twice: then who writes
// the old shape at the same time may get a deadlock.
func (w *planning) locksParents(m *Migration, rv *pg_query.RangeVar, joined []*pg_query.Node, where *pg_query.Node, keyword pg_query.Token, from, end int) string {
	if w.both[m] || where.GetCurrentOfExpr() != nil {
		return ""
	}
	for _, n := range append(joined[:len(joined):len(joined)], where) {
		if n != nil && !repeatable(n) {
			return ""
		}
	}
	at, condition := end+1, ""
	if where != nil {
		at = w.whereAt(end)
		condition = " WHERE " + copyOf(w.text, w.tokens[at+1].start, w.tokens[end].end) + "\n"
	}
	tables := QName(m.Rule.New.Table)
	if rv.Alias != nil { // else conditions may name it with its schema
		tables += " AS " + rowName(rv)
	}
	if len(joined) > 0 {
		first := next(w.tokens[:at], from, keyword)
		if first < 0 {
			return ""
		}
		tables += ", " + copyOf(w.text, w.tokens[first+1].start, w.tokens[at-1].end) + "\n"
	}
	w.plan.copiesLiterals = true
	var keys, parents []string
	for _, k := range m.Key {
		keys = append(keys, "pgjanus_old."+Ident(k.Name))
		for _, p := range m.Rule.New.Parents {
			if p.Old == k.Name {
				parents = append(parents, rowName(rv)+"."+Ident(p.New))
			}
		}
	}
	return fmt.Sprintf("(SELECT pg_catalog.count(*) FROM (SELECT FROM %s pgjanus_old WHERE (%s) OPERATOR(pg_catalog.=) ANY (SELECT %s FROM %s%s) ORDER BY %s FOR NO KEY UPDATE) pgjanus_locked) IS NOT NULL",
		QName(m.Rule.Old.Table), strings.Join(keys, ", "), strings.Join(parents, ", "), tables, condition, strings.Join(keys, ", "))
}

// repeatable reports whether evaluating n twice cannot be noticed: it calls
// nothing, and writes and locks nothing.
func repeatable(n *pg_query.Node) bool {
	ok := true
	walk(n, func(n node) {
		switch n.(type) {
		case *pg_query.FuncCall, *pg_query.LockingClause, *pg_query.InsertStmt, *pg_query.UpdateStmt, *pg_query.DeleteStmt, *pg_query.RangeTableSample:
			ok = false
		}
	})
	return ok
}
