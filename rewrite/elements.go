package rewrite

import (
	"fmt"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// counters has, for functions that return a row for each element of their only
// argument, the function that tells how many there are.
var counters = map[string]string{
	"jsonb_to_recordset":        "jsonb_array_length",
	"jsonb_array_elements":      "jsonb_array_length",
	"jsonb_array_elements_text": "jsonb_array_length",
	"json_to_recordset":         "json_array_length",
	"json_array_elements":       "json_array_length",
	"json_array_elements_text":  "json_array_length",
	"unnest":                    "cardinality",
}

// elementwise is a query that obviously has one row for each element of a value:
// SELECT columns FROM one of counters.
type elementwise struct {
	count string // how many rows it has
	// numbered has the number of each row as one more column, numberColumn: its plan
	// is smaller than that with a window function.
	// It is empty where that is not known to be right.
	numbered string
}

// numberColumn is the column of elementwise.numbered, quoted.
var numberColumn = Ident(label + " n")

// elements returns what an elementwise query is written like; ok is false for
// every other. The query is one that the catalog resolved.
func elements(query string) (e elementwise, ok bool) {
	tree, err := pg_query.Parse(query)
	if err != nil || len(tree.Stmts) != 1 {
		return e, false
	}
	sel := tree.Stmts[0].Stmt.GetSelectStmt()
	if sel == nil || len(sel.FromClause) != 1 || sel.WithClause != nil || sel.WhereClause != nil || len(sel.DistinctClause) > 0 ||
		len(sel.GroupClause) > 0 || sel.HavingClause != nil || sel.LimitCount != nil || sel.LimitOffset != nil ||
		sel.Op != pg_query.SetOperation_SETOP_NONE || len(sel.ValuesLists) > 0 {
		return e, false
	}
	whole := false // it has the row of the function itself, which a number would be part of
	for _, target := range sel.TargetList {
		multiplies := false // it may be an aggregate, or return a set
		walk(target, func(n node) {
			switch n.(type) {
			case *pg_query.FuncCall, *pg_query.SubLink:
				multiplies = true
			case *pg_query.A_Star:
				whole = true
			}
		})
		if multiplies {
			return e, false
		}
	}
	from := sel.FromClause[0].GetRangeFunction()
	if from == nil || len(from.Functions) != 1 {
		return e, false
	}
	call := from.Functions[0].GetList().GetItems()[0].GetFuncCall()
	if call == nil || len(call.Args) != 1 || len(call.Funcname) == 0 {
		return e, false
	}
	if len(call.Funcname) == 2 && call.Funcname[0].GetString_().GetSval() != "pg_catalog" {
		return e, false
	}
	counter := counters[call.Funcname[len(call.Funcname)-1].GetString_().GetSval()]
	tokens, err := scan(query)
	if counter == "" || counter == "cardinality" && !array(call.Args[0]) || err != nil {
		return e, false
	}
	open := next(tokens, tokenAt(tokens, int(call.Location)), tokenOpen)
	end := closing(tokens, open)
	e.count = "coalesce(" + counter + query[tokens[open].start:tokens[end].end] + ", 0)"
	if len(sel.SortClause) == 0 && !whole {
		e.numbered = numbered(query, tokens, from, end)
	}
	return e, true
}

// array reports whether an argument of unnest is an array, and not a multirange or
// a tsvector. Of a parameter that is not known here.
func array(n *pg_query.Node) bool {
	switch {
	case n.GetTypeCast() != nil:
		return len(n.GetTypeCast().TypeName.ArrayBounds) > 0
	case n.GetFuncCall() != nil:
		name := n.GetFuncCall().Funcname
		return has([]string{"string_to_array", "regexp_split_to_array"}, name[len(name)-1].GetString_().GetSval())
	}
	return n.GetParamRef() != nil || n.GetAArrayExpr() != nil
}

// numbered gives the function of an elementwise query, whose call ends at token
// end, WITH ORDINALITY.
func numbered(query string, tokens []token, from *pg_query.RangeFunction, end int) string {
	call := from.Functions[0].GetList().GetItems()[0].GetFuncCall()
	start := tokenAt(tokens, int(call.Location))
	alias := from.Alias.GetAliasname()
	name := end + 1 // of the alias
	if from.Ordinality || from.Lateral || alias == "" || tokens[start-1].kind != pg_query.Token_FROM || name+1 >= len(tokens) || tokens[name+1].kind != tokenOpen {
		return ""
	}
	last := closing(tokens, name+1)
	if last != len(tokens)-1 {
		return ""
	}
	columns := make([]string, 0, len(from.Coldeflist)+1)
	for _, c := range from.Coldeflist {
		columns = append(columns, Ident(c.GetColumnDef().GetColname()))
	}
	function := query[tokens[start].start:tokens[end].end]
	switch {
	case len(columns) > 0:
		function = "ROWS FROM (" + function + " AS " + query[tokens[name+1].start:tokens[last].end] + ")"
	case len(from.Alias.GetColnames()) == 1 && call.Funcname[len(call.Funcname)-1].GetString_().GetSval() != "unnest": // that of a composite type has more
		columns = append(columns, Ident(from.Alias.GetColnames()[0].GetString_().GetSval()))
	default:
		return ""
	}
	return fmt.Sprintf("%s, %s.%s FROM %s WITH ORDINALITY %[2]s(%[5]s)", query[:tokens[start-2].end], Ident(alias), numberColumn, function,
		strings.Join(append(columns, numberColumn), ", "))
}
