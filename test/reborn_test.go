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

// ON UPDATE CASCADE runs at the end of the statement, too, and takes the new rows of
// whatever has the key then.
func TestKeyThatIsMovedAndInsertedAgainInOneStatement(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey, ADD FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE")
	g.phase("dualwrite")
	conn := pgtest.Connect(t, g.dsn)
	for _, text := range []string{
		`INSERT INTO orders (id, items) VALUES (1, '[{"sku": "a"}]'), (2, '[{"sku": "b"}]')`,
		`WITH moved AS (UPDATE orders SET id = 10 WHERE id = 1 RETURNING id) INSERT INTO orders (id, items) SELECT 1, '[{"sku": "c"}]' FROM moved`,
		`WITH moved AS (UPDATE orders SET id = 20 WHERE id = 2 RETURNING id) INSERT INTO orders (id, items) SELECT 2, '[{"sku": "d"}]' FROM moved ON CONFLICT (id) DO UPDATE SET items = '[]'`,
		`WITH moved AS (UPDATE orders SET id = 30 WHERE id = 20 RETURNING id) UPDATE orders SET id = 20, items = '[{"sku": "e"}]' FROM moved WHERE orders.id = 2`,
	} {
		do(t, conn, text)
		pgtest.Agree(t, g.direct)
	}
}
