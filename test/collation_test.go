package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// What up says may hang on the collation of a column, which a constant in its
// place does not have, nor an argument of a function beside others.
func TestCollationsOfWhatUpAndDownRead(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	g.needsICU(t)
	pgtest.Exec(t, g.direct, `
		CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE people (id int PRIMARY KEY, name text COLLATE anycase DEFAULT 'BOB', other text, bob boolean, kind text COLLATE anycase);
		CREATE TABLE lines (name text COLLATE anycase PRIMARY KEY, words text[]);
		CREATE TABLE words (id bigserial PRIMARY KEY, line text COLLATE anycase REFERENCES lines ON DELETE CASCADE, word text)`)
	g.serve()
	g.use(`migrations:
  - name: people
    phase: dualwrite
    kind: columns
    old: {table: public.people, key: [id], columns: [name]}
    new: {table: public.people, columns: [bob]}
    up: {bob: "old.name = 'bob'"}
  - name: others
    phase: dualwrite
    kind: columns
    old: {table: public.people, key: [id], columns: [other]}
    new: {table: public.people, columns: [kind]}
    up: {kind: "old.other"}
    down: {other: "CASE WHEN new.kind = 'none' THEN '' ELSE new.kind END"}
  - name: lines
    phase: dualwrite
    kind: rows
    old: {table: public.lines, key: [name], columns: [words]}
    new: {table: public.words, parent: {line: name}}
    up: SELECT w AS word FROM unnest(old.words) AS w WHERE w <> 'bob'
`)
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn,
		"INSERT INTO people (id, name) VALUES (1, 'BOB'), (2, 'al')",
		"INSERT INTO people (id) VALUES (3)",
		"UPDATE people SET name = 'Bob' WHERE id = 2",
		"UPDATE people SET name = 'AL'",
		"UPDATE people SET kind = 'NONE'",
		"INSERT INTO people (id, kind) VALUES (4, 'None')",
		"INSERT INTO lines VALUES ('a', '{b,BOB,bob,a}'), ('B', '{Bob}')",
		"UPDATE lines SET words = words || '{BOB,c}'",
		"UPDATE lines SET words = '{BOB}'",
		"INSERT INTO lines VALUES ('A', '{BOB,b}') ON CONFLICT (name) DO UPDATE SET words = excluded.words",
	)
}
