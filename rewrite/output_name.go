package rewrite

import pg_query "github.com/pganalyze/pg_query_go/v5"

// outputName is what Postgres calls an unnamed output column, where the text tells;
// "" for an expression without a name, and where it does not.
func outputName(n *pg_query.Node) string {
	name, _ := figureName(n)
	return name
}

// How well a name fits (FigureColnameInternal in parse_target.c).
const (
	nameless = iota // ?column?
	weakly          // of a type, or case: another one is better
	named
	unknown // nobody here knows
)

func figureName(n *pg_query.Node) (string, int) {
	switch n := n.GetNode().(type) {
	case *pg_query.Node_ColumnRef:
		return lastName(n.ColumnRef.Fields), named
	case *pg_query.Node_AIndirection:
		if name := lastName(n.AIndirection.Indirection); name != "" {
			return name, named
		}
		return figureName(n.AIndirection.Arg)
	case *pg_query.Node_FuncCall:
		return lastName(n.FuncCall.Funcname), named
	case *pg_query.Node_CollateClause:
		return figureName(n.CollateClause.Arg)
	case *pg_query.Node_TypeCast:
		return figureOr(n.TypeCast.Arg, lastName(n.TypeCast.TypeName.GetNames()))
	case *pg_query.Node_CaseExpr:
		return figureOr(n.CaseExpr.Defresult, "case")
	case *pg_query.Node_AExpr:
		if n.AExpr.Kind == pg_query.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", named
		}
		return "", nameless
	case *pg_query.Node_CoalesceExpr:
		return "coalesce", named
	case *pg_query.Node_MinMaxExpr:
		if n.MinMaxExpr.Op == pg_query.MinMaxOp_IS_GREATEST {
			return "greatest", named
		}
		return "least", named
	case *pg_query.Node_AArrayExpr:
		return "array", named
	case *pg_query.Node_RowExpr:
		return "row", named
	case *pg_query.Node_AConst, *pg_query.Node_ParamRef, *pg_query.Node_BoolExpr, *pg_query.Node_NullTest, *pg_query.Node_BooleanTest:
		return "", nameless
	}
	return "", unknown
}

// figureOr is the name of n, if there is an n and it fits well, or else the weak one.
func figureOr(n *pg_query.Node, weak string) (string, int) {
	if name, fits := figureName(n); n != nil && fits >= named {
		return name, fits
	}
	return weak, weakly
}

// lastName returns the last name of a list, in which subscripts and * are none.
func lastName(list []*pg_query.Node) string {
	name := ""
	for _, n := range list {
		if s := n.GetString_(); s != nil {
			name = s.Sval
		}
	}
	return name
}
