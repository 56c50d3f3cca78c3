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
)

// The interleavings that rewrite/sync_back.go lists, one by one: the first
// transaction holds what the second one waits for, and commits.
func TestTheSecondWriterSeesWhatTheFirstHasCommitted(t *testing.T) {
	for _, c := range []struct{ name, first, second, want string }{
		{"both insert new rows", "INSERT INTO order_items (order_id, sku, qty) VALUES (1, 'n', 1)", "INSERT INTO order_items (order_id, sku, qty) VALUES (1, 'm', 2)", "a1 b2 n1 m2"},
		{"an old row, then a new one", `UPDATE orders SET items = '[{"sku": "o", "qty": 3}]' WHERE id = 1`, "INSERT INTO order_items (order_id, sku, qty) VALUES (1, 'm', 2)", "o3 m2"},
		{"a new row, then the old one", "INSERT INTO order_items (order_id, sku, qty) VALUES (1, 'n', 1)", `UPDATE orders SET items = items || '[{"sku": "o", "qty": 3}]' WHERE id = 1`, "a1 b2 n1 o3"},
		{"both change new rows", "UPDATE order_items SET qty = 8 WHERE order_id = 1 AND sku = 'a'", "UPDATE order_items SET qty = 9 WHERE order_id = 1 AND sku = 'b'", "a8 b9"},
		{"both change new rows, by a function", "UPDATE order_items SET qty = 8 WHERE order_id = 1 AND sku = lower('A')", "UPDATE order_items SET qty = 9 WHERE order_id = 1 AND sku = lower('B')", "a8 b9"},
		{"a row that has moved moves on", "UPDATE order_items SET order_id = 2 WHERE sku = 'b'", "UPDATE order_items SET order_id = 3 WHERE sku = lower('B') OR sku = 'c'", "a1"},
		{"a row that has moved goes", "UPDATE order_items SET order_id = 2 WHERE sku = 'b'", "DELETE FROM order_items WHERE sku = lower('B')", "a1"},
		{"rows that are gone", `UPDATE orders SET items = '[]' WHERE id = 1`, "UPDATE order_items SET qty = 9 WHERE order_id = 1", ""},
		{"the old row goes", "DELETE FROM order_items WHERE order_id = 1", "DELETE FROM orders WHERE id = 1", ""},
	} {
		for _, level := range levels[:2] {
			t.Run(fmt.Sprint(c.name, " at ", level), func(t *testing.T) { oneBehindTheOther(t, level, c.first, c.second, c.want) })
		}
	}
}

func oneBehindTheOther(t *testing.T, level pgx.TxIsoLevel, first, second, want string) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	ctx := context.Background()
	pgtest.Exec(t, g.dsn, "INSERT INTO orders (id) VALUES (1), (2), (3)",
		"INSERT INTO order_items (id, order_id, sku, qty) VALUES (1, 1, 'a', 1), (2, 1, 'b', 2)", "SELECT setval('order_items_id_seq', 10)")
	one, two := g.connect(pgx.QueryExecModeExec), g.connect(pgx.QueryExecModeExec)
	if _, err := one.Exec(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Exec(ctx, first); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	begun := make(chan bool)
	go func() {
		done <- pgx.BeginTxFunc(ctx, two, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "SELECT 1 FROM orders LIMIT 1")
			close(begun)
			if err == nil {
				_, err = tx.Exec(ctx, second)
			}
			return err
		})
	}()
	<-begun
	waitUntil(t, "the second waits for the first", func() bool {
		return pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") > 0
	})
	if _, err := one.Exec(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	err := <-done
	var refused *pgconn.PgError
	if level != pgx.ReadCommitted {
		if !errors.As(err, &refused) || refused.Code != "40001" {
			t.Errorf("it says %v, want 40001", err)
		}
	} else if err != nil {
		t.Error(err)
	} else if got := pgtest.Value[string](t, g.direct, fmt.Sprintf(items, 1)); got != want {
		t.Errorf("order 1 has %q, want %q", got, want)
	}
	pgtest.Agree(t, g.direct)
}

// Two transactions of fixed snapshots whose rows change nothing in the old one
// each by itself, and both together do.
func TestFixedSnapshotsNoticeNewRowsThatChangeNothingOld(t *testing.T) {
	for _, level := range levels[1:] {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			text := pgtest.CanonRules("dualwrite")
			from := strings.Index(text, "SELECT coalesce(jsonb_agg(")
			to := from + strings.Index(text[from:], "FROM new")
			g.use(text[:from] + "SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_object('sku', sku)), '[]') " + text[to:])
			g.backfilled()
			ctx := context.Background()
			pgtest.Exec(t, g.dsn, "INSERT INTO orders (id) VALUES (1)", "INSERT INTO order_items (id, order_id, sku) VALUES (1, 1, 'a')")
			conn := g.connect(pgx.QueryExecModeExec)
			err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				takeSnapshot(t, tx)
				pgtest.Exec(t, g.dsn, "INSERT INTO order_items (id, order_id, sku) VALUES (2, 1, 'a')")
				_, err := tx.Exec(ctx, "DELETE FROM order_items WHERE id = 1")
				return err
			})
			var refused *pgconn.PgError
			if !errors.As(err, &refused) || refused.Code != "40001" {
				t.Errorf("it says %v, want 40001", err)
			}
			if got := pgtest.Value[string](t, g.direct, "SELECT items::text FROM orders"); got != `[{"sku": "a"}]` {
				t.Errorf("the old shape is %s", got)
			}
		})
	}
}

