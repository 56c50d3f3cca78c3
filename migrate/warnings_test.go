package migrate_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

// What up does not yield, an old row says nothing of: down gives other items back
// than were written.
func TestDownThatReadsWhatUpDoesNotYieldIsWarnedOf(t *testing.T) {
	dsn := pgtest.Database(t)
	pgtest.Canon(t, dsn, 0)
	pgtest.Exec(t, dsn, "ALTER TABLE order_items ADD deleted boolean NOT NULL DEFAULT false")
	for _, c := range []struct {
		up, down string
		warnings int
	}{
		{"SELECT i.sku", "", 0},
		{"SELECT i.sku", "WHERE order_id > 0", 0},
		{"SELECT i.sku", "WHERE NOT deleted OR deleted IS NULL", 1},
		{"SELECT i.sku, false AS deleted", "WHERE NOT deleted", 0},
	} {
		set, err := rules.Parse("rules.yaml", []byte(`migrations:
  - name: order-items
    phase: dualwrite
    kind: rows
    old: {table: public.orders, key: [id], columns: [items]}
    new: {table: public.order_items, parent: {order_id: id}}
    up: `+c.up+` FROM jsonb_to_recordset(old.items) AS i(sku text)
    down: {items: "SELECT json_agg(json_build_object('sku', sku) ORDER BY id)::text::jsonb FROM new `+c.down+`"}
`))
		if err != nil {
			t.Fatal(err)
		}
		planner, err := migrate.Load(context.Background(), pgtest.Connect(t, dsn), set, 1)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(strings.Join(planner.Warnings(), "\n"), "down reads deleted of public.order_items, which up does not yield"); got != c.warnings {
			t.Errorf("%s and %s: %q", c.up, c.down, planner.Warnings())
		}
	}
}
