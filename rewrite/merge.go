package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/rules"
)

// mergeReturning is the first version of Postgres in which MERGE has RETURNING,
// and may stand in WITH.
const mergeReturning = 170000

// merges reports whether MERGE can show the keys that it touches.
func (w *planning) merges() bool { return w.snapshot.Version >= mergeReturning }

// merge plans MERGE: every row that it inserts, updates or deletes records its
// key. For one that is deleted the sync finds nothing to do.
func (w *planning) merge(n *pg_query.MergeStmt) (*write, error) {
	rel, err := w.target(n.Relation)
	if rel == nil || err != nil {
		return nil, err
	}
	if len(rel.new) > 0 {
		return w.mergeNew(rel, n)
	}
	wr := &write{rel: rel, rv: n.Relation}
	for _, m := range rel.old {
		var to direction
		var all newColumns
		for _, c := range n.MergeWhenClauses {
			clause := c.GetMergeWhenClause()
			assigned, err := w.merged(clause, rel, m, n.Relation)
			if err != nil {
				return nil, err
			}
			if clause.CommandType == pg_query.CmdType_CMD_UPDATE {
				all.updates = append(all.updates, assigned)
			}
			does := m.merges(clause, assigned)
			switch {
			case does == 0:
				continue
			case to != 0 && does != to:
				return nil, &Refusal{
					Migration: m.Rule.Name, Offset: int(n.Relation.Location),
					Reason: "one MERGE writes the old shape in one place and the new shape in another", Hint: "write them in two statements",
				}
			}
			to, all.columns = does, append(all.columns, assigned...)
		}
		switch {
		case to == 0:
		case w.both[m.self()]:
			w.settle(wr, m, rowName(n.Relation), checking)
		case to == forward:
			w.sync(wr, m, rowName(n.Relation))
		default:
			if err := w.newShape(wr, m, n.Relation, all); err != nil {
				return nil, err
			}
		}
	}
	if wr.record == "" && w.stmt.Outcome == Pass {
		return nil, nil //nolint:nilnil // nothing to do
	}
	return wr, nil
}

// merged lists the columns that a WHEN clause assigns, and refuses those that
// it must not.
func (w *planning) merged(c *pg_query.MergeWhenClause, rel *relation, m *Migration, rv *pg_query.RangeVar) ([]string, error) {
	assigned := targetNames(c.TargetList)
	switch {
	case c.CommandType == pg_query.CmdType_CMD_UPDATE && m.Rule.Kind == rules.Rows:
		return assigned, w.movesKey(m, assigned, rv)
	case c.CommandType == pg_query.CmdType_CMD_INSERT && len(assigned) == 0:
		for i, column := range rel.table().Columns {
			if i >= len(c.Values) {
				break
			}
			if rel.hidden(column.Name) {
				return nil, &Refusal{
					Migration: m.Rule.Name, Offset: int(rv.Location), Hint: "list the columns",
					Reason: fmt.Sprintf("INSERT in MERGE has no column list, and its values would reach %s, which the migration has added", column.Name),
				}
			}
			assigned = append(assigned, column.Name)
		}
	}
	return assigned, nil
}

// merges tells what has to follow a WHEN clause; 0 for nothing.
func (m *Migration) merges(c *pg_query.MergeWhenClause, assigned []string) direction {
	old, new := m.written(assigned)
	switch {
	case c.CommandType != pg_query.CmdType_CMD_INSERT && c.CommandType != pg_query.CmdType_CMD_UPDATE:
		return 0
	case new && old:
		return checking
	case new:
		return backward
	case c.CommandType == pg_query.CmdType_CMD_INSERT, m.reads(assigned), m.triggered(onUpdate):
		return forward
	}
	return 0
}
