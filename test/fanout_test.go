package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// The two ways to write both shapes of order 1, in SQL alone.
const (
	write = `UPDATE orders SET items = $1 WHERE id = 1`

	unfill = `DELETE FROM order_items WHERE order_id = 1`

	fill = `INSERT INTO order_items (order_id, sku) SELECT o.id, i.sku
		FROM orders o, jsonb_to_recordset(o.items) AS i (sku text) WHERE o.id = 1`

	writeBoth = `WITH u AS (UPDATE orders SET items = $1 WHERE id = 1 RETURNING id, items),
		d AS (DELETE FROM order_items t USING u WHERE t.order_id = u.id)
		INSERT INTO order_items (order_id, sku) SELECT u.id, i.sku FROM u, jsonb_to_recordset(u.items) AS i (sku text)`
)

// This is why pgjanus runs sync as a statement of its own. The second of two
// writers waits for the row; when it goes on, its one statement still has the
// snapshot from before the wait, in which the first writer's children do not
// exist.
func TestOneStatementFanOutLosesWrites(t *testing.T) {
	one := func(ctx context.Context, tx pgx.Tx, items string) error {
		_, err := tx.Exec(ctx, writeBoth, items)
		return err
	}
	two := func(ctx context.Context, tx pgx.Tx, items string) error {
		for _, s := range []struct {
			text string
			args []any
		}{{write, []any{items}}, {unfill, nil}, {fill, nil}} {
			if _, err := tx.Exec(ctx, s.text, s.args...); err != nil {
				return err
			}
		}
		return nil
	}
	if got := contend(t, one); got != "A,B" {
		t.Errorf("one statement left %s, want both sets of children, A,B: then this test shows nothing", got)
	}
	if got := contend(t, two); got != "B" {
		t.Errorf("a later statement left %s, want B alone", got)
	}
}

// contend lets two transactions write order 1: the second begins while the
// first holds the row, and goes on when that is committed. It returns the
// children that are left.
func contend(t *testing.T, both func(ctx context.Context, tx pgx.Tx, items string) error) string {
	t.Helper()
	ctx := context.Background()
	dsn := pgtest.Database(t)
	pgtest.Exec(t, dsn, pgtest.Schema, "INSERT INTO orders (id) VALUES (1)")
	first, second := pgtest.Connect(t, dsn), pgtest.Connect(t, dsn)

	tx, err := first.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := both(ctx, tx, `[{"sku": "A"}]`); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go writeSecond(ctx, second, both, done)
	waitForLock(t, dsn, second.PgConn().PID())
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return pgtest.Value[string](t, dsn, "SELECT string_agg(sku, ',' ORDER BY sku) FROM order_items")
}

func writeSecond(ctx context.Context, conn *pgx.Conn, both func(context.Context, pgx.Tx, string) error, done chan<- error) {
	done <- pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return both(ctx, tx, `[{"sku": "B"}]`) })
}

// waitForLock returns when a session waits for a lock.
func waitForLock(t *testing.T, dsn string, pid uint32) {
	t.Helper()
	waitUntil(t, "a session waits for a lock", func() bool {
		return pgtest.Value[bool](t, dsn, "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)", pid)
	})
}
