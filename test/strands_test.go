package test

import (
	"testing"
)

// One migration may map several columns that have nothing to do with each other.
// What one of them keeps is not lost because another one changes.
func TestTheLawHoldsForColumnsThatHaveNothingToDoWithEachOther(t *testing.T) {
	g := newGateOver(t, `CREATE TABLE t (id int PRIMARY KEY, active bool, cents numeric,
		status text DEFAULT 'on', price int DEFAULT 0)`)
	g.use(`migrations:
  - name: both
    phase: dualwrite
    kind: columns
    old: {table: public.t, key: [id], columns: [active, cents]}
    new: {table: public.t, columns: [status, price]}
    up: {status: "CASE WHEN old.active THEN 'on' ELSE 'off' END", price: "old.cents::int"}
    down: {active: "new.status = 'on'", cents: "new.price::numeric"}
`)
	if err := backfill(t.Context(), t, g.direct, g.planner, false); err != nil {
		t.Fatal(err)
	}
	g.shows(t, "active, cents, status, price", []lawStep{
		{"INSERT INTO t VALUES (1, false, 7)", "f 7 off 7"},
		{"UPDATE t SET status = 'paused', price = 7", "f 7 paused 7"},
		{"UPDATE t SET cents = 8", "f 8 paused 8"},
		{"UPDATE t SET active = false, cents = cents + 1", "f 9 paused 9"},
		{"INSERT INTO t VALUES (1, false, 10) ON CONFLICT (id) DO UPDATE SET active = excluded.active, cents = excluded.cents", "f 10 paused 10"},
		{"UPDATE t SET cents = 10.4", "f 10.4 paused 10"},
		{"UPDATE t SET price = 10, status = 'off'", "f 10.4 off 10"},
		{"UPDATE t SET status = 'on'", "t 10.4 on 10"},
		{"WITH w AS (SELECT 'paused' AS s) UPDATE t SET status = w.s, price = price FROM w", "f 10.4 paused 10"},
		{"UPDATE t SET price = price + 1", "f 11 paused 11"},
		{"UPDATE t SET active = NOT active", "t 11 on 11"},
	})
}
