package rewrite

import (
	"fmt"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// with plans the writes in a top-level WITH clause (Postgres allows them at no
// other place). A write whose rows the statement can see keeps them as they
// are: it moves to a CTE of ours that has one more column, and its own name
// becomes a query over that without the column.
func (w *planning) with(clause *pg_query.WithClause, stmt *pg_query.Node) error {
	if clause == nil {
		return nil
	}
	for _, c := range clause.Ctes {
		cte := c.GetCommonTableExpr()
		open, end := w.cteBody(cte)
		if open < 0 {
			continue
		}
		if inner := withOf(cte.Ctequery); inner != nil {
			if err := w.with(inner, stmt); err != nil {
				return err
			}
		}
		wr, err := w.write(cte.Ctequery, open+1, end)
		if err != nil {
			return err
		}
		if wr == nil || wr.record == "" {
			continue
		}
		if len(wr.returning) == 0 {
			if w.refers(stmt, clause, cte) {
				return &Refusal{
					Migration: wr.rel.migration(), Offset: int(cte.Location),
					Reason: fmt.Sprintf("WITH query %q does not have a RETURNING clause", cte.Ctename), Hint: "add one",
				}
			}
			w.edits.insert(w.tokens[end-1].end, wr.clause())
			continue
		}
		if err := w.splitCTE(cte, wr, open, end); err != nil {
			return err
		}
	}
	return nil
}

// cteBody returns the indexes of the parentheses around a CTE's query.
func (w *planning) cteBody(cte *pg_query.CommonTableExpr) (open, end int) {
	i := tokenAt(w.tokens, int(cte.Location))
	if i < 0 {
		return -1, -1
	}
	as := next(w.tokens, i+1, pg_query.Token_AS)
	if as < 0 {
		return -1, -1
	}
	if open = next(w.tokens, as+1, tokenOpen); open < 0 {
		return -1, -1
	}
	return open, closing(w.tokens, open)
}

// splitCTE edits  x (..) AS (write RETURNING list)  to
// pgjanus_n (c1, ..) AS (write RETURNING list, record), x (..) AS (SELECT c1, .. FROM pgjanus_n).
func (w *planning) splitCTE(cte *pg_query.CommonTableExpr, wr *write, open, end int) error {
	names, err := w.outputNames(cte, wr)
	if err != nil {
		return err
	}
	inner := w.newCTE()
	columns := list(names, func(i int, _ string) string { return fmt.Sprintf("c%d", i+1) })
	head := tokenAt(w.tokens, int(cte.Location))
	last := head
	if w.tokens[last+1].kind == pg_query.Token_UESCAPE {
		last += 2
	}
	if len(cte.Aliascolnames) > 0 {
		last = closing(w.tokens, last+1)
	}
	start, stop := w.tokens[head].start, w.tokens[last].end
	w.edits.replace(start, stop-start, fmt.Sprintf("%s (%s)", inner, columns))
	w.edits.insert(w.tokens[end-1].end, wr.clause())
	w.edits.insert(w.tokens[end].end, fmt.Sprintf(", %s (%s) AS (SELECT %s FROM %s)",
		Ident(cte.Ctename), list(names, func(_ int, n string) string { return Ident(n) }), columns, inner))
	_ = open
	return nil
}

// outputNames returns the column names of a write with RETURNING; cte is the CTE
// that it is the query of, or nil.
func (w *planning) outputNames(cte *pg_query.CommonTableExpr, wr *write) ([]string, error) {
	var names []string
	for _, r := range wr.returning {
		target := r.GetResTarget()
		if target.GetName() != "" {
			names = append(names, target.GetName())
			continue
		}
		if ref := target.GetVal().GetColumnRef(); ref != nil && ref.Fields[len(ref.Fields)-1].GetAStar() != nil {
			if len(ref.Fields) > 2 || len(ref.Fields) == 2 && !wr.called(ref.Fields[0]) || len(ref.Fields) == 1 && w.joins(cte.GetCtequery()) {
				return nil, w.unnamed(wr, target)
			}
			for _, c := range wr.rel.table().Columns {
				if !wr.rel.hidden(c.Name) {
					names = append(names, c.Name)
				}
			}
			continue
		}
		name := outputName(target.GetVal())
		if name == "" || isStar(r) {
			return nil, w.unnamed(wr, target)
		}
		if name == "extract" && w.snapshot.Version < 140000 && target.GetVal().GetColumnRef() == nil {
			name = "date_part" // which EXTRACT was
		}
		names = append(names, name)
	}
	aliases := cte.GetAliascolnames()
	if len(aliases) > len(names) {
		return nil, &Refusal{
			Code: "42P10", Offset: int(cte.Location),
			Reason: fmt.Sprintf("WITH query %q has %d columns available but %d columns specified", cte.Ctename, len(names), len(aliases)),
		}
	}
	for i, a := range aliases {
		names[i] = a.GetString_().GetSval()
	}
	return names, nil
}

// called reports whether a name is that of the row which is written.
func (wr *write) called(name *pg_query.Node) bool {
	called := wr.rv.GetRelname()
	if a := wr.rv.GetAlias(); a != nil {
		called = a.Aliasname
	}
	return name.GetString_().GetSval() == called
}

// joins reports whether a write has a FROM or USING clause, whose columns are
// part of RETURNING *.
func (w *planning) joins(write *pg_query.Node) bool {
	return len(write.GetUpdateStmt().GetFromClause()) > 0 || len(write.GetDeleteStmt().GetUsingClause()) > 0
}

func (w *planning) unnamed(wr *write, target *pg_query.ResTarget) error {
	return &Refusal{
		Migration: wr.rel.migration(), Offset: int(target.GetLocation()),
		Reason: "the name of a RETURNING column inside WITH cannot be told from the text",
		Hint:   "list the columns, and name expressions with AS",
	}
}

func withOf(stmt *pg_query.Node) *pg_query.WithClause {
	switch n := stmt.Node.(type) {
	case *pg_query.Node_InsertStmt:
		return n.InsertStmt.WithClause
	case *pg_query.Node_UpdateStmt:
		return n.UpdateStmt.WithClause
	case *pg_query.Node_DeleteStmt:
		return n.DeleteStmt.WithClause
	case *pg_query.Node_MergeStmt:
		return n.MergeStmt.WithClause
	}
	return nil
}

// refers reports whether a FROM clause of stmt may name that query of a WITH clause.
// What a statement writes or creates is none, and neither the query itself nor those
// before it see it, unless the clause is RECURSIVE.
func (w *planning) refers(stmt *pg_query.Node, clause *pg_query.WithClause, cte *pg_query.CommonTableExpr) bool {
	blind := map[node]bool{}
	for _, c := range clause.Ctes {
		if clause.Recursive {
			break
		}
		blind[c.GetCommonTableExpr()] = true
		if c.GetCommonTableExpr() == cte {
			break
		}
	}
	found := false
	var look func(m protoreflect.Message)
	look = func(m protoreflect.Message) {
		n := m.Interface()
		if target := writeTarget(n); target != nil {
			blind[target] = true
		}
		if rv, ok := n.(*pg_query.RangeVar); ok && !blind[n] && !w.created[n] && rv.Schemaname == "" && rv.Relname == cte.Ctename {
			found = true
		}
		if !blind[n] {
			below(m, look)
		}
	}
	look(stmt.ProtoReflect())
	return found
}

// newCTE names a CTE of ours.
func (w *planning) newCTE() string {
	w.ctes++
	return fmt.Sprintf("pgjanus_%d", w.ctes)
}
