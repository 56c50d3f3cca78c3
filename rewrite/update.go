package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"
	"github.com/pgjanus/pgjanus/rules"
)

func (w *planning) update(n *pg_query.UpdateStmt) (*write, error) {
	rel, err := w.target(n.Relation)
	if rel == nil || err != nil {
		return nil, err
	}
	wr := &write{rel: rel, returning: n.ReturningList}
	assigned := targetNames(n.TargetList)
	for _, m := range rel.old {
		if err := w.knowsNewShape(m, assigned, n.Relation); err != nil {
			return nil, err
		}
		if m.Rule.Kind == rules.Rows {
			if err := w.movesKey(m, assigned, n.Relation); err != nil {
				return nil, err
			}
		}
		switch {
		case !m.reads(assigned) && !m.triggerBefore(onUpdate):
			// the new shape does not depend on anything that changes
		case m.Rule.Kind == rules.Columns && w.inlineUpdate(m, n):
			w.concern(m)
		default:
			w.sync(wr, m, rowName(n.Relation), false)
		}
	}
	if wr.record == "" && w.stmt.Outcome == Pass {
		return nil, nil //nolint:nilnil // nothing to do
	}
	return wr, nil
}