// A backfill that runs again fills what a client past pgjanus has lost, and only
// locks the old row: a snapshot from before does not see it.
func TestNewRowsBehindABackfillAreRetried(t *testing.T) {
	for _, level := range levels[1:] {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 10)
			g.phase("dualwrite")
			g.backfilled()
			pgtest.Exec(t, g.direct, "DELETE FROM order_items WHERE order_id = 7")
			ctx := context.Background()
			conn := g.connect(pgx.QueryExecModeExec)
			err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
				takeSnapshot(t, tx)
				refill(t, g)
				_, err := tx.Exec(ctx, "INSERT INTO order_items (order_id, sku) VALUES (7, 'new')")
				return err
			})
			if !overtakenByBackfill(err) {
				t.Errorf("it says %v, want 40001 because of the backfill", err)
			}
			if n := pgtest.Drift(t, g.direct)["order-items"]; n != 0 {
				t.Errorf("drift of %d keys", n)
			}
		})
	}
}

// Who writes the new table is held up, and meanwhile the migration goes to off and
// the old shape is written alone. That write is not lost to what down says.
func TestWhatIsWrittenInOffIsNotCarriedOver(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	g.backfilled()
	ctx := context.Background()
	pgtest.Exec(t, g.dsn, "INSERT INTO orders (id) VALUES (1), (2)")
	holder := pgtest.Connect(t, g.direct)
	if _, err := holder.Exec(ctx, "BEGIN; UPDATE orders SET note = 'held' WHERE id = 1"); err != nil {
		t.Fatal(err)
	}
	writer := g.connect(pgx.QueryExecModeExec)
	done := make(chan error, 1)
	go func() {
		_, err := writer.Exec(ctx, "INSERT INTO order_items (order_id, sku) VALUES (1, 'n'), (2, 'n')")
		done <- err
	}()
	waitUntil(t, "the writer of the new table waits", func() bool {
		return pgtest.Value[bool](t, g.direct, "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
	})
	g.phase("off")
	pgtest.Exec(t, g.dsn, `UPDATE orders SET items = '[{"sku":"off"}]' WHERE id = 2`)
	if _, err := holder.Exec(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	var refused *pgconn.PgError
	if err := <-done; !errors.As(err, &refused) || refused.Code != "55000" {
		t.Errorf("the writer of the new table got %v", err)
	}
	if got := pgtest.Value[string](t, g.direct, fmt.Sprintf(items, 2)); got != "off" {
		t.Errorf("the old shape has %q", got)
	}
}

// The sequence may lag behind: applications give ids themselves, and sessions hold
// numbers back. The new rows stand in the order that up gives all the same.
func TestNewRowsWhoseNumbersComeBeforeThoseThatAreThere(t *testing.T) {
	one, two := `[{"sku":"a"}]`, `[{"sku":"a"},{"sku":"b"}]`
	for name, c := range map[string]struct {
		prepare string
		texts   []string
	}{
		"given by the application": {"", []string{
			"INSERT INTO orders (id) VALUES (1)",
			"INSERT INTO order_items (id, order_id, sku) VALUES (1000, 1, 'a')",
			"UPDATE orders SET items = '" + two + "'",
			"UPDATE order_items SET id = id + 2000",
			`WITH w AS (UPDATE orders SET items = items || '{"sku":"c"}') SELECT 1`,
			`INSERT INTO orders (id, items) SELECT id, items || '{"sku":"d"}' FROM orders ON CONFLICT (id) DO UPDATE SET items = excluded.items`,
		}},
		"cached": {"ALTER SEQUENCE order_items_id_seq CACHE 50", []string{
			"INSERT INTO orders (id, items) VALUES (7, '" + one + "')", // the first session has numbers from 1
			"INSERT INTO orders (id, items) VALUES (1, '" + one + "')",
			"UPDATE orders SET items = '" + two + "'",
			"UPDATE orders SET items = '" + two + "' || items",
		}},
		"by keys": {"CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER quiet AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION quiet()", []string{
			"INSERT INTO orders (id, items) VALUES (1, '[]'), (2, '" + two + "')",
			"INSERT INTO order_items (id, order_id, sku) VALUES (1000, 1, 'a')",
			"UPDATE orders SET items = '" + two + "'",
			"UPDATE orders SET items = '" + two + "' || items",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, 0)
			if c.prepare != "" {
				pgtest.Exec(t, g.direct, c.prepare)
			}
			g.phase("dualwrite")
			g.backfilled()
			sessions := [2]*pgx.Conn{g.connect(pgx.QueryExecModeExec), g.connect(pgx.QueryExecModeExec)}
			for i, text := range c.texts {
				do(t, sessions[i%2], text)
				g.noDrift(t, text)
			}
		})
	}
}
