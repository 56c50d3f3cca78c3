package test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
)

// imageTypes are types of which two equal values may look different.
const imageTypes = `
CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN amount AS numeric;
CREATE DOMAIN word AS text COLLATE ci;
CREATE TYPE price AS (amount numeric, note text);`

// images are, for each type, two values that it takes for equal. The column of
// the new shape has the same type unless it says otherwise.
var images = []struct{ name, old, new, one, two string }{
	{"numeric", "numeric", "", "1", "1.0"},
	{"numeric_scaled", "numeric", "numeric(10,3)", "1", "1.0000"},
	{"varchar", "varchar(4) COLLATE ci", "varchar(4) COLLATE ci", "Bob", "BOB"},
	{"interval", "interval", "", "24:00", "1 day"},
	{"jsonb", "jsonb", "", `{"a":1}`, `{"a":1.0}`},
	{"json", "json", "", `{"a":1}`, `{"a": 1}`}, // it has no equality at all
	{"float", "float8", "", "0", "-0"},
	{"text", "text COLLATE ci", "", "Bob", "BOB"},
	{"text_made_plain", "text COLLATE ci", "text", "Bob", "BOB"},
	{"text_of_two_collations", `text COLLATE ci`, `text COLLATE "C"`, "Bob", "BOB"},
	{"domain", "amount", "", "1", "1.0"},
	{"word", "word", "", "Bob", "BOB"},
	{"padded", "bpchar", "", "a", "a  "},
	{"array", "numeric[]", "", "{1,NULL}", "{1.0,NULL}"},
	{"words", "text[] COLLATE ci", "", "{a}", "{A}"},
	{"composite", "price", "", "(1,x)", "(1.0,x)"},
	{"range", "numrange", "", "[1,2)", "[1.0,2)"},
}

// imageGate has a table and a migration for each of images: what is written to
// the one column is in the other.
func imageGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{t: t, direct: pgtest.Database(t)}
	g.needsICU(t)
	pgtest.Exec(t, g.direct, imageTypes)
	rules := "migrations:\n"
	for _, c := range images {
		if c.new == "" {
			c.new = c.old
		}
		pgtest.Exec(t, g.direct, fmt.Sprintf("CREATE TABLE i_%s (id int PRIMARY KEY, o %s, n %s)", c.name, c.old, c.new))
		rules += fmt.Sprintf(`  - name: m%[2]s
    phase: dualwrite
    kind: columns
    old: {table: public.i_%[1]s, key: [id], columns: [o]}
    new: {table: public.i_%[1]s, columns: [n]}
    up: {n: old.o}
    down: {o: new.n}
`, c.name, dashed(c.name))
	}
	g.serve()
	g.use(rules)
	return g
}

func dashed(name string) string {
	out := []byte(name)
	for i, c := range out {
		if c == '_' {
			out[i] = '-'
		}
	}
	return string(out)
}

// An equal value is not the same value: after the cutover the application would
// see another one.
func TestEqualValuesOfOtherImageAreCarriedOver(t *testing.T) {
	t.Parallel()
	g := imageGate(t)
	simple, extended := g.connect(pgx.QueryExecModeSimpleProtocol), g.connect(pgx.QueryExecModeExec)
	for _, c := range images {
		t.Run(c.name, func(t *testing.T) {
			// %[1]s is the table, %[2]s and %[3]s the two values.
			for i, text := range []string{
				"INSERT INTO %[1]s (id, o) VALUES (1, %[2]s), (2, NULL)",
				"UPDATE %[1]s SET o = %[3]s WHERE id = 1",
				"UPDATE %[1]s SET o = (SELECT x.o FROM %[1]s x WHERE x.id = 1)",
				"UPDATE %[1]s SET n = %[2]s WHERE id = 1",
				"UPDATE %[1]s SET o = q.o FROM (SELECT o FROM %[1]s WHERE id = 2) q WHERE %[1]s.id = 1",
				"UPDATE %[1]s SET n = %[3]s",
				"WITH w AS (UPDATE %[1]s SET o = %[2]s WHERE id = 1) UPDATE %[1]s SET o = NULL WHERE id = 2",
				"INSERT INTO %[1]s (id, o) VALUES (1, %[3]s), (2, %[2]s) ON CONFLICT (id) DO UPDATE SET o = excluded.o",
				"INSERT INTO %[1]s (id, n) VALUES (1, %[2]s), (3, %[3]s) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
				"UPDATE %[1]s SET n = (SELECT x.n FROM %[1]s x WHERE x.id = 3)",
				"UPDATE %[1]s SET o = %[2]s, n = %[2]s",
			} {
				text = fmt.Sprintf(text, "i_"+c.name, "'"+c.one+"'", "'"+c.two+"'")
				do(t, []*pgx.Conn{simple, extended}[i%2], text)
				g.sameText(t, c.name, text)
			}
			do(t, extended, "UPDATE i_"+c.name+" SET o = $1", c.two)
			g.sameText(t, c.name, "a parameter")
			do(t, extended, "UPDATE i_"+c.name+" SET n = $1", c.one)
			g.sameText(t, c.name, "a parameter for the new column")
		})
	}
	g.noDrift(t, "all of it")
}

