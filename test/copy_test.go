package test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// ask is a COPY FROM STDIN with its data.
type ask struct{ text, data string }

// copies are COPY FROM STDIN in all of its forms. A version of Postgres that does
// not know an option says so, with pgjanus and without.
var copies = []ask{
	{"COPY orders (items) FROM STDIN", "[{\"sku\":\"a\"}]\n[]\n"},
	{"COPY orders FROM STDIN", "501\tc\t1\t[{\"sku\":\"a\"}, {\"sku\":\"b\"}]\t\\N\t2026-01-01 00:00Z\n"},
	{"COPY public . orders (id,items) FROM stdin", "502\t[{\"sku\":\"a\"}]\n503\t[]\n"},
	{"COPY orders (id, items) FROM STDIN WITH (FORMAT csv, HEADER)", "id,items\n504,\"[{\"\"sku\"\":\"\"a\"\"}]\"\n505,[]\n"},
	{"COPY orders (id, items) FROM STDIN (FORMAT csv, HEADER match)", "id,items\n506,\"[{\"\"sku\"\":\"\"a\"\"}]\"\n"},
	{"COPY orders (id, items) FROM STDIN (FORMAT csv, HEADER match)", "id,nothing\n506,[]\n"},
	{"COPY users FROM STDIN (FORMAT csv, HEADER match)", "id,email,is_active\n507,a,f\n"},
	{"COPY users FROM STDIN CSV", "508,a,f\n509,b,t\n"},
	{"COPY users FROM STDIN", "510\ta\tf\tpaused\n"},
	{"COPY users (email, is_active) FROM STDIN WHERE id % 2 = 0 -- even ones", "a\tf\nb\tf\nc\tf\nd\tt\n"},
	{"COPY users (email, is_active) FROM STDIN WHERE email <> 'b' AND is_active IS NOT NULL OR email IS NULL", "a\tf\nb\tf\n\\N\tf\n"},
	{"COPY users (email) FROM STDIN WHERE random() < 0", "a\n"},
	{"COPY users (id, is_active) FROM STDIN (DEFAULT '\\D')", "\\D\tf\n511\t\\D\n"},
	{"COPY users (id, is_active) FROM STDIN (ON_ERROR ignore)", "512\tf\n513\tmaybe\nx\tf\n514\tf\n"},
	{"COPY users (id, is_active) FROM STDIN (ON_ERROR ignore, REJECT_LIMIT 1)", "515\tf\n516\tmaybe\nx\tf\n517\tf\n"},
	{"COPY counters FROM STDIN USING DELIMITERS '|'", "601|2|x\n602|3|y\n"},
	{"COPY counters (n) FROM STDIN", "1\n2\n3\n"},
	{"COPY counters (n) FROM STDIN", ""},
	{"COPY counters FROM STDIN; COPY users (id, is_active) FROM STDIN; SELECT 1; UPDATE users SET is_active = false WHERE id = 701", "701\t0\t1\n"},
	// those that fail
	{"COPY orders (id, items) FROM STDIN", "801\t[]\n802\t{\n"},
	{"COPY orders (id, items) FROM STDIN", "801\t[]\n1\t[]\n803\t[]\n"},
	{"COPY orders (id, items) FROM STDIN WHERE random() < 2", "801\t[]\n1\t[]\n803\t[]\n"},
	{"COPY orders (items) FROM STDIN", "[]\n\\N\n"},
	{"COPY orders (items) FROM STDIN (FORMAT csv)", "[]\n\"[]\n"},
	{"COPY orders (items) FROM STDIN (FORMAT binary)", "this is not binary"},
	{"COPY users (id, is_active) FROM STDIN", "801\tt\t1\n"},
	{"COPY users FROM STDIN", "801\n"},
	{"COPY orders (id, nothing) FROM STDIN", "1\n"},
	{"COPY orders (id, id) FROM STDIN", "1\n"},
	{"COPY orders FROM STDIN (FORMAT nothing)", "1\n"},
	{"COPY orders FROM STDIN WHERE 'ü' = nothing", "1\n"},
	{"COPY orders FROM STDIN WHERE id > (SELECT 1)", "1\n"},
	{"COPY orders (items) FROM STDIN (FREEZE)", "[]\n"},
	{"COPY orders (items) FROM '/nothing/there'", ""},
}

