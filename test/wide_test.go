package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A function has at most 100 arguments. What up reads may be more.
func TestUpReadsMoreColumnsThanAFunctionTakes(t *testing.T) {
	numbered := func(format, between string) string {
		all := make([]string, 101)
		for i := range all {
			all[i] = fmt.Sprintf(format, i)
		}
		return strings.Join(all, between)
	}
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, g.direct,
		"CREATE TABLE wide (id int PRIMARY KEY, "+numbered("c%d int DEFAULT 1", ", ")+")",
		"CREATE TABLE narrow (id bigserial PRIMARY KEY, wide int REFERENCES wide ON DELETE CASCADE, total int)")
	g.serve()
	g.use(`migrations:
  - name: wide
    phase: dualwrite
    kind: rows
    old: {table: public.wide, key: [id], columns: [` + numbered("c%d", ", ") + `]}
    new: {table: public.narrow, parent: {wide: id}}
    up: SELECT ` + numbered("old.c%d", " + ") + ` AS total
`)
	g.takes(t, pgtest.Connect(t, g.dsn),
		"INSERT INTO wide VALUES (1)",
		"INSERT INTO wide VALUES (1) ON CONFLICT (id) DO UPDATE SET c100 = 2",
		"UPDATE wide SET c0 = 3",
	)
}

// A key has at most 32 columns.
func TestKeysOfTenAndMoreColumns(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	key := "a, b, c, d, e, f, g, h, i, j, k"
	columns := strings.ReplaceAll(key, ",", " int,") + " int"
	pgtest.Exec(t, g.direct,
		"CREATE TABLE old ("+columns+", v int, PRIMARY KEY ("+key+"))",
		"CREATE TABLE fresh (id bigserial PRIMARY KEY, "+columns+", v int, FOREIGN KEY ("+key+") REFERENCES old ON DELETE CASCADE)",
		"INSERT INTO old VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)")
	g.serve()
	g.use(`migrations:
  - name: order-items
    phase: dualwrite
    kind: rows
    old: {table: public.old, key: [` + key + `], columns: [v]}
    new: {table: public.fresh, parent: {a: a, b: b, c: c, d: d, e: e, f: f, g: g, h: h, i: i, j: j, k: k}}
    up: SELECT old.v
    down: {v: SELECT max(v) FROM new}
`)
	g.backfilled()
	g.takes(t, pgtest.Connect(t, g.dsn),
		"INSERT INTO old SELECT a + 1, b, c, d, e, f, g, h, i, j, k, v FROM old",
		"UPDATE old SET v = v + 1",
		"UPDATE fresh SET v = 5",
		"COPY (DELETE FROM old RETURNING a) TO STDOUT",
	)
}
