package rewrite

import (
	"strings"

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
