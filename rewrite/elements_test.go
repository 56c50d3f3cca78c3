package rewrite_test

import (
	"fmt"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
)

// What an elementwise query is replaced by gives as many rows, in their order:
// in Postgres, with the queries as Postgres itself prints them.
func TestElementwiseQueries(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Exec(t, dsn, `CREATE TYPE pair AS (a int, "B" text)`)
	const items = `'[{"sku": "z", "N": 1}, {"sku": "a", "N": null}, {"sku": "a", "N": 1}]'`
	for _, c := range []struct {
		query             string
		counted, numbered bool
	}{
		{`SELECT i.sku, i."N" FROM jsonb_to_recordset(` + items + `) AS i(sku text, "N" numeric(4,1))`, true, true},
		{`SELECT i."N" + 1 AS m FROM json_to_recordset(` + items + `) i("N" int)`, true, true},
		{`SELECT e ->> 'sku' AS sku FROM jsonb_array_elements(` + items + `) e`, true, true},
		{`SELECT "E x" FROM json_array_elements_text('[1, "b"]') "E x"`, true, true},
		{`SELECT 1 AS one FROM jsonb_array_elements_text('["c", "b"]') AS f(v)`, true, true},
		{`SELECT i::text AS whole FROM jsonb_to_recordset(` + items + `) AS i(sku text, "N" int)`, true, false},
		{`SELECT i IS NULL AS none FROM jsonb_to_recordset('[{}, {"sku": "a"}]') AS i(sku text)`, true, false},
		{`SELECT v FROM unnest('{c,b,NULL}'::text[]) v`, true, false},
		{`SELECT p.a, p."B" FROM unnest(ARRAY[(1, 'x')::pair, (0, 'y')::pair]) p`, true, false},
		{`SELECT v FROM unnest(string_to_array('a,b', ',')) v`, true, false},
		{`SELECT v.lexeme FROM unnest('a b'::tsvector) v`, false, false},
		{`SELECT v, n FROM jsonb_array_elements_text('["c", "b"]') WITH ORDINALITY AS f(v, n)`, true, false},
		{`SELECT v FROM jsonb_array_elements_text('["c", "b"]') AS f(v) ORDER BY v`, true, false},
		{`SELECT v FROM jsonb_array_elements_text('["c", "b"]') AS f(v) WHERE v > 'b'`, false, false},
		{`SELECT v FROM jsonb_array_elements_text('["c", "b"]') AS f(v) LIMIT 1`, false, false},
		{`SELECT max(v) AS v FROM jsonb_array_elements_text('["c", "b"]') AS f(v)`, false, false},
		{`SELECT generate_series(1, 2) AS n FROM jsonb_array_elements_text('["c", "b"]') AS f(v)`, false, false},
		{`SELECT f.v FROM jsonb_array_elements_text('["c", "b"]') AS f(v), generate_series(1, 2)`, false, false},
	} {
		pgtest.Exec(t, dsn, "DROP VIEW IF EXISTS printed", "CREATE VIEW printed AS "+c.query)
		printed := pgtest.Value[string](t, dsn, "SELECT rtrim(pg_get_viewdef('printed'::regclass, true), ';')")
		count, numbered := rewrite.Elements(printed)
		if (count != "") != c.counted || (numbered != "") != c.numbered {
			t.Errorf("%s\ncounted by %q, numbered by %q", printed, count, numbered)
			continue
		}
		if count != "" {
			want, got := pgtest.Value[int](t, dsn, "SELECT count(*)::int FROM ("+printed+") q"), pgtest.Value[int](t, dsn, "SELECT "+count)
			if want != got {
				t.Errorf("%s\nhas %d rows, %s is %d", printed, want, count, got)
			}
		}
		if numbered == "" {
			continue
		}
		rows := func(query string) string {
			return pgtest.Value[string](t, dsn, fmt.Sprintf("SELECT coalesce(string_agg(q::text, ' '), '') FROM (%s) q", query))
		}
		if want, got := rows("SELECT q.*, row_number() OVER () AS n FROM ("+printed+") q"), rows(numbered); want != got {
			t.Errorf("%s\ngives  %s\n%s\ngives %s", printed, want, numbered, got)
		}
	}
}
