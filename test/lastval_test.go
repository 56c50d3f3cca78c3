package test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// PHP's PDO and others ask for the number of the row that they have just
// inserted by SELECT lastval().
func TestLastvalIsTheApplicationsOwn(t *testing.T) {
	p := newPair(t, 0)
	for _, dsn := range []string{p.plain, p.gate.direct} {
		pgtest.Exec(t, dsn, "CREATE TABLE audit (id bigserial PRIMARY KEY, what text)", "SELECT setval('orders_id_seq', 1000), setval('audit_id_seq', 1)")
	}
	ctx := context.Background()
	steps := []string{
		"SELECT lastval()", // not defined yet
		`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"},{"sku":"b"}]')`,
		"SELECT lastval()", // still not
		`INSERT INTO orders (items) VALUES ('[{"sku":"a"},{"sku":"b"}]')`,
		"SELECT lastval()",
		`UPDATE orders SET items = items || '[{"sku":"c"}]' WHERE id = 1`,
		"select LASTVAL()",
		"INSERT INTO audit (what) VALUES ('x')",
		"SELECT lastval(), currval('orders_id_seq'), pg_catalog.lastval() AS again",
		`INSERT INTO orders (items) VALUES ('[]')`,
		"SELECT lastval()",
		`INSERT INTO orders (items) VALUES ('[{"sku":"a"}]'), ('[{"sku":"b"}]')`,
		`INSERT INTO audit (id, what) VALUES (lastval(), 'the order''s')`,
		"SELECT max(id) FROM audit",
		`WITH o AS (INSERT INTO orders (items) VALUES ('[{"sku":"z"}]') RETURNING id) SELECT id FROM o`,
		"SELECT 'lastval()', lastval ( )",
		`MERGE INTO audit a USING (SELECT 99 AS id) s ON a.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (lastval(), 'm')`,
		"SELECT max(id) FROM audit",
	}
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec} {
		plain, err := pgx.Connect(ctx, p.plain)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close(ctx)
		through := p.gate.connect(mode)
		for _, text := range steps {
			if text[0] == 'M' && p.gate.planner.Snapshot().Version < 150000 {
				continue
			}
			if a, b := told(plain, mode, text), told(through, mode, text); a != b {
				t.Errorf("%s: plain %s, through pgjanus %s", text, a, b)
			}
		}
		pgtest.Exec(t, p.plain, "DELETE FROM orders; DELETE FROM audit")
		pgtest.Exec(t, p.gate.dsn, "DELETE FROM orders; DELETE FROM audit")
	}
	t.Run("off", func(t *testing.T) { // a session lives on when the phase goes back
		conn := p.gate.connect(pgx.QueryExecModeExec)
		if said := told(conn, pgx.QueryExecModeExec, `INSERT INTO orders (items) VALUES ('[{"sku":"a"}]') RETURNING id`); said == "" {
			t.Fatal("nothing was inserted")
		}
		id := told(conn, pgx.QueryExecModeExec, "SELECT max(id) AS lastval FROM orders")
		p.gate.phase("off")
		if last := told(conn, pgx.QueryExecModeExec, "SELECT lastval()"); last != id {
			t.Errorf("lastval() is %s, want %s", last, id)
		}
	})
}

