package test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
)

// backfilled completes a backfill of order-items.
func (g *gate) backfilled() {
	g.t.Helper()
	ctx := context.Background()
	conn := pgtest.Connect(g.t, g.direct)
	defer conn.Close(ctx)
	if _, err := migrate.Backfill(ctx, conn, migrate.BackfillOptions{Planner: g.planner, Migration: "order-items", SkipWait: true}); err != nil {
		g.t.Fatal(err)
	}
}

// items is what an order has in the old shape: skus and quantities.
const items = `SELECT coalesce((SELECT string_agg(concat(i ->> 'sku', i ->> 'qty'), ' ' ORDER BY n) FROM orders o, jsonb_array_elements(o.items) WITH ORDINALITY a(i, n) WHERE o.id = %d), '')`

func TestWhoWritesTheNewTableIsCarriedBack(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
		t.Run(mode.String(), func(t *testing.T) { carriedBack(t, mode) })
	}
}

func carriedBack(t *testing.T, mode pgx.QueryExecMode) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	conn := g.connect(mode)
	ctx := context.Background()
	pgtest.Exec(t, g.dsn, "INSERT INTO orders (id) VALUES (1), (2), (3)")
	pgtest.Exec(t, g.direct, "ALTER TABLE order_items ADD UNIQUE (order_id, sku)")
	for _, c := range []struct{ text, tag, first, second string }{ // and what orders 1 and 2 have then
		{"INSERT INTO order_items (id, order_id, sku, qty) VALUES (100, 1, 'a', 1), (101, 1, 'b', 2), (102, 2, 'c', 3)", "INSERT 0 3", "a1 b2", "c3"},
		{"UPDATE order_items SET qty = 5 WHERE id = 100", "UPDATE 1", "a5 b2", "c3"},
		{"UPDATE order_items SET qty = qty + 1 WHERE order_id = 1 AND sku = lower('B') RETURNING qty", "UPDATE 1", "a5 b3", "c3"},
		{"UPDATE order_items SET order_id = 2 WHERE id = 101", "UPDATE 1", "a5", "b3 c3"},
		{"UPDATE order_items i SET order_id = 1 FROM orders o WHERE o.id = i.order_id AND i.id = 101", "UPDATE 1", "a5 b3", "c3"},
		{"UPDATE order_items SET created_at = now() WHERE id = 100", "UPDATE 1", "a5 b3", "c3"},
		{"INSERT INTO order_items (order_id, sku, qty) VALUES (1, 'a', 9) ON CONFLICT (order_id, sku) DO UPDATE SET qty = excluded.qty", "INSERT 0 1", "a9 b3", "c3"},
		{"INSERT INTO order_items (id, order_id, sku, qty) VALUES (101, 2, 'b', 4) ON CONFLICT (id) DO UPDATE SET order_id = excluded.order_id, qty = excluded.qty", "INSERT 0 1", "a9", "b4 c3"},
		{"INSERT INTO order_items (id, order_id, sku, qty) VALUES (101, 1, 'b', 4) ON CONFLICT (id) DO UPDATE SET order_id = excluded.order_id WHERE order_items.qty > 100", "INSERT 0 0", "a9", "b4 c3"},
		{"WITH gone AS (DELETE FROM order_items WHERE order_id = 2 RETURNING sku, qty) INSERT INTO order_items (id, order_id, sku, qty) SELECT 200 + qty, 1, sku, qty FROM gone", "INSERT 0 2", "a9 c3 b4", ""},
		{"DELETE FROM order_items WHERE id = 100 RETURNING sku", "DELETE 1", "c3 b4", ""},
		{"DELETE FROM order_items USING orders o WHERE o.id = order_id AND sku = 'b'", "DELETE 1", "c3", ""},
		{"UPDATE orders SET items = '[{\"sku\": \"z\", \"qty\": 1}]' WHERE id = 2", "UPDATE 1", "c3", "z1"},
		{"INSERT INTO order_items (order_id, sku, qty) SELECT id, 'y', 2 FROM orders WHERE id < 3", "INSERT 0 2", "y2 c3", "z1 y2"},
		{"UPDATE order_items SET order_id = NULL WHERE sku = 'y'", "23502", "y2 c3", "z1 y2"},
		{"INSERT INTO order_items (order_id, sku, qty) VALUES (77, 'y', 2)", "23503", "y2 c3", "z1 y2"},
		{"INSERT INTO order_items (sku, qty) VALUES ('y', 2)", "23502", "y2 c3", "z1 y2"},
		{"WITH o AS (UPDATE orders SET items = '[]' WHERE id = 1 RETURNING id) DELETE FROM order_items i USING o WHERE i.order_id = o.id", "DELETE 2", "", "z1 y2"},
		{"WITH o AS (UPDATE orders SET items = '[]' WHERE id = 2 RETURNING id) DELETE FROM order_items i USING o WHERE i.order_id = o.id AND sku = 'y'", "23000", "", "z1 y2"},
		{"WITH o AS (UPDATE orders SET items = '[{\"sku\": \"n\", \"qty\": 4}]' WHERE id = 1 RETURNING id) INSERT INTO order_items (order_id, sku, qty) SELECT id, 'n', 4 FROM o", "INSERT 0 1", "n4", "z1 y2"},
		{"DELETE FROM order_items", "DELETE 3", "", ""},
		{"TRUNCATE order_items", "0A000", "", ""},
	} {
		tag, err := conn.Exec(ctx, c.text)
		got := tag.String()
		var refused *pgconn.PgError
		if errors.As(err, &refused) {
			if got = refused.Code; got != "23503" && !strings.Contains(refused.Message+refused.Hint, "order-items") {
				t.Errorf("%s: %s (%s) does not name the migration", c.text, refused.Message, refused.Hint)
			}
		}
		if got != c.tag {
			t.Errorf("%s: %s (%v), want %s", c.text, got, err, c.tag)
		}
		for id, want := range map[int]string{1: c.first, 2: c.second} {
			if has := pgtest.Value[string](t, g.direct, fmt.Sprintf(items, id)); has != want {
				t.Errorf("%s: order %d has %q, want %q", c.text, id, has, want)
			}
		}
		pgtest.Agree(t, g.direct)
	}
}

