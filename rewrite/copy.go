package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// copyTable plans COPY. What COPY FROM brings shows its keys in the WHERE
// clause: Postgres evaluates that once for each row, when defaults and identity
// columns have their values (CopyFrom in commands/copyfrom.c), and inserts rows
// one by one where it is volatile. So the clause records them.
func (w *planning) copyTable(n *pg_query.CopyStmt, stmt *pg_query.Node, from, to int) error {
	if !n.IsFrom {
		return w.copyQuery(n, stmt, from)
	}
	if rel := w.resolve(n.Relation); rel != nil && len(rel.new) == 0 && rel.guarded() && !rel.written(rel.copied(n)) {
		return nil
	}
	rel, err := w.target(n.Relation)
	if rel == nil || err != nil {
		return err
	}
	if err := w.showsKeys(rel, n); err != nil {
		return err
	}
	wr := &write{rel: rel, rv: n.Relation}
	if len(rel.new) > 0 {
		if err := w.carriesBack(rel, n.Relation); err != nil {
			return err
		}
		for _, m := range rel.new {
			w.back(wr, m, m.ParentRecord(rowName(n.Relation), true))
		}
	}
	columns := rel.copied(n)
	for _, m := range rel.old {
		if _, new := m.written(columns); new {
			if err := w.newShape(wr, m, n.Relation, newColumns{columns: columns}); err != nil {
				return err
			}
			continue
		}
		w.sync(wr, m, rowName(n.Relation))
	}
	w.recordCopied(n, wr, from, to)
	return nil
}

// written reports whether one of the columns is one of a new shape.
func (r *relation) written(columns []string) bool {
	for _, m := range r.old {
		if _, new := m.written(columns); new {
			return true
		}
	}
	return false
}

// copied lists the columns that COPY FROM gives values for.
func (r *relation) copied(n *pg_query.CopyStmt) []string {
	if len(n.Attlist) > 0 || r.table() == nil {
		return names(n.Attlist)
	}
	var columns []string
	for _, c := range r.table().Columns {
		if c.Generated == 0 && !r.hidden(c.Name) {
			columns = append(columns, c.Name)
		}
	}
	return columns
}

// showsKeys refuses COPY FROM where the key that the WHERE clause sees may not
// be that of the row.
func (w *planning) showsKeys(rel *relation, n *pg_query.CopyStmt) error {
	refuse := func(reason string) error {
		return &Refusal{
			Migration: rel.migration(), Offset: int(n.Relation.Location), Reason: reason,
			Hint: "set guard: sync for the migration, use INSERT with many rows, or copy into a staging table and INSERT .. SELECT from it",
		}
	}
	for _, t := range rel.table().Triggers {
		if t.Before && t.Row && t.Insert {
			return refuse(fmt.Sprintf("COPY FROM into %s shows its keys before the trigger %s, which may change them", rel.name, t.Name))
		}
	}
	if len(rel.new) > 0 {
		return nil // what is recorded is the key of another table
	}
	for _, k := range rel.table().Key {
		if c := rel.table().Column(k); c != nil && c.Generated != 0 {
			return refuse(fmt.Sprintf("COPY FROM into %s does not show the key column %s, which is generated", rel.name, k))
		}
	}
	return nil
}

// recordCopied edits the WHERE clause so that each row that goes in records its
// keys, and no other.
func (w *planning) recordCopied(n *pg_query.CopyStmt, wr *write, from, to int) {
	source := w.tokens[next(w.tokens, from, pg_query.Token_FROM)+1].kind
	w.stmt.CopyIn = source == pg_query.Token_STDIN || source == pg_query.Token_STDOUT
	if wr.rel.buffers(n) {
		w.stmt.Buffers = wr.rel.name.Name
	}
	end := w.tokens[to-1].end
	switch {
	case wr.record == "":
	case n.WhereClause == nil:
		w.edits.insert(end, " WHERE NOT ("+wr.record+")")
	default:
		w.edits.insert(w.tokens[next(w.tokens, from, pg_query.Token_WHERE)].end, " CASE WHEN (")
		w.edits.insert(end, ") THEN NOT ("+wr.record+") ELSE false END")
	}
}

// buffers reports whether Postgres certainly inserts the rows of a COPY FROM many
// at once: nothing that it evaluates for each is volatile, but for nextval
// (CopyFrom in commands/copyfrom.c).
func (r *relation) buffers(n *pg_query.CopyStmt) bool {
	certain := true
	if n.WhereClause != nil {
		walk(n.WhereClause, func(n node) {
			if _, calls := n.(*pg_query.FuncCall); calls {
				certain = false
			}
		})
	}
	copied := r.copied(n)
	for _, c := range r.table().Columns {
		known := c.Constant || c.Identity != 0 || c.Generated != 0 || c.Default == "now()" || c.Default == "CURRENT_TIMESTAMP" || strings.HasPrefix(c.Default, "nextval(")
		certain = certain && (known || has(copied, c.Name))
	}
	return certain
}

// copyQuery plans COPY (query) TO. A write that is the query moves to a CTE of
// ours that has one more column, as in splitCTE.
func (w *planning) copyQuery(n *pg_query.CopyStmt, stmt *pg_query.Node, from int) error {
	if n.Query == nil {
		return nil
	}
	if sel := n.Query.GetSelectStmt(); sel != nil {
		return w.with(sel.WithClause, stmt)
	}
	with := withOf(n.Query)
	if err := w.with(with, stmt); err != nil {
		return err
	}
	open := from + 1
	end := closing(w.tokens, open)
	wr, err := w.write(n.Query, open+1, end)
	if err != nil || wr == nil || wr.record == "" || len(wr.returning) == 0 { // without RETURNING it is an error
		return err
	}
	names, err := w.outputNames(&pg_query.CommonTableExpr{Ctequery: n.Query}, wr)
	if err != nil {
		refusal := err.(*Refusal) //nolint:errorlint,forcetypeassert // it returns no other kind
		refusal.Reason = strings.Replace(refusal.Reason, "inside WITH", "inside COPY", 1)
		return refusal
	}
	first, head := open+1, "WITH"
	if with != nil {
		_, last := w.cteBody(with.Ctes[len(with.Ctes)-1].GetCommonTableExpr())
		first, head = w.verb(last), ","
	}
	inner := w.newCTE()
	w.edits.insert(w.tokens[first].start, fmt.Sprintf("%s %s (%s) AS (", head, inner, list(names, func(i int, _ string) string { return fmt.Sprintf("c%d", i+1) })))
	w.edits.insert(w.tokens[end-1].end, fmt.Sprintf("%s) SELECT %s FROM %s", wr.clause(),
		list(names, func(i int, name string) string { return fmt.Sprintf("c%d AS %s", i+1, Ident(name)) }), inner))
	return nil
}

// verb returns the first token behind i that a write begins with.
func (w *planning) verb(i int) int {
	for ; i < len(w.tokens); i++ {
		switch w.tokens[i].kind {
		case pg_query.Token_INSERT, pg_query.Token_UPDATE, pg_query.Token_DELETE_P, pg_query.Token_MERGE:
			return i
		}
	}
	return i
}

// names returns the strings of a list.
func names(list []*pg_query.Node) []string {
	all := make([]string, 0, len(list))
	for _, n := range list {
		all = append(all, n.GetString_().GetSval())
	}
	return all
}
