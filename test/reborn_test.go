package test

import (
	"context"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// The cascade of a DELETE runs at the end of its statement, and takes the new
// rows of whoever has the key by then.
func TestAKeyThatIsDeletedAndInsertedInOneStatementKeepsItsNewRows(t *testing.T) {
	for _, text := range []string{
		`WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id) INSERT INTO orders (id, items) SELECT id, '[{"sku":"b"}]' FROM gone`,
		`WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id) INSERT INTO orders (id, items) SELECT id, '[{"sku":"b"}]' FROM gone ON CONFLICT DO NOTHING`,
		`WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id) INSERT INTO orders (id, items) SELECT id, '[{"sku":"b"}]' FROM gone ON CONFLICT (id) DO UPDATE SET items = excluded.items RETURNING id`,
		`WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id), back AS (INSERT INTO orders (id, items) SELECT id, '[{"sku":"b"}]' FROM gone RETURNING id) SELECT * FROM back`,
		`WITH gone AS (DELETE FROM orders WHERE id = 1 RETURNING id), back AS (INSERT INTO orders (id, items) SELECT id, '[{"sku":"b"}]' FROM gone RETURNING id) UPDATE orders SET items = '[]' WHERE id = 2`,
		`WITH back AS (INSERT INTO orders (id, items) SELECT 7, '[{"sku":"b"}]' RETURNING id) DELETE FROM orders WHERE id = 1`,
	} {
		for _, rules := range []string{pgtest.CanonRules("dualwrite"), guarded(), watched("reject")} {
			g := newGate(t, 0)
			g.use(rules)
			ways := map[string]string{"through pgjanus": g.dsn}
			if rules == guarded() {
				ways["past it"] = g.direct
			}
			for way, dsn := range ways {
				pgtest.Exec(t, g.dsn, `DELETE FROM orders; INSERT INTO orders (id, items) VALUES (1, '[{"sku":"a"}]'), (2, '[{"sku":"c"}]')`)
				if _, err := pgtest.Connect(t, dsn).Exec(context.Background(), text); err != nil {
					t.Fatalf("%s: %v", text, err)
				}
				if drift := pgtest.Drift(t, g.direct)["order-items"]; drift > 0 {
					t.Errorf("%s, %s: %d keys drift", text, way, drift)
				}
			}
		}
	}
}
