package test

import (
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// lawGate has a table and a migration of kind columns with the given columns,
// up and, unless it is empty, down.
func lawGate(t *testing.T, columns, up, down string) *gate {
	t.Helper()
	g := newGateOver(t, "CREATE TYPE price AS (amount numeric, note text); CREATE TABLE t (id int PRIMARY KEY, "+columns+")")
	g.use(lawRules(up, down))
	return g
}

func lawRules(up, down string) string {
	rules := `migrations:
  - name: law
    phase: dualwrite
    kind: columns
    old: {table: public.t, key: [id], columns: [o]}
    new: {table: public.t, columns: [n]}
    up: {n: "` + up + `"}
`
	if down != "" {
		rules += `    down: {o: "` + down + `"}
`
	}
	return rules
}

// lawStep is a statement, and what the old and the new column are behind it.
type lawStep struct{ text, want string }

func (g *gate) obeys(t *testing.T, steps []lawStep) {
	t.Helper()
	g.shows(t, "o, n", steps)
}

// shows is obeys for other columns of t.
func (g *gate) shows(t *testing.T, columns string, steps []lawStep) {
	t.Helper()
	conn := pgtest.Connect(t, g.dsn)
	for _, c := range steps {
		do(t, conn, c.text)
		if got := pgtest.Value[string](t, g.direct, "SELECT concat_ws(' ', "+columns+") FROM t"); got != c.want {
			t.Errorf("behind %s the row is %s, want %s", c.text, got, c.want)
		}
		g.noDrift(t, c.text)
	}
}

// The bytes of an array or a composite value depend on how it came about: that
// is neither drift nor a contradiction, and the law holds all the same.
func TestBytesThatShowNothingAreTheSame(t *testing.T) {
	const long = "repeat('long ', 5000)" // it is compressed where it is stored
	literal := "'" + strings.Repeat("long ", 4000) + "'"
	for name, c := range map[string]struct {
		columns, up, down string
		texts             []string
		want              string // of n
	}{
		"a part that is compressed where it is stored": {
			"o text, n price", "ROW(1, old.o)::price", "(new.n).note",
			[]string{"INSERT INTO t (id, o) VALUES (1, " + literal + ")", "UPDATE t SET o = o, n = ROW(1, o)", "UPDATE t SET n = ROW(2, " + long + ")", "UPDATE t SET o = " + long},
			"2",
		},
		"the same without down": {
			"o text, n price", "ROW(1, old.o)::price", "",
			[]string{"INSERT INTO t (id, o) VALUES (1, " + literal + ")", "UPDATE t SET o = " + long, "UPDATE t SET o = o", "UPDATE t SET o = " + literal},
			"1",
		},
		"an array with room for nulls": {
			"o text[], n text[]", "old.o", "new.n[1:1]",
			[]string{"INSERT INTO t (id, n) VALUES (1, '{x,NULL}')", "UPDATE t SET o = '{x}'", "UPDATE t SET o = ARRAY['x']", "UPDATE t SET o = '{x}', n = n"},
			"{x,NULL}",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := lawGate(t, c.columns, c.up, c.down)
			conn := pgtest.Connect(t, g.dsn)
			for _, text := range c.texts {
				do(t, conn, text)
				g.noDrift(t, text[:min(len(text), 60)])
			}
			if got := pgtest.Value[bool](t, g.direct, "SELECT starts_with(ltrim(n::text, '('), $1) FROM t", c.want); !got {
				t.Errorf("the new shape is not %s any more", c.want)
			}
		})
	}
}

// What down yields may look different from what applications of the old shape
// write, though it is equal. Then the law does not excuse the new shape: it
// becomes what up says, once, and that is where it ends.
func TestDownOfOtherImageEnds(t *testing.T) {
	g := lawGate(t, "o numeric, n numeric", "old.o * 100", "new.n / 100")
	g.obeys(t, []lawStep{
		{"INSERT INTO t (id, o) VALUES (1, 1.5)", "1.5 150.0"},
		{"UPDATE t SET o = 1.5", "1.5 150.0"},
		{"UPDATE t SET n = 150", "1.5000000000000000 150"},
		{"UPDATE t SET o = o", "1.5000000000000000 150"}, // saved as it was read
		{"UPDATE t SET n = 150", "1.5000000000000000 150"},
		{"UPDATE t SET o = 1.50", "1.50 150.00"},
		{"UPDATE t SET o = (SELECT 1.5)", "1.5 150.0"},
		{"UPDATE t SET n = (SELECT 150)", "1.5000000000000000 150"},
		{"UPDATE t SET o = 2, n = 200", "2 200"},
	})
}

