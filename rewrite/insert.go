package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

func (w *planning) insert(n *pg_query.InsertStmt, to int) (*write, error) {
	rel, err := w.target(n.Relation)
	if rel == nil || err != nil {
		return nil, err
	}
	if len(rel.new) > 0 {
		return w.insertNew(rel, n, to)
	}
	wr := &write{rel: rel, rv: n.Relation, returning: n.ReturningList}
	columns := w.insertColumns(n, rel)
	for _, m := range rel.old {
		conflict := conflictColumns(n.OnConflictClause)
		all := newColumns{columns: append(columns[:len(columns):len(columns)], conflict...)}
		if updates(n.OnConflictClause) {
			all.updates = [][]string{targetNames(n.OnConflictClause.TargetList)}
		}
		if _, new := m.written(all.columns); new {
			if err := w.newShape(wr, m, n.Relation, all); err != nil {
				return nil, err
			}
			continue
		}
		if m.Rule.Kind == rules.Rows {
			s := setting{n.Relation, n.OnConflictClause.GetWhereClause(), m.proposed(n)}
			moved := func(actions string) []string {
				return both(w.moved(m, n.OnConflictClause.GetTargetList(), s, actions), conflict)
			}
			if err := w.movesKey(m, moved(toAllow), n.Relation); err != nil {
				return nil, err
			}
			switch {
			case w.both[m.self()]:
				w.settle(wr, m, rowName(n.Relation), checking)
			case m.byKeysOnly(),
				w.deletes,                    // ON DELETE CASCADE runs at the statement's end, and a key that was deleted may be inserted again
				w.several && m.keyCascades(), // so does ON UPDATE CASCADE, and a key that was moved may be inserted again
				rel.stirs(m),
				m.settlesLater(onInsert, nil) || updates(n.OnConflictClause) && m.settlesLater(onUpdate, moved(toSyncEarly)):
				w.sync(wr, m, rowName(n.Relation))
			case updates(n.OnConflictClause):
				w.call(wr, m, m.syncs.byRow, rowName(n.Relation))
			default:
				w.call(wr, m, m.syncs.fresh, rowName(n.Relation))
			}
			continue
		}
		if !m.tolerant() && !m.reads(mayChange(n.OnConflictClause, m.Old)) && !m.conflictsElsewhere(n.OnConflictClause) && w.inlineInsert(m, n, to) {
			w.concern(m)
			if !m.triggered(onInsert) && !(updates(n.OnConflictClause) && m.triggered(onUpdate)) && !rel.stirs(m) {
				continue
			}
		}
		w.sync(wr, m, rowName(n.Relation))
	}
	return wr, nil
}