// What triggers of the user draw when a sync writes, and what pgjanus itself
// draws for new rows that are carried back, is not the application's either.
func TestLastvalBehindWhatASyncSetsOff(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `CREATE TABLE log (id bigserial PRIMARY KEY);
		CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log DEFAULT VALUES; RETURN NULL; END';
		INSERT INTO orders (items) VALUES ('[{"sku":"a"},{"sku":"b"}]'); INSERT INTO users DEFAULT VALUES`)
	g.phase("dualwrite")
	g.backfilled()
	ctx := context.Background()
	session := func(texts ...string) (last string) {
		conn := g.connect(pgx.QueryExecModeExec)
		for _, text := range texts {
			if _, err := conn.Exec(ctx, text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
		return told(conn, pgx.QueryExecModeExec, "SELECT lastval()")
	}
	const undefined = "ERROR: lastval is not yet defined in this session (SQLSTATE 55000)"
	newRow := `INSERT INTO order_items (order_id, sku, qty, price_cents) VALUES (1, 'c', 1, 1)`
	for range 2 { // the first is what tells syncs of new rows that were written
		last := session(newRow)
		if want := pgtest.Value[string](t, g.direct, "SELECT max(id) || ' lastval ' FROM order_items"); last != want {
			t.Errorf("behind a new row lastval() is %q, want %q", last, want)
		}
	}
	pgtest.Exec(t, g.direct, "CREATE TRIGGER log AFTER INSERT OR UPDATE OR DELETE ON order_items FOR EACH ROW EXECUTE FUNCTION log()",
		"CREATE TRIGGER log AFTER UPDATE ON users FOR EACH ROW EXECUTE FUNCTION log()")
	g.phase("dualwrite")
	for _, c := range []struct{ name, text, want string }{
		{"update of new rows", `UPDATE orders SET items = '[{"sku":"x"},{"sku":"y"},{"sku":"z"}]'`, undefined},
		{"fewer new rows", `UPDATE orders SET items = '[{"sku":"x"}]'`, undefined},
		{"insert", `INSERT INTO users (email, is_active) VALUES ('f', (SELECT false))`, "SELECT max(id) || ' lastval ' FROM users"},
	} {
		logged := pgtest.Value[int](t, g.direct, "SELECT count(*)::int FROM log")
		last := session(c.text)
		if c.want != undefined {
			c.want = pgtest.Value[string](t, g.direct, c.want)
		}
		if last != c.want {
			t.Errorf("%s: lastval() is %q, want %q", c.name, last, c.want)
		}
		if pgtest.Value[int](t, g.direct, "SELECT count(*)::int FROM log") == logged {
			t.Errorf("%s: no trigger was fired", c.name)
		}
	}
	pgtest.Agree(t, g.direct)
}

// lastval() may fail though the session has drawn a number. That is nothing to
// a sync.
func TestSyncsWhereLastvalFails(t *testing.T) {
	g := newGate(t, 3)
	role := "writer_" + strings.ToLower(rand.Text())
	pgtest.Exec(t, g.direct, `ALTER TABLE order_items ALTER id DROP DEFAULT; DROP SEQUENCE order_items_id_seq;
		ALTER TABLE order_items ALTER id ADD GENERATED ALWAYS AS IDENTITY;
		CREATE TABLE log (id bigserial PRIMARY KEY);
		CREATE ROLE `+role+`;
		GRANT SELECT, INSERT, UPDATE, DELETE ON orders, order_items TO `+role)
	t.Cleanup(func() { pgtest.Exec(t, g.direct, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	g.phase("dualwrite")
	g.refill()
	pgtest.Exec(t, g.direct, "GRANT USAGE ON SCHEMA pgjanus TO "+role+"; GRANT SELECT ON ALL TABLES IN SCHEMA pgjanus TO "+role)
	const more = `UPDATE orders SET items = items || '[{"sku":"more"}]'`
	play := func(name string, texts ...string) {
		conn := pgtest.Connect(t, g.dsn)
		defer conn.Close(context.Background())
		for _, text := range texts {
			do(t, conn, text)
		}
		g.noDrift(t, name)
	}
	play("DISCARD SEQUENCES", more, "DISCARD SEQUENCES", more)
	play("a sequence that is gone", more, "CREATE TEMP TABLE log (id serial)", "INSERT INTO log DEFAULT VALUES", "DROP TABLE pg_temp.log", more)
	play("that of an identity column", "SET ROLE "+role, more, more)
	play("that of another role", "INSERT INTO log DEFAULT VALUES", "SET ROLE "+role, more)
	pgtest.Exec(t, g.direct, `CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO log DEFAULT VALUES; RETURN NULL; END';
		CREATE TRIGGER log AFTER INSERT ON order_items FOR EACH ROW EXECUTE FUNCTION log()`)
	g.phase("dualwrite")
	play("that of another role's trigger", "SET ROLE "+role, more, more)
}

// told returns the rows and the error of a statement.
func told(conn *pgx.Conn, mode pgx.QueryExecMode, text string) string {
	rows, err := conn.Query(context.Background(), text, mode)
	if err != nil {
		return err.Error()
	}
	said := ""
	for rows.Next() {
		for _, v := range rows.RawValues() {
			said += string(v) + " "
		}
	}
	if rows.Close(); rows.Err() != nil {
		return rows.Err().Error()
	}
	for _, f := range rows.FieldDescriptions() {
		said += f.Name + " "
	}
	return said
}