// What pgjanus says of COPY FROM is what Postgres says, by Query and by Execute,
// in a transaction and outside; the old tables are the same, and both shapes agree.
func TestCopyIntoAMigratingTable(t *testing.T) {
	t.Parallel()
	p := newPair(t, 4)
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	both := func(what, data string, extended bool, messages ...pgproto3.FrontendMessage) {
		t.Helper()
		for _, w := range []*wire{plain, through} {
			w.copy, w.copySync = []byte(data), extended
		}
		for len(messages) > 0 {
			n := len(messages)
			if !extended {
				n = 1
			}
			if d := differs(plain.say(messages[:n]...), through.say(messages[:n]...)); d != "" {
				t.Errorf("%s: %s", what, d)
			}
			messages = messages[n:]
		}
	}
	query := func(text string) pgproto3.FrontendMessage { return &pgproto3.Query{String: text} }
	for _, c := range copies {
		both("simple: "+c.text, c.data, false, query(c.text))
		both("begin", "", false, query("BEGIN"), query("DELETE FROM orders WHERE id > 100"), query("DELETE FROM users WHERE id > 100"), query("DELETE FROM counters WHERE id > 100"), query("SAVEPOINT a"))
		both("in a transaction: "+c.text, c.data, false, query(c.text), query("SAVEPOINT b"), query("ROLLBACK TO a"), query(c.text), query("COMMIT"))
		p.same(t, c.text)
		if strings.Contains(c.text, ";") || strings.Contains(c.text, "FREEZE") { // which fails so that both Syncs are answered
			continue
		}
		both("delete", "", false, query("DELETE FROM orders WHERE id > 100"), query("DELETE FROM users WHERE id > 100"), query("DELETE FROM counters WHERE id > 100"))
		both("extended: "+c.text, c.data, true, &pgproto3.Parse{Query: c.text}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
		p.same(t, c.text)
		both("delete", "", false, query("DELETE FROM orders WHERE id > 100"), query("DELETE FROM users WHERE id > 100"), query("DELETE FROM counters WHERE id > 100"))
	}
	both("FREEZE", "1\t[{\"sku\":\"f\"}]\n", false, query("BEGIN"), query("TRUNCATE orders"), query("COPY orders (id, items) FROM STDIN (FREEZE)"), query("COMMIT"))
	p.same(t, "FREEZE")
}

// same compares the old tables, and both shapes.
func (p *pair) same(t *testing.T, when string) {
	t.Helper()
	const all = `SELECT concat_ws(E'\n',
		(SELECT string_agg(ROW (id, customer, total_cents, items, note)::text, E'\n' ORDER BY id) FROM orders),
		(SELECT string_agg(ROW (id, email, is_active)::text, E'\n' ORDER BY id) FROM users),
		(SELECT string_agg(ROW (id, n, name)::text, E'\n' ORDER BY id) FROM counters))`
	if a, b := pgtest.Value[string](t, p.plain, all), pgtest.Value[string](t, p.gate.direct, all); a != b {
		t.Errorf("%s: the old tables differ:\n%s\n---\n%s", when, a, b)
	}
	pgtest.Agree(t, p.gate.direct)
	if t.Failed() {
		t.FailNow()
	}
}

func TestCopyInBinary(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	conn := g.connect(pgx.QueryExecModeExec)
	rows := [][]any{{int64(1), "[]"}, {int64(2), `[{"sku":"a"},{"sku":"b"}]`}}
	n, err := conn.CopyFrom(context.Background(), pgx.Identifier{"orders"}, []string{"id", "items"}, pgx.CopyFromRows(rows))
	if err != nil || n != 2 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM order_items"); n != 2 {
		t.Errorf("%d new rows, want 2", n)
	}
	pgtest.Agree(t, g.direct)
}

