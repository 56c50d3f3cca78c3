package test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// Applications write that to have RETURNING show the row that is there.
func TestUpsertThatChangesNothingAddsNoNewRows(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	conn := pgtest.Connect(t, g.dsn)
	for _, text := range []string{
		`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]')`,
		`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"}]'), (2, '[{"sku":"c"}]') ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id`,
		"INSERT INTO order_items (order_id, sku) VALUES (1, 'd')",
		`INSERT INTO orders (id, items) VALUES (1, '[]') ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING id`,
	} {
		do(t, conn, text)
		pgtest.Agree(t, g.direct)
	}
	if got := pgtest.Value[string](t, g.direct, "SELECT string_agg(order_id || sku, ' ' ORDER BY order_id, sku) FROM order_items"); got != "1a 1d 2c" {
		t.Errorf("the new rows are %s", got)
	}
}

// What rows conflict on is equal, but need not be the same.
func TestUpsertOfWhatIsEqualAndLooksDifferent(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	g.needsICU(t)
	pgtest.Exec(t, g.direct, `CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		CREATE TABLE numbers (id numeric PRIMARY KEY, name text, seen int, n text, m text);
		CREATE UNIQUE INDEX ON numbers (name COLLATE ci);
		CREATE TABLE names (id int PRIMARY KEY, name text);
		CREATE UNIQUE INDEX ON names (name COLLATE ci);
		CREATE TABLE letters (id bigserial PRIMARY KEY, names int REFERENCES names ON DELETE CASCADE, letter text)`)
	g.serve()
	g.use(`migrations:
  - name: numbers
    phase: dualwrite
    kind: columns
    old: {table: public.numbers, key: [id], columns: [name]}
    new: {table: public.numbers, columns: [n, m]}
    up: {n: "old.id::text", m: "old.name"}
  - name: names
    phase: dualwrite
    kind: rows
    old: {table: public.names, key: [id], columns: [name]}
    new: {table: public.letters, parent: {names: id}}
    up: SELECT old.name AS letter
`)
	conn := pgtest.Connect(t, g.dsn)
	g.takes(t, conn,
		"INSERT INTO numbers (id, name) VALUES (1, 'bob')",
		"INSERT INTO numbers (id, name) VALUES (1.0, 'ann') ON CONFLICT (id) DO UPDATE SET id = excluded.id, seen = 1",
		"INSERT INTO numbers (id, name) VALUES (2, 'Bob') ON CONFLICT (name) DO UPDATE SET name = excluded.name, seen = 2",
		"INSERT INTO names VALUES (1, 'bob')",
		"INSERT INTO names VALUES (2, 'Bob') ON CONFLICT (name) DO UPDATE SET name = excluded.name",
	)
}

// A row that is there and keeps its new columns may not be filled yet. Then it is
// not for down to say what its old ones are.
func TestUpsertThatKeepsNewColumnsThatAreNotFilled(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "INSERT INTO users (id, is_active) VALUES (1, false)")
	g.phase("dualwrite")
	texts := []string{"INSERT INTO users (id, email, status) VALUES (1, 'a', 'active') ON CONFLICT (id) DO UPDATE SET email = excluded.email"}
	if g.planner.Snapshot().Version >= 170000 {
		texts = append(texts, "MERGE INTO users u USING (VALUES (1)) v (id) ON u.id = v.id WHEN MATCHED THEN UPDATE SET email = 'b' WHEN NOT MATCHED THEN INSERT (id, status) VALUES (1, 'active')")
	}
	conn := pgtest.Connect(t, g.dsn)
	for _, filled := range []bool{false, true} {
		for _, text := range texts {
			if said := told(conn, pgx.QueryExecModeExec, text); strings.Contains(said, "55000") == filled {
				t.Errorf("%s (filled: %t): %s", text, filled, said)
			}
			if pgtest.Value[bool](t, g.direct, "SELECT is_active FROM users") {
				t.Errorf("behind %s the old shape has lost what it was", text)
			}
		}
		if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
			t.Fatal(err)
		}
	}
	g.noDrift(t, "the upserts")
}
