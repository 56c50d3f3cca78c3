package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// Applications that save whole rows assign the key, too: SET id = $1, .. WHERE
// id = $1. That does not move the row, and then nothing has to be done about the
// new rows of a key that is no more.
//
// Of the key column itself that is certain. Of a value that WHERE compares the
// key with it is not quite: = may find a value equal that is another one as the
// key's type (a double precision parameter beside a bigint). Where the foreign
// key is NO ACTION nothing can go wrong even so: the new rows of the key that the
// statement leaves violate it, and where there are none, the row is written as
// one of its new key. Where it is CASCADE, a sync behind the statement is right
// whether the key moves or not.

// setting is what says which row an assignment is for.
type setting struct {
	relation *pg_query.RangeVar
	where    *pg_query.Node
	// proposed are the values that the row conflicted with, by column: those of
	// an INSERT whose ON CONFLICT clause this is.
	proposed map[string]*pg_query.Node
}

// Actions of a foreign key (pg_constraint.confupdtype) under which a comparison is enough.
const (
	toAllow     = "ac" // to let the statement pass
	toSyncEarly = "a"  // to sync in RETURNING
)

// moved lists the columns of those targets that may get another value, as far as
// the key of m is concerned. What WHERE compares them with counts where the
// foreign key is one of actions.
func (w *planning) moved(m *Migration, targets []*pg_query.Node, s setting, actions string) []string {
	var columns []string
	fk, action := m.foreignKey(), byte('c')
	if fk != nil && !m.keyCascades() {
		action = fk.OnUpdate
	}
	checked := fk != nil && strings.IndexByte(actions, action) >= 0
	for _, n := range targets {
		t := n.GetResTarget()
		kept := len(t.Indirection) == 0 && m.isKey(t.Name) && (s.column(t.Val, t.Name) || checked && w.compared(t, s))
		if !kept {
			columns = append(columns, t.Name)
		}
	}
	return columns
}

// generatedKey reports whether the database computes a column of the key.
func (m *Migration) generatedKey() bool {
	for _, k := range m.self().Key {
		if m.self().Old.Column(k.Name).Generated != 0 {
			return true
		}
	}
	return false
}

func (m *Migration) isKey(column string) bool {
	for _, k := range m.Key {
		if k.Name == column {
			return true
		}
	}
	return false
}

// compared reports whether a column is assigned what it is equal to.
func (w *planning) compared(t *pg_query.ResTarget, s setting) bool {
	if v := s.proposed[t.Name]; v != nil && w.sameValue(v, t.Val) {
		return true
	}
	for _, c := range conjuncts(s.where) {
		e := c.GetAExpr()
		if e.GetKind() != pg_query.A_Expr_Kind_AEXPR_OP || e.Name[len(e.Name)-1].GetString_().GetSval() != "=" {
			continue
		}
		if s.column(e.Lexpr, t.Name) && w.sameValue(e.Rexpr, t.Val) || s.column(e.Rexpr, t.Name) && w.sameValue(e.Lexpr, t.Val) {
			return true
		}
	}
	return false
}

// conjuncts returns the conditions that a condition is made of.
func conjuncts(n *pg_query.Node) []*pg_query.Node {
	if b := n.GetBoolExpr(); b != nil && b.Boolop == pg_query.BoolExprType_AND_EXPR {
		var all []*pg_query.Node
		for _, arg := range b.Args {
			all = append(all, conjuncts(arg)...)
		}
		return all
	}
	return []*pg_query.Node{n}
}

// column reports whether n is that column of the row that is written. A bare
// name that another relation has as well is ambiguous to Postgres.
func (s setting) column(n *pg_query.Node, name string) bool {
	fields := n.GetColumnRef().GetFields()
	if len(fields) == 0 || fields[len(fields)-1].GetString_().GetSval() != name {
		return false
	}
	row := s.relation.Relname
	if s.relation.Alias != nil {
		row = s.relation.Alias.Aliasname
	}
	return len(fields) == 1 || fields[len(fields)-2].GetString_().GetSval() == row
}

// sameValue reports whether both are, casts apart, the same parameter, the same
// constant or the same column.
func (w *planning) sameValue(a, b *pg_query.Node) bool {
	a, b = uncast(a), uncast(b)
	switch {
	case a.GetParamRef() != nil:
		return b.GetParamRef() != nil && a.GetParamRef().Number == b.GetParamRef().Number
	case a.GetColumnRef() != nil:
		return sameFields(a.GetColumnRef().Fields, b.GetColumnRef().GetFields())
	case a.GetAConst() != nil && b.GetAConst() != nil:
		was := w.plan.copiesLiterals
		one, ok := w.constant(a)
		other, also := w.constant(b)
		w.plan.copiesLiterals = was
		w.byLiteral()
		first, _ := marked(one)
		second, _ := marked(other)
		return ok && also && first == second
	}
	return false
}

// byLiteral notes that a constant decides what becomes of the statement, so
// that no other text that differs in it may share the plan.
func (w *planning) byLiteral() { w.plan.copiesLiterals, w.literal = true, true }

func uncast(n *pg_query.Node) *pg_query.Node {
	for n.GetTypeCast() != nil {
		n = n.GetTypeCast().Arg
	}
	return n
}

func sameFields(a, b []*pg_query.Node) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].GetString_() == nil || a[i].GetString_().GetSval() != b[i].GetString_().GetSval() {
			return false
		}
	}
	return true
}

// proposed returns what the only row of VALUES proposes, by column. A trigger
// of the user may put something else in its place.
func (m *Migration) proposed(n *pg_query.InsertStmt) map[string]*pg_query.Node {
	rows := n.SelectStmt.GetSelectStmt().GetValuesLists()
	if len(rows) != 1 || m.triggered(onInsert) {
		return nil
	}
	items := rows[0].GetList().GetItems()
	values := map[string]*pg_query.Node{}
	for i, c := range n.Cols {
		if name := c.GetResTarget().GetName(); i < len(items) && infers(n.OnConflictClause, name) {
			values[name] = items[i]
		}
	}
	return values
}

// infers reports whether the rows conflict on that column.
func infers(c *pg_query.OnConflictClause, column string) bool {
	for _, e := range c.GetInfer().GetIndexElems() {
		if e.GetIndexElem().GetName() == column {
			return true
		}
	}
	return false
}