// Migrations that share a table record their keys side by side, down carries
// back what COPY writes of the new shape, and what contradicts itself fails.
func TestCopyOfBothGenerations(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "ALTER TABLE users ADD COLUMN wide text")
	g.use(pgtest.CanonRules("dualwrite") + `
  - name: user-wide
    phase: dualwrite
    kind: columns
    old: {table: public.users, key: [id], columns: [email]}
    new: {table: public.users, columns: [wide]}
    up: {wide: "old.email || '!'"}
`)
	conn := g.connect(pgx.QueryExecModeExec).PgConn()
	for _, c := range []struct{ text, data, want string }{
		{"COPY users (id, email, is_active) FROM STDIN", "1\ta\tf\n", "f disabled a!"},
		{"COPY users (id, email, status) FROM STDIN", "2\tb\tpaused\n", "f paused b!"},
		{"COPY users (id, status, is_active) FROM STDIN", "3\tpaused\tf\n", "f paused"},
		{"COPY users (id, status, is_active) FROM STDIN", "4\tpaused\tt\n", "23000"},
		{"COPY users (id, wide) FROM STDIN", "5\tb!\n", "0A000"},
		{"COPY users FROM STDIN WHERE is_active", "6\tc\tf\n7\td\tt\n", ""},
		{"COPY users FROM STDIN", "8\tc\tt\n", "t active c!"},
	} {
		_, err := conn.CopyFrom(context.Background(), strings.NewReader(c.data), c.text)
		got := pgtest.Value[string](t, g.direct, "SELECT coalesce((SELECT concat_ws(' ', is_active, status, wide) FROM users WHERE id = $1::text::int), '')", c.data[:1])
		if err != nil && strings.Contains(err.Error(), "SQLSTATE "+c.want) {
			got = c.want
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.text, got, err, c.want)
		}
		pgtest.Agree(t, g.direct)
	}
}

