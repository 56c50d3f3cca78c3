package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// statementName turns the parser's name of a statement (CreateTrigStmt) into
// words for a message (CREATE TRIG).
func statementName(stmt *pg_query.Node) string {
	name := "statement"
	fields := stmt.ProtoReflect()
	if set := fields.WhichOneof(fields.Descriptor().Oneofs().Get(0)); set != nil {
		name = strings.TrimSuffix(strings.TrimSuffix(string(set.Message().Name()), "Stmt"), "Statement")
	}
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}
