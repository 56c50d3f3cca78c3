package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// What nobody has told pgjanus of: its rows stay out of the new shape.
func TestRowsOfAnotherTableOfTheNameAreNotSynced(t *testing.T) {
	ctx := context.Background()
	for name, unseen := range map[string]struct{ before, through string }{
		"a temporary table that a function makes":            {through: "SELECT shadow()"},
		"a temporary table of EXECUTE inside DO":             {through: "DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE ord' || 'ers (LIKE public.ord' || 'ers INCLUDING ALL)'; END $$"},
		"a table that another session has just created":      {before: "CREATE SCHEMA c; CREATE TABLE c.orders (LIKE orders INCLUDING ALL)", through: "SET search_path = c, public"},
		"a partitioned one that another session has created": {before: "CREATE SCHEMA c; CREATE TABLE c.orders (LIKE orders) PARTITION BY LIST (id); CREATE TABLE c.rest PARTITION OF c.orders DEFAULT", through: "SET search_path = c, public"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, 3)
			pgtest.Exec(t, g.direct, `CREATE FUNCTION shadow() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CREATE TEMP TABLE orders (LIKE public.orders INCLUDING ALL); END $$`)
			g.phase("dualwrite")
			pgtest.Exec(t, g.dsn, "UPDATE public.orders SET items = items", "UPDATE public.users SET is_active = is_active", "UPDATE public.counters SET id = id")
			if unseen.before != "" {
				pgtest.Exec(t, g.direct, unseen.before)
			}
			for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement} {
				conn := g.connect(mode)
				for _, text := range []string{
					unseen.through,
					`INSERT INTO orders (id, items) VALUES (1, '[{"sku": "x", "qty": 1, "price_cents": 1}]'), (2, '[]')`,
					`UPDATE orders SET items = '[{"sku": "y", "qty": 2, "price_cents": 2}]' WHERE id = 2`,
					`WITH w AS (UPDATE orders SET items = items || '[{"sku": "z", "qty": 2, "price_cents": 2}]' WHERE id = 1 RETURNING id) SELECT * FROM w`,
					"DELETE FROM orders",
				} {
					if _, err := conn.Exec(ctx, text); err != nil {
						t.Fatalf("%s: %v", text, err)
					}
					pgtest.Agree(t, g.direct)
				}
			}
		})
	}
}
