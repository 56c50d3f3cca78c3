package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"
)

// spelled has the statements whose name in the parser is not their command.
var spelled = map[string]string{
	"Create": "CREATE TABLE", "CompositeType": "CREATE TYPE", "CreateTableAs": "CREATE TABLE AS", "View": "CREATE VIEW", "Rule": "CREATE RULE", "CreateTrig": "CREATE TRIGGER",
	"CreateSeq": "CREATE SEQUENCE", "RefreshMatView": "REFRESH MATERIALIZED VIEW", "AlterObjectSchema": "ALTER .. SET SCHEMA",
	"AlterOwner": "ALTER .. OWNER", "Rename": "ALTER .. RENAME", "AlterEnum": "ALTER TYPE", "CreatePolicy": "CREATE POLICY", "VariableSet": "SET", "Transaction": "the end of a transaction", "AlterPolicy": "ALTER POLICY",
}

// statementName is the command of a statement, for messages: what the parser
// calls it, in words.
func statementName(stmt *pg_query.Node) string {
	fields := stmt.ProtoReflect()
	set := fields.WhichOneof(fields.Descriptor().Oneofs().Get(0))
	if set == nil {
		return "the statement"
	}
	name := strings.TrimSuffix(string(set.Message().Name()), "Stmt")
	if command := spelled[name]; command != "" {
		return command
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
