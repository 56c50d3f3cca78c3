package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// ChangesReading reports whether a text may change the settings on which the
// meaning of texts hangs, standard_conforming_strings and client_encoding, or undo
// a change. What a function of the user does is not seen.
func ChangesReading(text string) bool {
	tokens, _ := scan(text) // the parser says what is wrong with it
	tree, err := parse(text, tokens)
	if err != nil {
		return true
	}
	changes := false
	for _, raw := range tree.Stmts {
		walk(raw.Stmt, func(n node) { changes = changes || changesReading(n) })
	}
	return changes
}

func changesReading(n node) bool {
	switch n := n.(type) {
	case *pg_query.VariableSetStmt:
		return n.Kind == pg_query.VariableSetKind_VAR_RESET_ALL || decidesReading(n.Name)
	case *pg_query.FuncCall:
		if n.Funcname[len(n.Funcname)-1].GetString_().GetSval() != "set_config" || len(n.Args) == 0 {
			return false
		}
		name := n.Args[0].GetAConst().GetSval()
		return name == nil || decidesReading(name.Sval)
	case *pg_query.UpdateStmt:
		return n.GetRelation().GetRelname() == "pg_settings"
	case *pg_query.TransactionStmt:
		switch n.Kind {
		case pg_query.TransactionStmtKind_TRANS_STMT_BEGIN, pg_query.TransactionStmtKind_TRANS_STMT_START,
			pg_query.TransactionStmtKind_TRANS_STMT_SAVEPOINT, pg_query.TransactionStmtKind_TRANS_STMT_RELEASE:
			return false
		}
		return true
	case *pg_query.DiscardStmt, *pg_query.DoStmt, *pg_query.CallStmt, *pg_query.ExecuteStmt:
		return true
	}
	return false
}

func decidesReading(setting string) bool {
	return strings.EqualFold(setting, "standard_conforming_strings") || strings.EqualFold(setting, "client_encoding")
}
