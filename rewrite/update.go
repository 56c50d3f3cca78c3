package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"
	"github.com/pgjanus/pgjanus/rules"
)

func (w *planning) update(n *pg_query.UpdateStmt, from, to int) (*write, error) {
	rel, err := w.target(n.Relation)
	if rel == nil || err != nil {
		return nil, err
	}
	if len(rel.new) > 0 {
		return w.updateNew(rel, n, from, to)
	}
	wr := &write{rel: rel, rv: n.Relation, returning: n.ReturningList}
	assigned := targetNames(n.TargetList)
	for _, m := range rel.old {
		if _, new := m.written(assigned); new {
			if err := w.newShape(wr, m, n.Relation, newColumns{assigned, [][]string{assigned}, func() bool { return w.inlineBack(m, n) }}); err != nil {
				return nil, err
			}
			continue
		}
		var moved []string
		if m.Rule.Kind == rules.Rows {
			s := setting{relation: n.Relation, where: n.WhereClause}
			if err := w.movesKey(m, w.moved(m, n.TargetList, s, toAllow), n.Relation); err != nil {
				return nil, err
			}
			moved = w.moved(m, n.TargetList, s, toSyncEarly)
		}
		switch {
		case !m.reads(assigned) && !m.triggered(onUpdate):
			// the new shape does not depend on anything that changes
		case m.Rule.Kind == rules.Columns && !m.tolerant() && m.reads(assigned) && w.inlineUpdate(m, n):
			w.concern(m)
			if m.triggered(onUpdate) {
				w.sync(wr, m, rowName(n.Relation))
			}
		case w.both[m.self()]:
			w.settle(wr, m, rowName(n.Relation), checking)
		case m.Rule.Kind == rules.Rows && !m.byKeysOnly() && !m.settlesLater(onUpdate, moved) && !rel.stirs(m):
			w.call(wr, m, m.syncs.byRow, rowName(n.Relation))
		default:
			w.sync(wr, m, rowName(n.Relation))
		}
	}
	if wr.record == "" && w.stmt.Outcome == Pass {
		return nil, nil //nolint:nilnil // nothing to do
	}
	return wr, nil
}

// settlesLater reports whether RETURNING may not yet tell what the old and the
// new rows will be: a trigger of the user may write the row again behind it, and
// ON UPDATE CASCADE gives new rows another key behind it, be the key moved by
// the statement, by a trigger, or by what it is generated from.
func (m *Migration) settlesLater(e event, moved []string) bool {
	for _, t := range m.Old.Triggers {
		if (e == onInsert && t.Insert || e == onUpdate && t.Update) && (!t.Before || m.keyCascades()) {
			return true
		}
	}
	for _, k := range m.Key {
		if has(moved, k.Name) {
			return true
		}
	}
	return e == onUpdate && m.keyCascades() && m.generatedKey()
}
