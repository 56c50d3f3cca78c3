package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// up may take an element of an old column, which the statement gives as a value.
func TestUpWithASubscript(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE t (id int PRIMARY KEY, tags text[] DEFAULT '{d,e}', first text, top text[])`)
	g.use(`migrations:
  - name: tags
    phase: dualwrite
    kind: columns
    old: {table: public.t, key: [id], columns: [tags]}
    new: {table: public.t, columns: [first, top]}
    up: {first: "old.tags[1]::text", top: "old.tags[1:2]"}
`)
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn,
		"INSERT INTO t (id, tags) VALUES (1, '{a,b,c}'), (2, DEFAULT)",
		"UPDATE t SET tags = '{x,y,z}' WHERE id = 1",
		"UPDATE t SET tags = tags || 'w'::text",
	)
}