// A BEFORE trigger may change the key; an AFTER trigger may write the row again.
func TestCopyAndTriggersOfTheUser(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			UPDATE orders SET items = items || '[{"sku": "again"}]' WHERE id = NEW.id AND note IS NULL; RETURN NULL; END $$`,
		"CREATE TRIGGER again AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION again()",
		`CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.id := NEW.id + 1000; RETURN NEW; END $$`,
		"CREATE TRIGGER other BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION other()")
	g.phase("dualwrite")
	conn := g.connect(pgx.QueryExecModeExec).PgConn()
	ctx := context.Background()
	if _, err := conn.CopyFrom(ctx, strings.NewReader("1\t[]\t\\N\n2\t[]\tx\n"), "COPY orders (id, items, note) FROM STDIN"); err != nil {
		t.Fatal(err)
	}
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM order_items WHERE sku = 'again'"); n != 1 {
		t.Errorf("%d new rows, want 1", n)
	}
	_, err := conn.CopyFrom(ctx, strings.NewReader("1\tf\n"), "COPY users (id, is_active) FROM STDIN")
	if err == nil || !strings.Contains(err.Error(), "0A000") || !strings.Contains(err.Error(), "trigger other") {
		t.Errorf("got %v, want a refusal that names the trigger", err)
	}
	pgtest.Agree(t, g.direct)
	g.use(guarded())
	if _, err := conn.CopyFrom(ctx, strings.NewReader("1\tf\n"), "COPY users (id, is_active) FROM STDIN"); err != nil {
		t.Error(err)
	}
	pgtest.Agree(t, g.direct)
}

// outs are writes whose rows are copied out or kept in a table.
var outs = []string{
	"COPY (INSERT INTO orders (id, items) VALUES (901, '[{\"sku\":\"a\"}]') RETURNING id, items AS i, note) TO STDOUT (FORMAT csv)",
	"COPY (UPDATE orders SET items = '[{\"sku\":\"b\"}]' WHERE id < 3 RETURNING *) TO STDOUT (FORMAT binary)",
	"COPY (UPDATE users SET is_active = NOT is_active RETURNING *) TO STDOUT (FORMAT csv, HEADER)",
	"COPY (WITH n AS (UPDATE users SET is_active = NOT is_active WHERE id < 3 RETURNING id) INSERT INTO orders AS o (id, items) SELECT id + 902, '[]' FROM n RETURNING o.id) TO STDOUT",
	"COPY (WITH n AS (UPDATE users SET is_active = NOT is_active WHERE id < 3 RETURNING *) SELECT count(*) FROM n) TO STDOUT",
	"COPY (DELETE FROM orders WHERE id = 4 RETURNING id) TO STDOUT",
	"COPY (UPDATE counters SET n = 1 / (id - 2) RETURNING id) TO STDOUT",
	"COPY (UPDATE orders SET items = '[]') TO STDOUT",
	"CREATE TABLE made AS WITH n AS (INSERT INTO orders (id, items) VALUES (910, '[{\"sku\":\"m\"}]') RETURNING *) SELECT id FROM n",
	"TABLE made",
	"SELECT id INTO made2 FROM users",
	"CREATE TEMP TABLE made3 AS WITH n AS (UPDATE users SET is_active = NOT is_active) SELECT 1 AS one WITH NO DATA",
	"WITH n AS (UPDATE users SET is_active = random() < 2 RETURNING id) SELECT * INTO made4 FROM n",
	"CREATE TABLE made AS WITH n AS (UPDATE users SET is_active = NOT is_active RETURNING id) SELECT 1 AS one",
	"EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off, FORMAT xml) CREATE TABLE made5 AS WITH n AS (UPDATE users SET is_active = NOT is_active) SELECT 1 AS one LIMIT 0",
	"CREATE MATERIALIZED VIEW made6 AS WITH n AS (UPDATE users SET is_active = NOT is_active RETURNING id) SELECT 1 AS one",
}

func TestWritesInsideCopyToAndCreateTableAs(t *testing.T) {
	p := newPair(t, 4)
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	plain.names(p.plain)
	through.names(p.gate.direct)
	for _, text := range outs {
		for _, messages := range [][]pgproto3.FrontendMessage{
			{&pgproto3.Query{String: "BEGIN"}, &pgproto3.Query{String: text}, &pgproto3.Query{String: "ROLLBACK"}},
			{&pgproto3.Query{String: "BEGIN"}, &pgproto3.Parse{Query: text}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}, &pgproto3.Query{String: "ROLLBACK"}},
			{&pgproto3.Query{String: text}},
		} {
			said, heard := plain.say(messages...), through.say(messages...)
			if strings.HasPrefix(text, "EXPLAIN") { // the plan has a place for what is ours
				said, heard = said[len(said)-1:], heard[len(heard)-1:]
			}
			if d := differs(said, heard); d != "" {
				t.Errorf("%s: %s", text, d)
			}
		}
		p.same(t, text)
	}
	var out bytes.Buffer
	conn := pgtest.Connect(t, p.gate.dsn)
	if _, err := conn.PgConn().CopyTo(context.Background(), &out, "COPY (UPDATE orders SET items = '[]' RETURNING 1 + 1) TO STDOUT"); err == nil || !strings.Contains(err.Error(), "0A000") {
		t.Errorf("got %v, want a refusal", err)
	}
}

// The expand step comes before dualwrite: what an application copies in without
// a column list has the old columns alone, in phase off too.
func TestCopyWithoutAListHasTheOldColumnsInPhaseOff(t *testing.T) {
	p := newPair(t, 0)
	p.gate.phase("off")
	plain, through := dialWire(t, p.plain), dialWire(t, p.gate.dsn)
	for _, c := range []ask{{"COPY users FROM STDIN", "1\ta\tt\n"}, {"COPY users FROM STDIN", "2\ta\tt\tactive\n"}, {"COPY counters FROM STDIN", "3\t4\tx\n"}} {
		plain.copy, through.copy = []byte(c.data), []byte(c.data)
		if d := differs(plain.say(&pgproto3.Query{String: c.text}), through.say(&pgproto3.Query{String: c.text})); d != "" {
			t.Errorf("%s: %s", c.text, d)
		}
	}
	if n := pgtest.Value[int64](t, p.gate.direct, "SELECT count(*) FROM users") + pgtest.Value[int64](t, p.gate.direct, "SELECT count(*) FROM counters"); n != 2 {
		t.Errorf("%d rows, want 2", n)
	}
}
