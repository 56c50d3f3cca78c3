package rewrite

import (
	"errors"

	pg_query "github.com/pganalyze/pg_query_go/v5"
	"github.com/pganalyze/pg_query_go/v5/parser"
)

// kindOf names the kind of a statement, from a closed set.
func kindOf(stmt *pg_query.Node) string {
	switch stmt.GetNode().(type) {
	case *pg_query.Node_SelectStmt:
		return "SELECT"
	case *pg_query.Node_InsertStmt:
		return "INSERT"
	case *pg_query.Node_UpdateStmt:
		return "UPDATE"
	case *pg_query.Node_DeleteStmt:
		return "DELETE"
	case *pg_query.Node_MergeStmt:
		return "MERGE"
	case *pg_query.Node_TruncateStmt:
		return "TRUNCATE"
	case *pg_query.Node_CopyStmt:
		return "COPY"
	case *pg_query.Node_ExplainStmt:
		return "EXPLAIN"
	case *pg_query.Node_PrepareStmt:
		return "PREPARE"
	case *pg_query.Node_ExecuteStmt:
		return "EXECUTE"
	case *pg_query.Node_DoStmt:
		return "DO"
	case *pg_query.Node_DeallocateStmt, *pg_query.Node_DiscardStmt, *pg_query.Node_TransactionStmt, *pg_query.Node_VariableSetStmt, *pg_query.Node_VariableShowStmt:
		return "other"
	}
	return "DDL"
}

// parseErrorOffset returns the byte offset of a parser's error in text, or -1.
// The parser counts characters, from 1.
func parseErrorOffset(text string, err error) int {
	var perr *parser.Error
	if !errors.As(err, &perr) || perr.Cursorpos <= 0 {
		return -1
	}
	chars := 1
	for offset := range text {
		if chars == perr.Cursorpos {
			return offset
		}
		chars++
	}
	return len(text)
}
