package pgtest

import (
	"strings"
	"testing"
)

// driftQueries count the keys whose two shapes disagree. They are written by
// hand, so that they share nothing with the code that is tested.
//
// An order drifts when the multiset of its items differs between the shapes,
// or when children refer to no order. A user drifts when down(status) is not
// is_active: the law of lossy maps lets paused stay beside not active.
var driftQueries = [...]struct{ migration, sql string }{
	{"order-items", `
SELECT count(*) FROM (
	SELECT o.id, array_agg(ROW (i.sku, i.qty, i.price_cents)::text ORDER BY ROW (i.sku, i.qty, i.price_cents)::text) AS items
	  FROM orders o, jsonb_to_recordset(o.items) AS i (sku text, qty int, price_cents int) GROUP BY o.id
) AS a FULL JOIN (
	SELECT order_id AS id, array_agg(ROW (sku, qty, price_cents)::text ORDER BY ROW (sku, qty, price_cents)::text) AS items
	  FROM order_items GROUP BY order_id
) AS b ON a.id = b.id WHERE a.items IS DISTINCT FROM b.items`},
	{"user-status", `SELECT count(*) FROM users WHERE (status = 'active') IS DISTINCT FROM is_active`},
	{"counter-bigint", `SELECT count(*) FROM counters WHERE id_big IS DISTINCT FROM id`},
}

// Drift counts the drifting keys of each canonical migration, by name.
func Drift(t testing.TB, dsn string) map[string]int {
	t.Helper()
	drift := make(map[string]int, len(driftQueries))
	for _, q := range driftQueries {
		drift[q.migration] = int(Value[int64](t, dsn, q.sql))
	}
	return drift
}

// Agree fails the test when any canonical migration has drift.
func Agree(t testing.TB, dsn string) {
	t.Helper()
	for migration, keys := range Drift(t, dsn) {
		if keys > 0 {
			t.Errorf("%s: the two shapes of %d keys disagree", migration, keys)
		}
	}
}

// DriftSQL is a query that counts the drifting keys of all canonical migrations.
func DriftSQL() string {
	counts := make([]string, 0, len(driftQueries))
	for _, q := range driftQueries {
		counts = append(counts, "("+q.sql+")")
	}
	return "SELECT " + strings.Join(counts, " + ")
}