// sameText compares what Postgres shows of both shapes, by no means of pgjanus.
func (g *gate) sameText(t *testing.T, name, when string) {
	t.Helper()
	if name == "numeric_scaled" { // what it shows of the two is different
		return
	}
	got := pgtest.Value[string](t, g.direct, fmt.Sprintf(
		"SELECT coalesce(string_agg(ROW(o)::text || ' and ' || ROW(n)::text, ', '), '') FROM i_%s WHERE ROW(o)::text <> ROW(n)::text", name))
	if got != "" {
		t.Errorf("behind %s the shapes are %s", when, got)
	}
}

// Text is written in another case by an expression, which the collation ignores.
func TestCaseThatTheCollationIgnoresIsCarriedOver(t *testing.T) {
	g := imageGate(t)
	conn := pgtest.Connect(t, g.dsn)
	for _, name := range []string{"text", "text_made_plain", "text_of_two_collations", "word"} {
		for _, text := range []string{
			"INSERT INTO %s (id, o) VALUES (1, 'bob')", "UPDATE %s SET o = upper(o)", "UPDATE %s SET n = lower(n)",
			"UPDATE %s SET o = initcap(o) WHERE o = 'BOB' COLLATE ci",
		} {
			text = fmt.Sprintf(text, "i_"+name)
			do(t, conn, text)
			g.sameText(t, name, text)
		}
	}
	g.noDrift(t, "all of it")
}

// What was written past pgjanus is found and repaired.
func TestVerifyFindsEqualValuesOfOtherImage(t *testing.T) {
	g := imageGate(t)
	ctx := context.Background()
	for _, c := range images {
		if c.name == "numeric_scaled" {
			continue // the one column normalises what the other holds
		}
		t.Run(c.name, func(t *testing.T) {
			pgtest.Exec(t, g.direct, fmt.Sprintf("INSERT INTO i_%s (id, o, n) VALUES (1, '%s', '%s'), (2, '%[2]s', '%[2]s'), (3, NULL, NULL)", c.name, c.one, c.two))
			if got := g.drift(t, c.name); got != 1 {
				t.Errorf("verify finds %d keys with drift, want 1", got)
			}
			conn := pgtest.Connect(t, g.direct)
			_, err := migrate.Backfill(ctx, conn, migrate.BackfillOptions{Planner: g.planner, Migration: "m" + dashed(c.name)})
			_ = conn.Close(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := g.drift(t, c.name); got != 0 {
				t.Errorf("behind a backfill verify finds %d keys with drift", got)
			}
			g.sameText(t, c.name, "a backfill")
		})
	}
}

func (g *gate) drift(t *testing.T, name string) int64 {
	t.Helper()
	conn := pgtest.Connect(t, g.direct)
	defer conn.Close(context.Background())
	result, err := migrate.Verify(context.Background(), conn, migrate.VerifyOptions{Planner: g.planner, Migration: "m" + dashed(name)})
	if err != nil {
		t.Fatal(err)
	}
	return result.Drift
}

// Who writes both shapes must write what looks alike.
func TestEqualValuesOfOtherImageContradictEachOther(t *testing.T) {
	g := imageGate(t)
	conn := pgtest.Connect(t, g.dsn)
	for _, c := range images {
		if c.name == "numeric_scaled" {
			continue
		}
		do(t, conn, fmt.Sprintf("INSERT INTO i_%s (id, o) VALUES (1, '%s')", c.name, c.one))
		_, err := conn.Exec(context.Background(), fmt.Sprintf("UPDATE i_%s SET o = '%s', n = '%s'", c.name, c.one, c.two))
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "23000" {
			t.Errorf("%s: %v, want 23000", c.name, err)
		}
	}
	g.noDrift(t, "all of it")
}

// An = of the user's own, which search_path puts ahead of the built-in one, does not
// decide about what is the same.
func TestAnEqualityOfTheUsersOwn(t *testing.T) {
	g := newGate(t, 3)
	pgtest.Exec(t, g.direct, `CREATE SCHEMA own; CREATE TYPE mood AS ENUM ('sad', 'SAD'); CREATE TABLE moods (id int PRIMARY KEY, n int, m mood, n2 bigint, m2 text)`)
	for _, typ := range []string{"int", "mood"} {
		pgtest.Exec(t, g.direct, fmt.Sprintf("CREATE FUNCTION own.alike(%[1]s, %[1]s) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true'; CREATE OPERATOR own.= (LEFTARG = %[1]s, RIGHTARG = %[1]s, FUNCTION = own.alike)", typ))
	}
	g.use(`migrations:
  - {name: n, phase: dualwrite, kind: columns, old: {table: public.moods, key: [id], columns: [n]}, new: {table: public.moods, columns: [n2]}, up: {n2: "old.n::bigint"}, down: {n: "new.n2::int"}}
  - {name: m, phase: dualwrite, kind: columns, old: {table: public.moods, key: [id], columns: [m]}, new: {table: public.moods, columns: [m2]}, up: {m2: "old.m::text"}, down: {m: "new.m2::public.mood"}}`)
	g.takes(t, g.connect(pgx.QueryExecModeSimpleProtocol), "INSERT INTO moods (id, n, m) VALUES (1, 1, 'sad')", "SET search_path = own, public, pg_catalog",
		"UPDATE moods SET n = 2, m = 'SAD'", "UPDATE moods SET n = n + 1, m = lower(m::text)::mood", "UPDATE moods SET n2 = 4, m2 = 'SAD'", "UPDATE moods SET n2 = n2 + 1, m2 = lower(m2)",
		"INSERT INTO moods (id, n, m) VALUES (2, 1, 'sad')", "INSERT INTO moods (id, n2, m2) VALUES (3, 1, 'sad')")
}
