package test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// In SQL a quote inside a name is written twice: a text that names the table so is
// not passed on as if it named none of ours.
func TestNamesWithQuotesAreNotOverlooked(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE "a""b" (id int PRIMARY KEY, o int, n int)`, `CREATE VIEW """v" AS SELECT * FROM "a""b"`)
	g.use(`migrations:
  - name: m
    phase: dualwrite
    kind: columns
    old: {table: 'public."a""b"', key: [id], columns: [o]}
    new: {table: 'public."a""b"', columns: [n]}
    up: {n: old.o}
`)
	conn := g.connect(pgx.QueryExecModeSimpleProtocol)
	g.takes(t, conn,
		`INSERT INTO "a""b" (id, o) VALUES (1, 2)`,
		`UPDATE public."a""b" SET o = o + 1`,
		`INSERT INTO U&"a\0022b" (id, o) VALUES (2, 2)`,
		`INSERT INTO """v" (id, o) VALUES (3, 2)`,
	)
	g.refuses(t, conn, []string{"0A000"}, `DO $$ BEGIN EXECUTE format('UPDATE %I SET o = 5', 'a"b'); END $$`, `DO 'BEGIN UPDATE "a""b" SET o = 5; END'`)
}
