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
		case !m.reads(assigned) && !m.triggered(onUpdate):
			// the new shape does not depend on anything that changes
		case m.Rule.Kind == rules.Columns && w.inlineUpdate(m, n):
			w.concern(m)
		default:
			w.sync(wr, m, rowName(n.Relation), Variant{One: w.updatesOne(n, m)})
		}
	}
	if wr.record == "" && w.stmt.Outcome == Pass {
		return nil, nil //nolint:nilnil // nothing to do
	}
	return wr, nil
}

// updatesOne reports whether an UPDATE is a statement by itself whose WHERE
// gives every key column a value, by a comparison that one row at most can meet.
func (w *planning) updatesOne(n *pg_query.UpdateStmt, m *Migration) bool {
	if w.env.LooseTypes || w.stmt.Kind != "UPDATE" || n.WithClause != nil || len(n.FromClause) > 0 {
		return false
	}
	given := map[string]bool{}
	var conjuncts func(*pg_query.Node)
	conjuncts = func(c *pg_query.Node) {
		if b := c.GetBoolExpr(); b != nil && b.Boolop == pg_query.BoolExprType_AND_EXPR {
			for _, arg := range b.Args {
				conjuncts(arg)
			}
			return
		}
		e := c.GetAExpr()
		if e == nil || e.Kind != pg_query.A_Expr_Kind_AEXPR_OP || len(e.Name) != 1 || e.Name[0].GetString_().GetSval() != "=" {
			return
		}
		fields := e.Lexpr.GetColumnRef().GetFields()
		if len(fields) == 0 || !exact(e.Rexpr) {
			return
		}
		given[fields[len(fields)-1].GetString_().GetSval()] = true
	}
	conjuncts(n.WhereClause)
	for _, k := range m.Rule.Old.Key {
		if !given[k] {
			return false
		}
	}
	return true
}

// exact reports whether a value is a constant or parameter of a type in whose
// comparison with a key column different keys stay different: not a float, in
// which large integers meet, nor character(n), which ignores blanks at the end.
func exact(n *pg_query.Node) bool {
	if n.GetParamRef() != nil || n.GetAConst() != nil {
		return true
	}
	c := n.GetTypeCast()
	if c == nil || !exact(c.Arg) {
		return false
	}
	names := c.TypeName.GetNames()
	return len(names) > 0 && len(c.TypeName.Typmods) == 0 && len(c.TypeName.ArrayBounds) == 0 &&
		has([]string{"int2", "int4", "int8", "uuid", "text", "varchar"}, names[len(names)-1].GetString_().GetSval())
}
