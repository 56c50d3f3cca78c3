package test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
)

const (
	overtaken   = 7 // the order that is filled behind a transaction's back
	changeItems = `UPDATE orders SET items = '[{"sku": "new"}]' WHERE id = 7`
)

func TestSnapshotOlderThanTheBackfillIsRetried(t *testing.T) {
	for _, level := range levels[1:] {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 20)
			g.phase("dualwrite")
			ctx := context.Background()
			conn := g.connect(pgx.QueryExecModeExec)
			change := func(meanwhile func()) error {
				return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
					takeSnapshot(t, tx)
					meanwhile()
					_, err := tx.Exec(ctx, changeItems)
					return err
				})
			}
			err := change(func() { fillUnawaited(t, g) })
			if !overtakenByBackfill(err) {
				t.Fatalf("got %v, want 40001 because of the backfill", err)
			}
			if err := change(func() {}); err != nil {
				t.Errorf("the transaction was retried: %v", err)
			}
			if got := skus(t, g.direct); got != "new" {
				t.Errorf("order_items has %s, want new", got)
			}
			pgtest.Agree(t, g.direct)
		})
	}
}

// Without the guard the same transaction does not see the children that the
// backfill has made, and leaves them beside its own.
func TestSyncWithoutItsGuardLosesTheBackfill(t *testing.T) {
	g := newGate(t, 20)
	g.phase("dualwrite")
	ctx := context.Background()
	m := g.planner.Migration("order-items")
	sync := unguarded(t, g.direct, m)
	conn := pgtest.Connect(t, g.direct)
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		takeSnapshot(t, tx)
		fillUnawaited(t, g)
		if _, err := tx.Exec(ctx, changeItems); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "SELECT set_config($1, $2, true)", m.Key[0].Setting, fmt.Sprint(",", overtaken)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, sync)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := skus(t, g.direct); got != "new,sku-1" {
		t.Errorf("order_items has %s, want the old items too, new,sku-1: then this test shows nothing", got)
	}
	if err := backfill(ctx, t, g.direct, g.planner, true); err != nil {
		t.Fatal(err)
	}
	pgtest.Agree(t, g.direct)
}

// fillUnawaited fills every migration, and does not wait for the transactions
// that were there before: the one that the test holds open is one of them.
func fillUnawaited(t *testing.T, g *gate) {
	t.Helper()
	ctx := context.Background()
	conn := pgtest.Connect(t, g.direct)
	defer conn.Close(ctx)
	for _, m := range g.planner.Migrations() {
		if _, err := migrate.Backfill(ctx, conn, migrate.BackfillOptions{Planner: g.planner, Migration: m.Rule.Name, SkipWait: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// takeSnapshot fixes what the transaction sees.
func takeSnapshot(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if _, err := tx.Exec(context.Background(), "SELECT count(*) FROM order_items"); err != nil {
		t.Fatal(err)
	}
}

// skus lists the children of the order.
func skus(t *testing.T, dsn string) string {
	t.Helper()
	return pgtest.Value[string](t, dsn, "SELECT string_agg(sku, ',' ORDER BY sku) FROM order_items WHERE order_id = $1", overtaken)
}

// unguarded is the sync of m without its guard.
func unguarded(t *testing.T, dsn string, m *rewrite.Migration) string {
	t.Helper()
	f := m.Functions()[0]
	const name, guard, never = `pgjanus."unguarded"`, "''read %''", "''%''"
	if !strings.Contains(f.Create, guard) {
		t.Fatal("the sync of order-items has no guard")
	}
	pgtest.Exec(t, dsn, strings.NewReplacer(f.Name, name, guard, never).Replace(f.Create))
	return strings.ReplaceAll(m.SyncSQL(), f.Name, name)
}
