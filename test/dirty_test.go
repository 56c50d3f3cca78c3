package test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
)

// tolerant is the canonical rules with on_fanout_error: dirty. An item whose qty
// is no number, a user whose email is poison, and a counter whose id is taken as
// an id_big by another, cannot be written to the new shape.
func tolerant(more string) string {
	text := strings.NewReplacer(
		"columns: [is_active]}", "columns: [is_active, email]}",
		`"CASE WHEN old`, `"CASE WHEN old.email = 'poison' THEN 'bogus' WHEN old`,
		"    down: {is_active: \"new.status = 'active'\"}\n", "",
	).Replace(pgtest.CanonRules("dualwrite"))
	return strings.ReplaceAll(text, "    phase: dualwrite\n", "    phase: dualwrite\n    on_fanout_error: dirty\n"+more)
}

// soiled lists the dirty keys.
func soiled(t testing.TB, dsn string) string {
	t.Helper()
	return pgtest.Value[string](t, dsn, "SELECT coalesce(string_agg(migration || ' ' || key::text || ' ' || sqlstate, ', ' ORDER BY migration, key), '') FROM pgjanus.dirty")
}

// drifting compares both shapes of every migration and returns how many keys
// drift; each that does has to be dirty.
func drifting(t testing.TB, g *gate) (n int64) {
	t.Helper()
	conn := pgtest.Connect(t, g.direct)
	defer conn.Close(context.Background())
	for _, m := range g.planner.Migrations() {
		result, err := migrate.Verify(context.Background(), conn, migrate.VerifyOptions{Planner: g.planner, Migration: m.Rule.Name, Limit: 10000})
		if err != nil {
			t.Error(err)
			continue
		}
		n += result.Drift
		for _, k := range result.Keys {
			if !strings.HasPrefix(k.Reason, "dirty since ") {
				t.Errorf("%s: key %s drifts, and is not dirty: %s", m.Rule.Name, k.Key, k.Reason)
			}
		}
	}
	return n
}

// dirtied is how many keys the proxy has counted.
func dirtied(t testing.TB, g *gate) float64 { return counted(t, g, "pgjanus_fanout_dirty_total") }

