package rewrite

import (
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

// elements returns an expression for the number of rows of a query, where the
// query obviously has one for each element of a value: SELECT columns FROM one
// of counters. Else it returns "". The query is one that the catalog resolved.
func elements(query string) string {
	tree, err := pg_query.Parse(query)
	if err != nil || len(tree.Stmts) != 1 {
		return ""
	}
	sel := tree.Stmts[0].Stmt.GetSelectStmt()
	if sel == nil || len(sel.FromClause) != 1 || sel.WithClause != nil || sel.WhereClause != nil || len(sel.DistinctClause) > 0 ||
		len(sel.GroupClause) > 0 || sel.HavingClause != nil || sel.LimitCount != nil || sel.LimitOffset != nil ||
		sel.Op != pg_query.SetOperation_SETOP_NONE || len(sel.ValuesLists) > 0 {
		return ""
	}
	for _, target := range sel.TargetList {
		multiplies := false // it may be an aggregate, or return a set
		walk(target, func(n node) {
			switch n.(type) {
			case *pg_query.FuncCall, *pg_query.SubLink:
				multiplies = true
			}
		})
		if multiplies {
			return ""
		}
	}
	from := sel.FromClause[0].GetRangeFunction()
	if from == nil || len(from.Functions) != 1 {
		return ""
	}
	call := from.Functions[0].GetList().GetItems()[0].GetFuncCall()
	if call == nil || len(call.Args) != 1 || len(call.Funcname) == 0 {
		return ""
	}
	if len(call.Funcname) == 2 && call.Funcname[0].GetString_().GetSval() != "pg_catalog" {
		return ""
	}
	counter := counters[call.Funcname[len(call.Funcname)-1].GetString_().GetSval()]
	tokens, err := scan(query)
	if counter == "" || err != nil {
		return ""
	}
	open := next(tokens, tokenAt(tokens, int(call.Location)), tokenOpen)
	argument := query[tokens[open].start:tokens[closing(tokens, open)].end]
	return "coalesce(" + counter + argument + ", 0)"
}
