package rewrite

import (
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Ident quotes an identifier for SQL.
func Ident(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// Literal quotes a string for SQL, whatever standard_conforming_strings says.
func Literal(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

// portable rewrites what Postgres has printed under standard_conforming_strings,
// on, so that it means the same where that is off: in the application's session,
// in which it becomes part of a statement or the text of a function.
func portable(printed string) (string, error) {
	if !strings.Contains(printed, `\`) {
		return printed, nil
	}
	tokens, err := scan(printed)
	if err != nil {
		return "", err
	}
	var es edits
	for _, t := range tokens {
		literal := printed[t.start:t.end]
		if t.kind == pg_query.Token_SCONST && literal[0] == '\'' && strings.Contains(literal, `\`) {
			es.replace(t.start, len(literal), " E"+strings.ReplaceAll(literal, `\`, `\\`))
		}
	}
	return es.apply(printed, 0, len(printed)), nil
}

// QName quotes a schema-qualified table name for SQL.
func QName(t rules.Table) string { return Ident(t.Schema) + "." + Ident(t.Name) }

// list joins the results of f over items with commas.
func list[T any](items []T, f func(i int, item T) string) string {
	parts := make([]string, len(items))
	for i, item := range items {
		parts[i] = f(i, item)
	}
	return strings.Join(parts, ", ")
}

func catalogName(t rules.Table) catalog.Name {
	return catalog.Name{Schema: t.Schema, Name: t.Name}
}