// counted is what the proxy has counted under that name, with all labels.
func counted(t testing.TB, g *gate, name string) (n float64) {
	t.Helper()
	families, err := g.counts.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

const poisoned = `[{"sku":"p","qty":"many"}]`

func TestAKeyWhoseNewShapeCannotBeWrittenIsDirty(t *testing.T) {
	for _, mode := range modes {
		g := newGate(t, 0)
		g.use(tolerant(""))
		ctx := context.Background()
		pgtest.Exec(t, g.dsn, `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]'), (2, '[]'), (3, '[{"sku":"c"}]')`,
			"INSERT INTO users (id, is_active) VALUES (1, true), (2, false)", "INSERT INTO counters (id) VALUES (1), (2)")
		pgtest.Agree(t, g.direct)
		conn := g.connect(mode)
		for i, step := range []struct{ text, tag, dirty string }{
			{`UPDATE orders SET items = '` + poisoned + `' WHERE id = 1`, "UPDATE 1", "order-items {1} 22P02"},
			{`UPDATE orders SET note = 'x'`, "UPDATE 3", "order-items {1} 22P02"},
			{`UPDATE orders SET items = '[{"sku":"b"}]' WHERE id = 1`, "UPDATE 1", ""},
			{`UPDATE orders SET items = CASE id WHEN 2 THEN '` + poisoned + `' ELSE '[{"sku":"n"}]' END::jsonb`, "UPDATE 3", "order-items {2} 22P02"},
			{`INSERT INTO orders (id, items) VALUES (4, '[]'), (5, '` + poisoned + `'), (6, '[{"sku":"f"}]')`, "INSERT 0 3", "order-items {2} 22P02, order-items {5} 22P02"},
			{`DELETE FROM orders WHERE id = 5`, "DELETE 1", "order-items {2} 22P02, order-items {5} 22P02"}, // it is no drift
			{`UPDATE orders SET items = '[]'`, "UPDATE 5", "order-items {5} 22P02"},
			{`INSERT INTO orders (id, items) VALUES (5, '[{"sku":"e"}]')`, "INSERT 0 1", ""},
			{`UPDATE users SET email = 'poison' WHERE id = 1`, "UPDATE 1", "user-status {1} 23514"},
			{`UPDATE users SET is_active = false, email = email`, "UPDATE 2", "user-status {1} 23514"},
			{`INSERT INTO users (id, email) VALUES (3, 'poison')`, "INSERT 0 1", "user-status {1} 23514, user-status {3} 23514"},
			{`UPDATE users SET email = 'fine' WHERE id IN (1, 2, 3)`, "UPDATE 3", ""},
			{`INSERT INTO counters (id) VALUES (500), (501)`, "INSERT 0 2", "counter-bigint {500} 23505"},
			{`UPDATE counters SET id = 502 WHERE id = 500`, "UPDATE 1", "counter-bigint {500} 23505"},
			{`WITH w AS (UPDATE orders SET items = '` + poisoned + `' WHERE id = 3 RETURNING id) SELECT * FROM w`, "SELECT 1", "counter-bigint {500} 23505, order-items {3} 22P02"},
			{`UPDATE orders SET items = '[]' WHERE id = 3 RETURNING id`, "UPDATE 1", "counter-bigint {500} 23505"},
		} {
			if strings.Contains(step.text, "(500)") {
				pgtest.Exec(t, g.direct, "UPDATE counters SET id_big = 500 WHERE id = 2")
			}
			tag, err := conn.Exec(ctx, step.text)
			if err != nil || tag.String() != step.tag {
				t.Errorf("%s: %s: %s, %v", mode, step.text, tag, err)
			}
			if got := soiled(t, g.direct); got != step.dirty {
				t.Errorf("%s: step %d, %s: dirty are %q, want %q", mode, i, step.text, got, step.dirty)
			}
			if strings.Contains(step.text, "counters") {
				pgtest.Exec(t, g.direct, "UPDATE counters SET id_big = 2 WHERE id = 2")
			}
			drifting(t, g)
		}
		if n := dirtied(t, g); n != 8 {
			t.Errorf("%s: %v statements were counted, want 8", mode, n)
		}
		pgtest.Agree(t, g.direct)
	}
}

// What must reach the client does so: the statement fails, and nothing is dirty.
func TestADirtyMigrationSwallowsNothingThatIsRetried(t *testing.T) {
	ctx := context.Background()
	code := func(err error) string {
		var said *pgconn.PgError
		errors.As(err, &said)
		if said == nil {
			return fmt.Sprint(err)
		}
		return said.Code
	}
	for _, level := range levels[1:] {
		g := newGate(t, 20)
		g.use(tolerant(""))
		conn := g.connect(pgx.QueryExecModeExec)
		err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			takeSnapshot(t, tx)
			fillUnawaited(t, g)
			_, err := tx.Exec(ctx, changeItems)
			return err
		})
		if !overtakenByBackfill(err) {
			t.Errorf("%s: got %v, want 40001", level, err)
		}
		if got := soiled(t, g.direct); got != "" {
			t.Errorf("dirty are %s", got)
		}
	}
	g := newGate(t, 0)
	g.use(tolerant(""))
	pgtest.Exec(t, g.dsn, `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]')`)
	holder := pgtest.Connect(t, g.direct)
	tx, err := holder.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "SELECT FROM order_items FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	for setting, want := range map[string]string{"lock_timeout": "55P03", "statement_timeout": "57014"} {
		conn := g.connect(pgx.QueryExecModeExec)
		if _, err := conn.Exec(ctx, "SET "+setting+" = 200"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, `UPDATE orders SET items = '[{"sku":"b"}]'`); code(err) != want {
			t.Errorf("%s: got %v, want %s", setting, err, want)
		}
	}
	_ = tx.Rollback(ctx)
	if got := soiled(t, g.direct); got != "" {
		t.Errorf("dirty are %s", got)
	}
	pgtest.Agree(t, g.direct)
}