// What up does not read stays in the old shape where the new one does not change,
// and what down does not read stays in the new one.
func TestRowsKeepWhatTheOtherShapeCannotHold(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	pgtest.Exec(t, g.dsn, `INSERT INTO orders (id, items) VALUES (1, '[{"sku": "a", "qty": 1, "colour": "red"}]')`,
		"UPDATE order_items SET qty = 1 WHERE order_id = 1")
	if got := pgtest.Value[string](t, g.direct, "SELECT items::text FROM orders"); !strings.Contains(got, "red") {
		t.Errorf("the old shape lost what the new one does not know: %s", got)
	}
	text := strings.Replace(pgtest.CanonRules("dualwrite"), "'price_cents', price_cents)", "'price_cents', price_cents / 100 * 100)", 1)
	g.use(text)
	g.backfilled()
	pgtest.Exec(t, g.dsn, "UPDATE order_items SET price_cents = 150", "UPDATE orders SET items = items, note = 'saved'")
	if got := pgtest.Value[int32](t, g.direct, "SELECT price_cents FROM order_items"); got != 150 {
		t.Errorf("saving an old row that had not changed made the new one %d", got)
	}
	conn := pgtest.Connect(t, g.direct)
	defer conn.Close(context.Background())
	verified, err := migrate.Verify(context.Background(), conn, migrate.VerifyOptions{Planner: g.planner, Migration: "order-items"})
	if err != nil || verified.Drift != 0 {
		t.Errorf("verify finds %v, %v", verified, err)
	}
}

