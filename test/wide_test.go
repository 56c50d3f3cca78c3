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