// A down that yields another type than the old column's is compared as it would
// be stored.
func TestDownOfAnotherTypeIsComparedAsStored(t *testing.T) {
	g := lawGate(t, "o int, n numeric", "old.o", "new.n")
	g.obeys(t, []lawStep{
		{"INSERT INTO t (id, n) VALUES (1, 1.4)", "1 1.4"},
		{"UPDATE t SET o = 1", "1 1.4"},
		{"UPDATE t SET o = (SELECT 1)", "1 1.4"},
		{"UPDATE t SET o = 2, n = 2.3", "2 2.3"},
		{"UPDATE t SET o = 3", "3 3"},
	})
}

// Kind rows: the law compares images as well.
func TestRowsOfOtherImageAreCarriedOver(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE t (id int PRIMARY KEY, items jsonb);
		CREATE TABLE items (id bigserial PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE, q numeric, seen text)`)
	g.use(`migrations:
  - name: items
    phase: dualwrite
    kind: rows
    old: {table: public.t, key: [id], columns: [items]}
    new: {table: public.items, parent: {t: id}}
    up: SELECT i.q FROM jsonb_to_recordset(old.items) AS i(q numeric)
    down: {items: "SELECT coalesce(jsonb_agg(jsonb_build_object('q', q) ORDER BY id), '[]') FROM new"}
`)
	if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, g.dsn)
	for _, text := range []string{
		"INSERT INTO t VALUES (1, '[]')",
		"INSERT INTO items (t, q) VALUES (1, 1)",
		`UPDATE t SET items = '[{"q":1.0}]'`,
		"UPDATE items SET q = 1.00",
		`INSERT INTO t VALUES (1, '[{"q":1}]'), (2, '[{"q":1.0}]') ON CONFLICT (id) DO UPDATE SET items = excluded.items`,
	} {
		do(t, conn, text)
		g.noDrift(t, text)
		got := pgtest.Value[string](t, g.direct, `SELECT coalesce(string_agg(q::text, ' ' ORDER BY id), '') FROM items`)
		want := pgtest.Value[string](t, g.direct, `SELECT coalesce(string_agg(i->>'q', ' ' ORDER BY id), '') FROM t, jsonb_array_elements(items) i`)
		if got != want {
			t.Errorf("behind %s the new rows are %s, want %s", text, got, want)
		}
	}
}

// Kind rows: a composite value of the new table may be compressed as a whole, or
// a part of it.
func TestRowsOfBytesThatShowNothingAreTheSame(t *testing.T) {
	g := newGateOver(t, `CREATE TYPE price AS (amount numeric, note text); CREATE TABLE t (id int PRIMARY KEY, o text);
		CREATE TABLE prices (id bigserial PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE, p price)`)
	g.use(`migrations:
  - name: prices
    phase: dualwrite
    kind: rows
    old: {table: public.t, key: [id], columns: [o]}
    new: {table: public.prices, parent: {t: id}}
    up: SELECT ROW(1, old.o)::price AS p
`)
	conn := pgtest.Connect(t, g.dsn)
	literal := "'" + strings.Repeat("long ", 4000) + "'"
	for _, text := range []string{"INSERT INTO t VALUES (1, " + literal + ")", "UPDATE t SET o = " + literal, "UPDATE t SET o = o", "UPDATE t SET o = o || 'x'"} {
		do(t, conn, text)
		g.noDrift(t, text[:min(len(text), 60)])
	}
}

// The law leaves what is there as it is, whatever type up and down yield beside it.
func TestTheLawLosesNothingOnTheWayThroughAnotherType(t *testing.T) {
	for name, c := range map[string]struct {
		columns, up, down string
		steps             []lawStep
	}{
		"digits": {"o float8, n numeric", "old.o", "new.n", []lawStep{
			{"INSERT INTO t (id, n) VALUES (1, 0.12345678901234567890123)", "0.12345678901234568 0.12345678901234567890123"},
			{"UPDATE t SET o = 0.12345678901234568", "0.12345678901234568 0.12345678901234567890123"},
		}},
		"digits of the old column": {"o numeric, n float8", "old.o", "new.n", []lawStep{
			{"INSERT INTO t (id, o) VALUES (1, 0.12345678901234567890123)", "0.12345678901234567890123 0.12345678901234568"},
			{"UPDATE t SET n = 0.12345678901234568", "0.12345678901234567890123 0.12345678901234568"},
		}},
		"a large number": {"o float8, n bigint", "old.o", "new.n", []lawStep{
			{"INSERT INTO t (id, n) VALUES (1, 9007199254740993)", "9.007199254740992e+15 9007199254740993"},
			{"UPDATE t SET o = 9007199254740992", "9.007199254740992e+15 9007199254740993"},
		}},
		"what has no type in common": {"o json, n jsonb", "old.o", "new.n", []lawStep{
			{"INSERT INTO t (id, o) VALUES (1, '[1]')", "[1] [1]"},
			{"UPDATE t SET n = '[1, 2]'", "[1, 2] [1, 2]"},
			{"UPDATE t SET o = '[3]'", "[3] [3]"},
		}},
		"text and a number": {"o char(3), n int", "old.o::int", "new.n", []lawStep{
			{"INSERT INTO t (id, o) VALUES (1, '12')", "12  12"},
			{"UPDATE t SET n = 13", "13  13"},
			{"UPDATE t SET o = '14'", "14  14"},
		}},
		"a number and text": {"o int, n varchar(3)", "old.o", "new.n::int", []lawStep{
			{"INSERT INTO t (id, o) VALUES (1, 12)", "12 12"},
			{"UPDATE t SET n = '013'", "13 013"},
			{"UPDATE t SET o = 13", "13 013"},
		}},
	} {
		t.Run(name, func(t *testing.T) { lawGate(t, c.columns, c.up, c.down).obeys(t, c.steps) })
	}
}

// What is written inline is what the row will be made of, not what it was.
func TestInlineKnowsWhatTheRowWillBe(t *testing.T) {
	for name, c := range map[string]struct {
		down  string
		steps []lawStep
	}{
		"a key that the sequence gives": {"", []lawStep{
			{"INSERT INTO t (id, o) OVERRIDING USER VALUE VALUES (9, 5)", "5 1005"},
			{"UPDATE t SET id = 2, o = 6", "6 2006"},
		}},
		"a key that moves": {"new.n % 1000", []lawStep{
			{"INSERT INTO t (id, o) VALUES (1, 2500)", "2500 3500"},
			{"UPDATE t SET id = 2, n = 3500", "500 3500"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := lawGate(t, "o int, n int", "old.id * 1000 + old.o", c.down)
			pgtest.Exec(t, g.direct, "ALTER TABLE t ALTER id ADD GENERATED BY DEFAULT AS IDENTITY")
			g.use(lawRules("old.id * 1000 + old.o", c.down))
			g.obeys(t, c.steps)
		})
	}
}

// Kind rows: an old column keeps its digits where its rows say nothing new.
func TestOldColumnKeepsDigitsThatDownCannotHold(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE t (id int PRIMARY KEY, o numeric);
		CREATE TABLE parts (id bigserial PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE, part float8, seen text)`)
	g.use(`migrations:
  - name: parts
    phase: dualwrite
    kind: rows
    old: {table: public.t, key: [id], columns: [o]}
    new: {table: public.parts, parent: {t: id}}
    up: SELECT old.o::float8 AS part
    down: {o: "SELECT sum(part) FROM new"}
`)
	if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "INSERT INTO t VALUES (1, 0.12345678901234567890123)")
	do(t, conn, "UPDATE parts SET part = part")
	if got := pgtest.Value[string](t, g.direct, "SELECT o::text FROM t"); got != "0.12345678901234567890123" {
		t.Errorf("the old column is %s", got)
	}
	g.noDrift(t, "all of it")
}

// Kind rows: down may say more than up reads.
func TestOldColumnThatDownSaysAndUpDoesNotRead(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE t (id int PRIMARY KEY, items jsonb, total numeric);
		CREATE TABLE items (id bigserial PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE, q numeric)`)
	g.use(`migrations:
  - name: items
    phase: dualwrite
    kind: rows
    old: {table: public.t, key: [id], columns: [items, total]}
    new: {table: public.items, parent: {t: id}}
    up: SELECT i.q FROM jsonb_to_recordset(old.items) AS i(q numeric)
    down:
      items: "SELECT coalesce(jsonb_agg(jsonb_build_object('q', trunc(q)) ORDER BY id), '[]') FROM new"
      total: "SELECT coalesce(sum(trunc(q)), 0) FROM new"
`)
	if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	g.shows(t, "total, (SELECT string_agg(q::text, ' ' ORDER BY id) FROM items)", []lawStep{
		{`INSERT INTO t VALUES (1, '[{"q":1}]', 7)`, "7 1"},
		{"INSERT INTO items (t, q) VALUES (1, 2.5)", "3 1 2.5"},
		{"UPDATE t SET items = items, total = total", "3 1 2.5"},
		{"UPDATE t SET total = 4", "4 1 2"},
	})
}