// A statement that writes both tables may give the new one more than the old one can
// hold, and it may be the first that does.
func TestTheLawHoldsBehindAStatementThatWritesBothTables(t *testing.T) {
	g := newGate(t, 0)
	g.use(strings.Replace(pgtest.CanonRules("dualwrite"), "'price_cents', price_cents)", "'price_cents', price_cents / 100 * 100)", 1))
	g.backfilled()
	const old = `[{"sku":"a","qty":1,"price_cents":100}]`
	both := func(cents int) {
		pgtest.Exec(t, g.dsn, fmt.Sprintf("WITH o AS (UPDATE orders SET items = '%s' WHERE id = 1) UPDATE order_items SET price_cents = %d WHERE order_id = 1", old, cents))
	}
	drawn := func() bool {
		return pgtest.Value[bool](t, g.direct, `SELECT is_called FROM pgjanus."back order-items"`)
	}
	pgtest.Exec(t, g.dsn, "INSERT INTO orders (id, items) VALUES (1, '"+old+"')")
	if both(100); drawn() {
		t.Error("syncs look for more than up gives where there is nothing")
	}
	both(150)
	pgtest.Exec(t, g.dsn, "UPDATE orders SET items = items, note = 'saved'")
	if got := pgtest.Value[int32](t, g.direct, "SELECT price_cents FROM order_items"); got != 150 {
		t.Errorf("saving an old row that had not changed made the new one %d", got)
	}
	g.noDrift(t, "the old row was saved")
}

// An old shape that cannot be written is told apart from the application's own errors.
func TestTheHintNamesTheShapeThatCouldNotBeWritten(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	pgtest.Exec(t, g.dsn, "INSERT INTO orders (id) VALUES (1)")
	pgtest.Exec(t, g.direct, "ALTER TABLE orders ADD CHECK (jsonb_array_length(items) < 2)")
	conn := g.connect(pgx.QueryExecModeExec)
	_, err := conn.Exec(context.Background(), "INSERT INTO order_items (order_id, sku) VALUES (1, 'a'), (1, 'b')")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "23514" || refused.Hint != `pgjanus was writing the old shape of migration "order-items".` || refused.Where != "" {
		t.Errorf("it says %+v", refused)
	}
	if n := counted(t, g, "pgjanus_fanout_errors_total"); n != 1 {
		t.Errorf("%v errors are counted", n)
	}
	if _, err := conn.Exec(context.Background(), "INSERT INTO orders (id) VALUES (1)"); !errors.As(err, &refused) || refused.Code != "23505" || refused.Hint != "" {
		t.Errorf("an error of the application's own says %+v", refused)
	}
	if n := counted(t, g, "pgjanus_fanout_errors_total"); n != 1 {
		t.Errorf("an error of the application's own is counted: %v", n)
	}
	pgtest.Agree(t, g.direct)
}

func TestTheNewTableCannotBeWrittenBeforeTheHistoryIsFilled(t *testing.T) {
	g := newGate(t, 3)
	g.phase("dualwrite")
	conn := g.connect(pgx.QueryExecModeExec)
	_, err := conn.Exec(context.Background(), "INSERT INTO order_items (order_id, sku) VALUES (2, 'a')")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "55000" || !strings.Contains(refused.Hint, "backfill order-items") {
		t.Errorf("it says %v", err)
	}
	g.backfilled()
	pgtest.Exec(t, g.dsn, "INSERT INTO order_items (order_id, sku) VALUES (2, 'a')")
	g.phase("off")
	g.phase("dualwrite")
	if _, err = conn.Exec(context.Background(), "DELETE FROM order_items WHERE order_id = 2"); !errors.As(err, &refused) || refused.Code != "55000" {
		t.Errorf("after off it says %v", err)
	}
	if n := pgtest.Drift(t, g.direct)["order-items"]; n != 0 {
		t.Errorf("drift of %d keys", n)
	}
}

