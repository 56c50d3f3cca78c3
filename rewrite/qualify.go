package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// qualify puts pg_catalog in front of every unqualified function, operator and
// type of sql, which must be a text in which all such names mean the built-in
// ones: what Postgres prints under an empty search_path, and our own. So it
// means the same under every search_path. Operators written OPERATOR(..) all
// bind alike, so sql must not depend on precedence between operators.
func qualify(sql string) (string, error) {
	tree, err := pg_query.Parse(sql)
	if err != nil {
		return "", fmt.Errorf("BUG: generated SQL does not parse: %w: %s", err, sql)
	}
	return qualifying(tree, sql).apply(sql, 0, len(sql)), nil
}

// qualifyExpr is qualify for an expression, or for all that stands behind SELECT.
func qualifyExpr(text string) (string, error) {
	const head = "SELECT "
	out, err := qualify(head + text)
	return strings.TrimPrefix(out, head), err
}

// qualifying returns the edits that qualify makes to text.
func qualifying(tree node, text string) edits {
	var es edits
	walk(tree, func(n node) {
		switch n := n.(type) {
		case *pg_query.FuncCall:
			// coalesce and the like are grammar, not FuncCall; EXTRACT, OVERLAY and
			// so on are printed with their own syntax and are looked up in pg_catalog.
			if len(n.Funcname) == 1 && startsWithName(text, int(n.Location), n.Funcname[0]) {
				es.insert(int(n.Location), "pg_catalog.")
			}
		case *pg_query.TypeName:
			if len(n.Names) == 1 && startsWithName(text, int(n.Location), n.Names[0]) {
				es.insert(int(n.Location), "pg_catalog.")
			}
		case *pg_query.A_Expr:
			if n.Kind != pg_query.A_Expr_Kind_AEXPR_OP && n.Kind != pg_query.A_Expr_Kind_AEXPR_OP_ANY && n.Kind != pg_query.A_Expr_Kind_AEXPR_OP_ALL {
				return
			}
			if len(n.Name) != 1 {
				return
			}
			op, at := n.Name[0].GetString_().GetSval(), int(n.Location)
			if strings.HasPrefix(text[at:], op) {
				es.replace(at, len(op), "OPERATOR(pg_catalog."+op+")")
			}
		}
	})
	es.sort()
	return es
}

// startsWithName reports whether text has that identifier at offset, written
// plainly or quoted.
func startsWithName(text string, at int, name *pg_query.Node) bool {
	if at < 0 || at >= len(text) {
		return false
	}
	id := name.GetString_().GetSval()
	return id != "" && (strings.HasPrefix(text[at:], id) || strings.HasPrefix(text[at:], Ident(id)))
}