func TestDirtyKeysComeAndGoWithTheirTransaction(t *testing.T) {
	g := newGate(t, 0)
	g.use(tolerant(""))
	conn := g.connect(pgx.QueryExecModeExec)
	exec := func(text string) {
		t.Helper()
		if _, err := conn.Exec(context.Background(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	exec(`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]'), (2, '[]')`)
	for _, level := range levels {
		exec("BEGIN ISOLATION LEVEL " + string(level))
		exec(`UPDATE orders SET items = '` + poisoned + `' WHERE id = 1`)
		exec("SAVEPOINT a")
		exec(`UPDATE orders SET items = '` + poisoned + `' WHERE id = 2`)
		exec("ROLLBACK TO a")
		exec("COMMIT")
		if got := soiled(t, g.direct); got != "order-items {1} 22P02" || drifting(t, g) != 1 {
			t.Errorf("%s: dirty are %q", level, got)
		}
		exec("BEGIN ISOLATION LEVEL " + string(level))
		exec("SAVEPOINT a")
		exec(`UPDATE orders SET items = '[{"sku":"b"}]' WHERE id = 1`)
		exec("ROLLBACK TO a")
		exec("COMMIT")
		if got := soiled(t, g.direct); got != "order-items {1} 22P02" {
			t.Errorf("%s: dirty are %q", level, got)
		}
		exec(`UPDATE orders SET items = '[{"sku":"b"}]' WHERE id = 1`)
		if got := soiled(t, g.direct); got != "" {
			t.Errorf("%s: dirty are %q", level, got)
		}
		pgtest.Agree(t, g.direct)
	}
}

// An INSERT whose new rows could not be written leaves lastval() alone all the same.
func TestLastvalBehindADirtyKey(t *testing.T) {
	g := newGate(t, 0)
	g.use(tolerant(""))
	conn := g.connect(pgx.QueryExecModeExec)
	ctx := context.Background()
	for want := int64(1); want < 4; want++ {
		if _, err := conn.Exec(ctx, `INSERT INTO orders (items) VALUES ('[{"sku":"a","qty":1},{"qty":"many"}]')`); err != nil {
			t.Fatal(err)
		}
		var got int64
		if err := conn.QueryRow(ctx, "SELECT lastval()").Scan(&got); err != nil || got != want {
			t.Errorf("lastval() is %d, %v, want %d", got, err, want)
		}
	}
	if n := drifting(t, g); n != 3 {
		t.Errorf("%d keys drift, want 3", n)
	}
}

func TestARoleThatMayNotWriteTheNewShapeLeavesKeysDirty(t *testing.T) {
	g := newGate(t, 0)
	role := "clerk_" + pgtest.Value[string](t, g.direct, "SELECT current_database()::text")
	pgtest.Exec(t, g.direct, fmt.Sprintf(`CREATE ROLE %[1]s LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO %[1]s; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO %[1]s`, role))
	t.Cleanup(func() { pgtest.Exec(t, g.direct, fmt.Sprintf(`DROP OWNED BY %[1]s; DROP ROLE %[1]s`, role)) })
	g.use(tolerant(""))
	pgtest.Exec(t, g.direct, "REVOKE INSERT ON order_items FROM "+role)
	pgtest.Exec(t, strings.Replace(g.dsn, "postgres@", role+"@", 1), `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]'), (2, '[]')`)
	// Postgres asks for the privilege whether or not there is a row to insert.
	if got := soiled(t, g.direct); got != "order-items {1} 42501, order-items {2} 42501" {
		t.Errorf("dirty are %q", got)
	}
	drifting(t, g)
	conn := pgtest.Connect(t, strings.Replace(g.dsn, "postgres@", role+"@", 1))
	if _, err := conn.Exec(context.Background(), "SELECT * FROM pgjanus.dirty"); err == nil {
		t.Error("any role can read what is dirty")
	}
	pgtest.Exec(t, g.direct, fmt.Sprintf("GRANT INSERT ON order_items TO %s", role))
	pgtest.Exec(t, strings.Replace(g.dsn, "postgres@", role+"@", 1), `UPDATE orders SET items = items`)
	if got := soiled(t, g.direct); got != "" {
		t.Errorf("dirty are %q", got)
	}
	pgtest.Agree(t, g.direct)
}

// History that cannot be converted does not stop a backfill.
func TestABackfillLeavesKeysDirtyAndRepairsThem(t *testing.T) {
	g := newGate(t, 30)
	pgtest.Exec(t, g.direct, `UPDATE orders SET items = '`+poisoned+`' WHERE id IN (3, 4)`, "UPDATE users SET email = 'poison' WHERE id = 5")
	g.use(tolerant(""))
	if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	want := "order-items {3} 22P02, order-items {4} 22P02, user-status {5} 23514"
	if got := soiled(t, g.direct); got != want || drifting(t, g) != 3 {
		t.Errorf("dirty are %q, want %q", got, want)
	}
	pgtest.Exec(t, g.direct, `UPDATE orders SET items = '[]' WHERE id = 3; DELETE FROM orders WHERE id = 4; UPDATE users SET email = 'fine' WHERE id = 5`)
	g.use(strings.ReplaceAll(tolerant(""), "on_fanout_error: dirty", "on_fanout_error: fail"))
	if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	if got := soiled(t, g.direct); got != "" || drifting(t, g) != 0 {
		t.Errorf("dirty are %q", got)
	}
	pgtest.Agree(t, g.direct)
}

// A key that is dirty stays behind when the rules tolerate none any more: what the
// new table then gets there must not be carried back over what it did not accept.
func TestADirtyKeyIsNotCarriedBack(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "ALTER TABLE order_items ADD CHECK (qty < 100)")
	g.use(tolerant(""))
	g.backfilled()
	pgtest.Exec(t, g.dsn, `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a","qty":1}]'), (2, '[]')`, `UPDATE orders SET items = '[{"sku":"a","qty":1000}]' WHERE id = 1`)
	conn := g.connect(pgx.QueryExecModeExec)
	write := func() error {
		_, err := conn.Exec(context.Background(), "INSERT INTO order_items (order_id, sku, qty) VALUES (1, 'b', 1)")
		return err
	}
	for _, text := range []string{tolerant(""), strings.ReplaceAll(tolerant(""), "on_fanout_error: dirty", "on_fanout_error: fail")} {
		g.use(text)
		if err := write(); err == nil || !strings.Contains(err.Error(), "55000") {
			t.Errorf("the new shape of a dirty key is written: %v", err)
		}
		if got := pgtest.Value[string](t, g.direct, fmt.Sprintf(items, 1)); got != "a1000" {
			t.Errorf("the old shape has %q", got)
		}
	}
	pgtest.Exec(t, g.dsn, "INSERT INTO order_items (order_id, sku) VALUES (2, 'c')", `UPDATE orders SET items = '[]' WHERE id = 1`)
	if err := backfill(context.Background(), t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	if err := write(); err != nil {
		t.Error(err)
	}
	g.noDrift(t, "the backfill")
}

// With a guard, what goes past pgjanus is dirty with guard: sync, and what goes
// through it is no bypass because it is dirty.
func TestGuardsAndDirtyKeys(t *testing.T) {
	for _, mode := range []string{"sync", "log", "reject"} {
		g := newGate(t, 0)
		g.use(tolerant("    guard: " + mode + "\n"))
		dsn := g.dsn
		if mode == "sync" {
			dsn = g.direct
		}
		pgtest.Exec(t, dsn, `INSERT INTO orders (id, items) VALUES (1, '[]'), (2, '`+poisoned+`')`, `UPDATE orders SET note = 'x'`,
			"INSERT INTO users (id, email) VALUES (1, 'poison'), (2, 'fine')", `UPDATE users SET is_active = NOT is_active`)
		if got := soiled(t, g.direct); got != "order-items {2} 22P02, user-status {1} 23514" || drifting(t, g) != 2 {
			t.Errorf("%s: dirty are %q", mode, got)
		}
		if mode != "sync" && seen(t, g) > 0 {
			t.Errorf("%s: dirty keys were taken for a bypass", mode)
		}
	}
}

// What up fails for is logged by guard: log, and does not fail the statement.
func TestAGuardThatLogsDoesNotFailForABadValue(t *testing.T) {
	g := newGate(t, 0)
	g.use(watched("log"))
	pgtest.Exec(t, g.direct, `INSERT INTO orders (items) VALUES ('`+poisoned+`')`)
	if n := seen(t, g); n != 1 {
		t.Errorf("noticed for %d migrations, want 1", n)
	}
}