// TestBothGenerationsOfRowsLeaveNoDrift has writers of both tables on the same few
// orders, in short rounds: the next write of a key would heal it.
func TestBothGenerationsOfRowsLeaveNoDrift(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			if g.phase("dualwrite"); level == pgx.RepeatableRead {
				g.use(guarded())
			}
			g.backfilled()
			pgtest.Exec(t, g.dsn, "INSERT INTO orders (id) SELECT generate_series(1, 4)")
			var committed atomic.Int64
			conns := make([]*pgx.Conn, 8)
			for i := range conns {
				conns[i] = g.connect(pgx.QueryExecModeExec)
				if _, err := conns[i].Exec(context.Background(), "SET deadlock_timeout = '10ms'"); err != nil {
					t.Fatal(err)
				}
			}
			rounds := 0
			const enough = 20
			for ctx := lasting(t, raceTime(t), func() bool { return committed.Load() >= enough }); ctx.Err() == nil && !t.Failed(); rounds++ {
				var running sync.WaitGroup
				for i, conn := range conns {
					running.Add(1)
					go func() {
						defer running.Done()
						bothTables(t, conn, level, rand.New(rand.NewSource(int64(rounds*len(conns)+i))), &committed)
					}()
				}
				if rounds%8 == 7 {
					refill(t, g)
				}
				running.Wait()
				if n := pgtest.Drift(t, g.direct)["order-items"]; n != 0 {
					t.Fatalf("drift of %d keys in round %d", n, rounds)
				}
			}
			if committed.Load() < enough {
				t.Errorf("only %d transactions were committed", committed.Load())
			}
			t.Logf("%d committed in %d rounds", committed.Load(), rounds)
		})
	}
}

// refill is a backfill of everything beside the writers.
func refill(t *testing.T, g *gate) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, g.direct)
	if err == nil {
		defer conn.Close(ctx)
		_, err = migrate.Backfill(ctx, conn, migrate.BackfillOptions{Planner: g.planner, Migration: "order-items", SkipWait: true, Restart: true, Batch: 2})
	}
	if err != nil {
		t.Errorf("backfill: %v", err)
	}
}

func bothTables(t *testing.T, conn *pgx.Conn, level pgx.TxIsoLevel, r *rand.Rand, committed *atomic.Int64) {
	ctx := context.Background()
	for range 3 {
		err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			for range 1 + r.Intn(2) {
				text := pick(r,
					`UPDATE orders SET items = '[{"sku": "%[3]s", "qty": 1}]' WHERE id = %[1]d`,
					`UPDATE orders SET items = items || '{"sku": "%[3]s"}' WHERE id = %[1]d AND jsonb_array_length(items) < 6`,
					`UPDATE orders SET items = items - 0 WHERE id = %[1]d`,
					`UPDATE orders SET items = items, note = 'n' WHERE id = %[1]d`,
					`INSERT INTO orders (id, items) VALUES (%[1]d, '[{"sku": "%[3]s"}]') ON CONFLICT (id) DO UPDATE SET items = excluded.items`,
					`DELETE FROM orders WHERE id = %[1]d AND id > 3`,
					`INSERT INTO order_items (order_id, sku) VALUES (%[1]d, '%[3]s')`,
					`INSERT INTO order_items (order_id, sku) VALUES (%[1]d, '%[3]s'), (%[2]d, 'two')`,
					`UPDATE order_items SET qty = coalesce(qty, 0) + 1 WHERE order_id = %[1]d`,
					`UPDATE order_items SET sku = '%[3]s' WHERE id = (SELECT min(id) FROM order_items WHERE order_id = %[1]d)`,
					`UPDATE order_items SET order_id = %[2]d WHERE order_id = %[1]d AND sku = 'two'`,
					`UPDATE order_items SET order_id = %[2]d WHERE id IN (SELECT max(id) FROM order_items)`,
					`DELETE FROM order_items WHERE order_id = %[1]d AND sku <> '%[3]s'`,
					`DELETE FROM order_items WHERE id IN (SELECT min(id) FROM order_items GROUP BY order_id HAVING count(*) > 5)`)
				text = strings.NewReplacer("%[1]d", fmt.Sprint(1+r.Intn(4)), "%[2]d", fmt.Sprint(1+r.Intn(4)), "%[3]s", fmt.Sprint(r.Intn(5))+"x").Replace(text)
				if _, err := tx.Exec(ctx, text); err != nil {
					return fmt.Errorf("%s: %w", text, err)
				}
			}
			return nil
		})
		var refused *pgconn.PgError
		if err != nil && (!errors.As(err, &refused) || refused.Code != "40001" && refused.Code != "40P01" && refused.Code != "23505" && refused.Code != "23503") {
			t.Errorf("unexpected: %v", err)
			return
		}
		if err == nil {
			committed.Add(1)
		}
	}
}

