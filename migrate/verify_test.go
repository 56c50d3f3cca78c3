package migrate

import (
	"reflect"
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestVerifyNamesEveryKindOfDrift(t *testing.T) {
	for name, c := range map[string]struct {
		migration string
		sql       string
		keys      string // in order; each a key of one column
		reason    string // of the first
	}{
		"a row is missing":  {"order-items", "DELETE FROM order_items WHERE order_id = 4 AND sku = 'sku-2'", "4", "row 2: up gives (sku-2,2,200), the new table has (sku-3,3,300) (3 of its rows differ)"},
		"all rows missing":  {"order-items", "DELETE FROM order_items WHERE order_id = 1", "1", "row 1: up gives (sku-1,1,100), the new table has nothing (1 of its rows differ)"},
		"a row too many":    {"order-items", "INSERT INTO order_items (order_id, sku) VALUES (6, 'x')", "6", "row 1: up gives nothing, the new table has (x,,)"},
		"another value":     {"order-items", "UPDATE order_items SET qty = NULL WHERE order_id = 8", "8", "row 1: up gives (sku-1,1,100), the new table has (sku-1,,100) (2 of its rows differ)"},
		"another order":     {"order-items", "UPDATE order_items SET id = id + 1000000 WHERE order_id = 3 AND sku = 'sku-1'", "3", "row 1: up gives (sku-1,1,100), the new table has (sku-2,2,200)"},
		"a stale old shape": {"order-items", "UPDATE orders SET items = '[]' WHERE id IN (20, 3)", "3 20", "row 1: up gives nothing"},
		"rows of nobody":    {"order-items", "SET session_replication_role = replica; DELETE FROM orders WHERE id = 9", "9", "3 new rows have no old row"},
		"a null parent":     {"order-items", "INSERT INTO order_items (sku) VALUES ('x')", "NULL", "1 new rows have no old row"},
		"a new column":      {"counter-bigint", "UPDATE counters SET id_big = 7000 WHERE id = 7", "7", "up gives (7), the new columns have (7000)"},
		"a null column":     {"counter-bigint", "UPDATE counters SET id_big = NULL WHERE id IN (19, 2)", "2 19", "up gives (2), the new columns have ()"},
		"the law is broken": {"user-status", "UPDATE users SET status = 'paused' WHERE id = 1", "1", "up gives (active), the new columns have (paused)"},
		"the law is kept":   {"user-status", "UPDATE users SET status = 'paused' WHERE id = 3", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := canon(t, 20)
			s.backfill(BackfillOptions{Migration: c.migration})
			s.clean(c.migration)
			s.exec(c.sql)
			res := s.verify(c.migration)
			keys := make([]string, 0, len(res.Keys))
			for _, k := range res.Keys {
				if len(k.Key) != 1 {
					t.Fatalf("key %q", k.Key)
				}
				keys = append(keys, k.Key[0])
			}
			if got := strings.Join(keys, " "); got != c.keys || int(res.Drift) != len(keys) {
				t.Errorf("%d drift, keys %s, want %s", res.Drift, got, c.keys)
			}
			if len(res.Keys) > 0 && !strings.HasPrefix(res.Keys[0].Reason, c.reason) {
				t.Errorf("reason %q, want %q", res.Keys[0].Reason, c.reason)
			}
		})
	}
}

func TestVerifyCountsAllAndNamesTheFirst(t *testing.T) {
	s := canon(t, 100)
	var seen []VerifyProgress
	res, err := Verify(s.context(), s.conn, VerifyOptions{
		Planner: s.planner, Migration: "counter-bigint", Limit: 3, page: 40,
		Progress: func(p VerifyProgress) { seen = append(seen, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, k := range res.Keys {
		keys = append(keys, k.Key...)
	}
	if res.Compared != 100 || res.Drift != 100 || !reflect.DeepEqual(keys, []string{"1", "2", "3"}) || res.Snapshot == "" {
		t.Errorf("%+v", res)
	}
	if len(seen) != 3 || seen[1].Compared != 80 || seen[1].Drift != 80 || seen[1].Estimate != 100 {
		t.Errorf("progress %+v", seen)
	}
}

func TestVerifyLooksAtOneSnapshot(t *testing.T) {
	s := canon(t, 30)
	s.backfill(BackfillOptions{Migration: "order-items"})
	broken := false
	res, err := Verify(s.context(), s.conn, VerifyOptions{Planner: s.planner, Migration: "order-items", page: 10, Progress: func(VerifyProgress) {
		if !broken {
			broken = true
			s.exec("DELETE FROM order_items")
		}
	}})
	if err != nil || res.Drift != 0 || !broken {
		t.Errorf("%+v, %v", res, err)
	}
	if res := s.verify("order-items"); res.Drift != 25 {
		t.Errorf("afterwards: drift %d", res.Drift)
	}
}

func TestVerifyOfAnUnknownMigrationSaysWhichThereAre(t *testing.T) {
	s := canon(t, 1)
	_, err := Verify(s.context(), s.conn, VerifyOptions{Planner: s.planner, Migration: "order_items"})
	if err == nil || !strings.Contains(err.Error(), "they have: order-items, user-status") {
		t.Error(err)
	}
	s.rules(pgtest.CanonRules("off"))
	_, err = Verify(s.context(), s.conn, VerifyOptions{Planner: s.planner, Migration: "order-items"})
	if err == nil || !strings.Contains(err.Error(), "is in phase off") {
		t.Error(err)
	}
}
