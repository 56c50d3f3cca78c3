package test

import (
	"context"
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