// TestWritersOfBothTablesDoNotDeadlock: those of the new table lock the old row first.
func TestWritersOfBothTablesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	pgtest.Exec(t, g.dsn, `INSERT INTO orders (id, items) SELECT n, '[{"sku": "a", "qty": 1}, {"sku": "b", "qty": 1}]' FROM generate_series(1, 2) n`)
	var running sync.WaitGroup
	until := time.Now().Add(raceTime(t) / 2)
	for i, text := range []string{
		`UPDATE orders SET items = jsonb_set(items, '{0,qty}', to_jsonb(1 + (random() * 1000)::int)) WHERE id = %d`,
		`UPDATE orders SET items = jsonb_build_array(items -> 1, items -> 0) WHERE id = %d`,
		`UPDATE order_items SET qty = qty + 1 WHERE order_id = %d`,
		`UPDATE order_items SET qty = qty + 1 WHERE order_id = %d AND sku IN (SELECT 'b')`,
	} {
		conn := g.connect(pgx.QueryExecModeExec)
		r := rand.New(rand.NewSource(int64(i)))
		running.Add(1)
		go func() {
			defer running.Done()
			for time.Now().Before(until) {
				if _, err := conn.Exec(context.Background(), fmt.Sprintf(text, 1+r.Intn(2))); err != nil {
					t.Errorf("%s: %v", text, err)
					return
				}
			}
		}()
	}
	running.Wait()
	pgtest.Agree(t, g.direct)
}

// down cannot be asked about a row that is not there yet.
func TestANewRowAheadOfItsOldRow(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	pgtest.Exec(t, g.direct, "ALTER TABLE order_items ALTER CONSTRAINT order_items_order_id_fkey DEFERRABLE INITIALLY DEFERRED")
	conn := pgtest.Connect(t, g.dsn)
	g.refuses(t, conn, []string{"23503"}, "BEGIN; INSERT INTO order_items (order_id, sku) VALUES (7, 'a'); INSERT INTO orders (id, items) VALUES (7, '[]'); COMMIT")
	for _, text := range []string{"ROLLBACK", "BEGIN", "INSERT INTO orders (id) VALUES (7)", "INSERT INTO order_items (order_id, sku) VALUES (7, 'a')", "COMMIT"} {
		do(t, conn, text)
	}
	g.noDrift(t, "the old row first")
}

// Carrying the new table back would change what the other migration's new shape is.
func TestTheNewTableIsNotWrittenWhereAnotherMigrationReadsTheOldColumns(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "ALTER TABLE orders ADD things int")
	g.use(pgtest.CanonRules("dualwrite") + `
  - name: order-things
    phase: dualwrite
    kind: columns
    old: {table: public.orders, key: [id], columns: [items]}
    new: {table: public.orders, columns: [things]}
    up: {things: "jsonb_array_length(old.items)"}
`)
	g.backfilled()
	conn := pgtest.Connect(t, g.dsn)
	do(t, conn, "INSERT INTO orders (id) VALUES (7)")
	g.refuses(t, conn, []string{"0A000"}, "INSERT INTO order_items (order_id, sku) VALUES (7, 'a')", "DELETE FROM order_items", "UPDATE order_items SET qty = 1")
	g.takes(t, conn, `UPDATE orders SET items = '[{"sku": "a"}]'`)
}
