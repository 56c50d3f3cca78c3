package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
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
			if refers(stmt, cte.Ctename) {
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
	start, stop := w.tokens[head].start, w.tokens[head].end
	if len(cte.Aliascolnames) > 0 {
		stop = w.tokens[closing(w.tokens, head+1)].end
	}
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
		if name == "" {
			return nil, w.unnamed(wr, target)
		}
		names = append(names, name)
	}
	for i, a := range cte.GetAliascolnames() {
		if i < len(names) {
			names[i] = a.GetString_().GetSval()
		}
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

// outputName is what Postgres calls an unnamed output column, for the forms
// that need no catalog (FigureColname in parse_target.c); "" for others.
func outputName(n *pg_query.Node) string {
	switch {
	case n.GetColumnRef() != nil:
		fields := n.GetColumnRef().Fields
		return fields[len(fields)-1].GetString_().GetSval()
	case n.GetFuncCall() != nil:
		name := n.GetFuncCall().Funcname
		return name[len(name)-1].GetString_().GetSval()
	case n.GetCoalesceExpr() != nil:
		return "coalesce"
	case n.GetTypeCast() != nil:
		if inner := outputName(n.GetTypeCast().Arg); inner != "" {
			return inner
		}
		names := n.GetTypeCast().GetTypeName().GetNames()
		return names[len(names)-1].GetString_().GetSval()
	}
	return ""
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

// refers reports whether any FROM clause of stmt names a relation so.
func refers(stmt *pg_query.Node, name string) bool {
	found := false
	walk(stmt, func(n node) {
		if rv, ok := n.(*pg_query.RangeVar); ok && rv.Schemaname == "" && strings.EqualFold(rv.Relname, name) {
			found = true
		}
	})
	return found
}

// newCTE names a CTE of ours.
func (w *planning) newCTE() string {
	w.ctes++
	return fmt.Sprintf("pgjanus_%d", w.ctes)
}
