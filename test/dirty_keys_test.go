package test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

const stampsRules = `migrations:
  - name: stamps
    phase: dualwrite
    guard: reject
    on_fanout_error: dirty
    kind: columns
    old: {table: public.stamps, key: [at, day, "on", what, n], columns: [value]}
    new: {table: public.stamps, columns: [number]}
    up: {number: "old.value::int"}
`

// A key is the same one under every TimeZone and DateStyle: it is dirty once, is
// taken out again, and is found by verify.
func TestADirtyKeyDoesNotDependOnSettings(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, `CREATE TABLE stamps (at timestamptz, day date, "on" timestamp, what text, n numeric, value text, number int, PRIMARY KEY (at, day, "on", what, n))`)
	g.use(stampsRules)
	conn := g.connect(pgx.QueryExecModeSimpleProtocol)
	exec := func(texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, err := conn.Exec(context.Background(), text); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}
	}
	exec("SET TimeZone = 'Asia/Kathmandu'", "SET DateStyle = 'German'",
		`INSERT INTO stamps VALUES ('2026-01-02 03:04:05.678+00', '2026-01-02', '2026-03-04 05:06:07', E'it''s {a}, "b"\\', 1.50, 'bad'), ('infinity', '0044-03-15 BC', '-infinity', '', 2, 'bad'), ('epoch', 'epoch', 'epoch', 'c', 3, '7')`)
	if n := drifting(t, g); n != 2 {
		t.Errorf("%d keys drift, want 2", n)
	}
	exec("SET TimeZone = 'America/New_York'", "SET DateStyle = 'SQL, MDY'", "UPDATE stamps SET value = 'bad' WHERE n < 3")
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM pgjanus.dirty"); n != 2 {
		t.Errorf("%d entries, want 2: %s", n, soiled(t, g.direct))
	}
	exec("SET TimeZone = 'UTC'", "SET DateStyle = 'ISO'", "UPDATE stamps SET value = '8' WHERE n < 3")
	if got := soiled(t, g.direct); got != "" || drifting(t, g) != 0 {
		t.Errorf("dirty are %s", got)
	}
	if n := seen(t, g); n > 0 {
		t.Error("a false alarm")
	}
}

// A new row may spell the key of its old row otherwise than that does: it is dirty
// all the same, and down must not undo what the new table did not accept.
func TestADirtyKeyIsTheSameHoweverANewRowSpellsIt(t *testing.T) {
	for name, c := range map[string]struct{ key, old, new string }{
		"numeric":   {"numeric", "1.0", "1"},
		"collation": {`text COLLATE "no case"`, "'a'", "'A'"},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gate{t: t, direct: pgtest.Database(t)}
			if name == "collation" {
				g.needsICU(t)
				pgtest.Exec(t, g.direct, `CREATE COLLATION "no case" (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
			}
			pgtest.Exec(t, g.direct, "CREATE TABLE o (id "+c.key+" PRIMARY KEY, items text[])",
				"CREATE TABLE n (id bigserial PRIMARY KEY, o_id "+c.key+" REFERENCES o ON DELETE CASCADE, item text CHECK (length(item) < 3))")
			g.serve()
			g.use(`migrations:
  - name: order-items
    phase: dualwrite
    on_fanout_error: dirty
    kind: rows
    old: {table: public.o, key: [id], columns: [items]}
    new: {table: public.n, parent: {o_id: id}}
    up: SELECT u.item FROM unnest(old.items) AS u(item)
    down: {items: "SELECT array_agg(item ORDER BY id) FROM new"}
`)
			g.backfilled()
			conn := pgtest.Connect(t, g.dsn)
			do(t, conn, "INSERT INTO o VALUES ("+c.old+", '{a}')")
			do(t, conn, "UPDATE o SET items = '{a,long}'")
			for _, key := range []string{c.old, c.new} {
				var refused *pgconn.PgError
				if _, err := conn.Exec(context.Background(), "INSERT INTO n (o_id, item) VALUES ("+key+", 'b')"); !errors.As(err, &refused) || refused.Code != "55000" {
					t.Errorf("a new row of %s: %v, want 55000", key, err)
				}
			}
			if got := pgtest.Value[string](t, g.direct, "SELECT items::text FROM o"); got != "{a,long}" {
				t.Errorf("the old row has %s", got)
			}
			if name == "numeric" {
				do(t, conn, "UPDATE o SET id = "+c.new+", items = '{b}' WHERE id = "+c.new)
				if got := soiled(t, g.direct); got != "" {
					t.Errorf("dirty are %s", got)
				}
			}
		})
	}
}
