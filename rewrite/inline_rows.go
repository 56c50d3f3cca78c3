package rewrite

import (
	"fmt"
	"slices"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"github.com/pgjanus/pgjanus/rules"
)

// inlineRows edits an INSERT of one row into
//
//	WITH pgjanus_1 (..) AS (INSERT .. RETURNING ..) INSERT INTO new .. SELECT .. FROM pgjanus_1, LATERAL (up) u
//
// or, where it has a RETURNING list of its own, into a SELECT of that list with
// the second INSERT beside the first. One statement is safe here, and nowhere
// else, because no one else can hold the row: it is new, and what up is asked of
// is what RETURNING says was stored. It needs no guard against old snapshots
// for the same reason. It is not taken where a trigger of the user might write
// the row again behind RETURNING, or keep it from being written, which would
// make the tag another one.
func (w *planning) inlineRows(m *Migration, n *pg_query.InsertStmt, wr *write, from, to int) bool {
	if n.OnConflictClause != nil || m.triggered(onInsert) {
		return false
	}
	var names []string
	returning := -1
	if len(wr.returning) > 0 {
		var err error
		returning = next(w.tokens[:to], from, pg_query.Token_RETURNING)
		if names, err = w.outputNames(nil, wr); err != nil || returning < 0 {
			return false
		}
	}
	row, source := rowName(n.Relation), w.newCTE()
	needed := slices.Clone(m.Rule.Old.Key)
	for _, c := range m.up[0].cols {
		if !slices.Contains(needed, c) {
			needed = append(needed, c)
		}
	}
	value := func(column string) string { return fmt.Sprintf("%s.o%d", source, slices.Index(needed, column)) }

	// Ours come first: how many columns * stands for may change any time.
	columns := list(needed, func(i int, _ string) string { return fmt.Sprintf("o%d", i) })
	stored := list(needed, func(_ int, c string) string { return row + "." + Ident(c) })
	values := list(m.Rule.New.Parents, func(_ int, p rules.Parent) string { return value(p.Old) }) + ", " +
		list(m.UpColumns(), func(_ int, c string) string { return "u." + Ident(c) })
	insert := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s, LATERAL (%s) u",
		QName(m.Rule.New.Table), m.insertColumns(), values, source, m.up[0].render(value))

	if len(names) == 0 {
		w.edits.insert(w.tokens[from].start, fmt.Sprintf("WITH %s (%s) AS (", source, columns))
		w.edits.insert(w.tokens[to-1].end, fmt.Sprintf(" RETURNING %s) %s", stored, insert))
	} else {
		columns += ", " + list(names, func(i int, _ string) string { return fmt.Sprintf("c%d", i) })
		w.edits.insert(w.tokens[from].start, fmt.Sprintf("WITH %s (%s) AS (", source, columns))
		w.edits.insert(w.tokens[returning].end, " "+stored+",")
		w.edits.insert(w.tokens[to-1].end, fmt.Sprintf("), %s AS (%s) SELECT %s FROM %s", w.newCTE(), insert,
			list(names, func(i int, name string) string { return fmt.Sprintf("c%d AS %s", i, Ident(name)) }), source))
	}
	w.stmt.Tag = "INSERT 0 1"
	w.concern(m)
	return true
}

// newCTE names a CTE of ours.
func (w *planning) newCTE() string {
	w.ctes++
	return fmt.Sprintf("pgjanus_%d", w.ctes)
}