// insertColumns returns the columns that an INSERT gives values for, as far as
// the text tells.
func (w *planning) insertColumns(n *pg_query.InsertStmt, rel *relation) []string {
	if len(n.Cols) > 0 {
		return targetNames(n.Cols)
	}
	sel := n.SelectStmt.GetSelectStmt()
	if sel == nil {
		return nil // DEFAULT VALUES
	}
	width := len(sel.TargetList)
	if len(sel.ValuesLists) > 0 {
		width = len(sel.ValuesLists[0].GetList().GetItems())
	}
	var names []string
	for _, c := range rel.table().Columns {
		if len(names) < width && !rel.hidden(c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// targetNames returns the names of a list of ResTarget.
func targetNames(targets []*pg_query.Node) []string {
	names := make([]string, 0, len(targets))
	for _, t := range targets {
		names = append(names, t.GetResTarget().GetName())
	}
	return names
}

// updates reports whether rows that are there are written again, be it that each
// column gets what it has.
func updates(c *pg_query.OnConflictClause) bool { return len(c.GetTargetList()) > 0 }

// mayChange is conflictColumns with those columns of t in which what is equal need
// not be the same: the numbers 1 and 1.0, and text, by a unique index that ignores case.
func mayChange(c *pg_query.OnConflictClause, t *catalog.Table) []string {
	columns := conflictColumns(c)
	for _, name := range targetNames(c.GetTargetList()) {
		if column := t.Column(name); column != nil && (column.Sameness != catalog.ByValue || column.Collation != 0) {
			columns = append(columns, name)
		}
	}
	return columns
}

// conflictColumns returns the columns that ON CONFLICT DO UPDATE may change.
func conflictColumns(c *pg_query.OnConflictClause) []string {
	if c == nil {
		return nil
	}
	var columns []string
	for _, t := range c.TargetList {
		if !keeps(c, t.GetResTarget()) {
			columns = append(columns, t.GetResTarget().GetName())
		}
	}
	return columns
}

// keeps reports whether DO UPDATE assigns a column what it has: SET id =
// excluded.id where id is what the rows conflict on. Several ORMs write that.
func keeps(c *pg_query.OnConflictClause, t *pg_query.ResTarget) bool {
	ref := t.GetVal().GetColumnRef()
	if len(t.Indirection) > 0 || len(ref.GetFields()) != 2 ||
		ref.Fields[0].GetString_().GetSval() != "excluded" || ref.Fields[1].GetString_().GetSval() != t.Name {
		return false
	}
	return infers(c, t.Name)
}

// conflictsElsewhere reports whether an INSERT that computes the new columns
// could fail where the application's own does not: ON CONFLICT with a target
// looks at that target's index alone, and of two inserts of one key at the same
// time the one that comes second is told of the duplicate by a unique index of
// the new columns (ExecInsertIndexTuples in executor/execIndexing.c goes on to
// it when the first index has already found the conflict). Inserted by sync, the
// new columns come when the row is the statement's own. DO NOTHING without a target
// looks at every index, and would leave out a row that only the new shape does not
// accept, without a word.
func (m *Migration) conflictsElsewhere(c *pg_query.OnConflictClause) bool {
	if c == nil {
		return false
	}
	for _, index := range m.New.Unique {
		for _, column := range m.UpColumns() {
			if has(index, column) {
				return true
			}
		}
	}
	return false
}

// knowsNewShape refuses a write of a new column.
func (w *planning) knowsNewShape(m *Migration, columns []string, rv *pg_query.RangeVar) error {
	if m.Rule.Kind != rules.Columns {
		return nil
	}
	for _, c := range m.Rule.New.Columns {
		if has(columns, c) {
			return &Refusal{
				Migration: m.Rule.Name,
				Reason:    fmt.Sprintf("the statement writes %s, which is the new shape, and a guard carries over the old one only", c),
				Hint:      fmt.Sprintf("write %s, or use INSERT or UPDATE", quoted(m.Rule.Old.Columns)),
				Offset:    int(rv.Location),
			}
		}
	}
	return nil
}

// movesKey refuses a change of the key where the database does not carry it
// over to the new rows itself.
func (w *planning) movesKey(m *Migration, columns []string, rv *pg_query.RangeVar) error {
	if m.keyCascades() && w.cascadesIn(m) {
		return nil
	}
	for _, k := range m.Rule.Old.Key {
		if has(columns, k) && m.keyCascades() {
			return &Refusal{
				Migration: m.Rule.Name, Offset: int(rv.Location),
				Reason: fmt.Sprintf("the statement assigns the key column %s, and before Postgres 15 a row that moves to another partition takes its new rows away", k),
				Hint:   "leave it out where it does not change",
			}
		}
		if has(columns, k) {
			return &Refusal{
				Migration: m.Rule.Name,
				Reason:    fmt.Sprintf("the statement assigns the key column %s, and the new rows would keep the old value", k),
				Hint:      fmt.Sprintf("leave it out where it does not change, or make the foreign key of %s ON UPDATE CASCADE", m.New.Name),
				Offset:    int(rv.Location),
			}
		}
	}
	return nil
}

// cascadesIn reports whether ON UPDATE CASCADE is what happens when a key
// changes. Before Postgres 15 a row that moves to another partition is deleted
// and inserted again, and that is ON DELETE CASCADE.
func (w *planning) cascadesIn(m *Migration) bool {
	return m.Old.Kind != 'p' || w.snapshot.Version >= 150000
}

// both returns what is in both lists.
func both(a, b []string) []string {
	var all []string
	for _, s := range a {
		if has(b, s) {
			all = append(all, s)
		}
	}
	return all
}

// reads reports whether the new shape depends on one of the columns, or may: which
// ones a key is generated from is not known. A row whose key changes is synced even
// where up does not read that: a backfill may have passed its new place.
func (m *Migration) reads(columns []string) bool {
	return len(columns) > 0 && m.generatedKey() || m.names(columns)
}

// names reports whether one of the columns is an old one or one of the key.
func (m *Migration) names(columns []string) bool {
	for _, c := range columns {
		if has(m.Rule.Old.Columns, c) || has(m.Rule.Old.Key, c) {
			return true
		}
	}
	return false
}
