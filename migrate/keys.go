package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
)

// key is the values of one old row's key columns, in their text form.
type key []string

// String is for messages, such as (42) or (7, abc).
func (k key) String() string { return "(" + strings.Join(k, ", ") + ")" }

// keySQL writes the pieces of SQL that are about the key of an old row.
type keySQL struct {
	columns []rewrite.KeyColumn
	// foreign tells for each column that its collation is not the database's
	// default. The guard of a sync compares keys under the default, and what is
	// filled must be in the same order.
	foreign []bool
}

// keyCollations: 0 is no collation, 100 is pg_catalog."default" in every database.
const keyCollations = `
SELECT coalesce(pg_catalog.bool_or(a.attcollation NOT IN (0, 100)), false)
FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY k(name, n)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = $1 AND a.attname = k.name GROUP BY k.n ORDER BY k.n`

func newKeySQL(ctx context.Context, q queryer, m *rewrite.Migration) (keySQL, error) {
	names := make([]string, len(m.Key))
	for i, k := range m.Key {
		names[i] = k.Name
	}
	rows, err := q.Query(ctx, keyCollations, m.Old.OID, names)
	if err == nil {
		var foreign []bool
		if foreign, err = pgx.CollectRows(rows, pgx.RowTo[bool]); err == nil {
			return keySQL{columns: m.Key, foreign: foreign}, nil
		}
	}
	return keySQL{}, fmt.Errorf("reading the collations of the key: %w", err)
}

// each joins f of every key column.
func (k keySQL) each(sep string, f func(i int, c rewrite.KeyColumn) string) string {
	parts := make([]string, len(k.columns))
	for i, c := range k.columns {
		parts[i] = f(i, c)
	}
	return strings.Join(parts, sep)
}

// array is the key of the row alias as text[].
func (k keySQL) array(alias string) string {
	return "ARRAY[" + k.each(", ", func(_ int, c rewrite.KeyColumn) string { return alias + "." + rewrite.Ident(c.Name) + "::text" }) + "]"
}

// order is the columns of the row alias as they are sorted.
func (k keySQL) order(alias string) string {
	return k.each(", ", func(i int, c rewrite.KeyColumn) string {
		column := alias + "." + rewrite.Ident(c.Name)
		if k.foreign[i] {
			column += ` COLLATE pg_catalog."default"`
		}
		return column
	})
}

// compare is "row op bound", where the text[] parameter $n holds the bound.
func (k keySQL) compare(alias, op string, n int) string {
	bound := k.each(", ", func(i int, c rewrite.KeyColumn) string { return fmt.Sprintf("(($%d::text[])[%d])::%s", n, i+1, c.Type) })
	return fmt.Sprintf("ROW(%s) %s ROW(%s)", k.order(alias), op, bound)
}

// among is the FROM and WHERE clauses for the rows of table, named alias, whose
// keys are in the parameters from $1 on, one text[] a column.
func (k keySQL) among(table, alias string) (from, where string) {
	if len(k.columns) == 1 {
		c := k.columns[0]
		return table + " " + alias, fmt.Sprintf("%s.%s = ANY ($1::text[]::%s[])", alias, rewrite.Ident(c.Name), c.Type)
	}
	values := k.each(", ", func(i int, c rewrite.KeyColumn) string {
		return fmt.Sprintf("pg_catalog.unnest($%d::text[]::%s[])", i+1, c.Type)
	})
	names := k.each(", ", func(i int, _ rewrite.KeyColumn) string { return fmt.Sprintf("k%d", i) })
	on := k.each(" AND ", func(i int, c rewrite.KeyColumn) string {
		return fmt.Sprintf("%s.%s = u.k%d", alias, rewrite.Ident(c.Name), i)
	})
	return fmt.Sprintf("ROWS FROM (%s) u(%s), %s %s", values, names, table, alias), on
}

// arguments turns keys into parameters: one text[] a column.
func (k keySQL) arguments(keys []key) []any {
	args := make([]any, len(k.columns))
	for i := range k.columns {
		values := make([]string, len(keys))
		for j := range keys {
			values[j] = keys[j][i]
		}
		args[i] = values
	}
	return args
}

// settings is a query that puts the keys in its parameters, one text[] a
// column, into the settings that a sync takes them from: array elements as
// Postgres prints them, each with a comma in front.
func (k keySQL) settings() string {
	return "SELECT " + k.each(", ", func(i int, c rewrite.KeyColumn) string {
		return fmt.Sprintf("pg_catalog.set_config(%s, pg_catalog.concat(',', pg_catalog.btrim($%d::text[]::text, '{}')), true)", rewrite.Literal(c.Setting), i+1)
	})
}
