package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// What pgjanus adds to a statement, and its functions, mean the same in a session
// in which a backslash in a plain string is an escape.
func TestBackslashesInUpInASessionThatEscapesWithThem(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, g.direct, `
		CREATE TABLE codes (id int PRIMARY KEY, code text DEFAULT 'a\nb', kind text);
		CREATE TABLE lines (id int PRIMARY KEY, words text);
		CREATE TABLE words (id bigserial PRIMARY KEY, line int REFERENCES lines ON DELETE CASCADE, word text)`)
	g.serve()
	g.use(`migrations:
  - name: codes
    phase: dualwrite
    kind: columns
    old: {table: public.codes, key: [id], columns: [code]}
    new: {table: public.codes, columns: [kind]}
    up: {kind: "CASE WHEN old.code ~ '^\\d+$' THEN 'number' ELSE 'not \\n, as ' || old.code END"}
  - name: lines
    phase: dualwrite
    kind: rows
    old: {table: public.lines, key: [id], columns: [words]}
    new: {table: public.words, parent: {line: id}}
    up: SELECT w AS word FROM regexp_split_to_table(old.words, '\s') AS w
`)
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "SET standard_conforming_strings = off")
	for _, text := range []string{
		"INSERT INTO codes (id, code) VALUES (1, '12'), (2, 'a'), (3, DEFAULT)",
		"INSERT INTO codes (id) VALUES (4)",
		"INSERT INTO codes VALUES (5, '15')",
		"UPDATE codes SET code = '7' WHERE id = 2",
		"UPDATE codes SET code = code || '7'",
		"INSERT INTO lines VALUES (1, 'as is'), (2, 'this')",
		"UPDATE lines SET words = 'as it was'",
		"UPDATE lines SET words = '' WHERE id = 1",
	} {
		do(t, conn, text)
		g.noDrift(t, text)
	}
}
