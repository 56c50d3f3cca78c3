package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// The new table may refer to tables that the old one does not. TRUNCATE of one of
// those, with CASCADE, names neither.
func TestTruncateThatCascadesToTheNewTableAlone(t *testing.T) {
	g := newGate(t, 3)
	pgtest.Exec(t, g.direct, `CREATE TABLE makers (id int PRIMARY KEY);
		CREATE TABLE products (id int PRIMARY KEY, maker int REFERENCES makers);
		ALTER TABLE order_items ADD product int REFERENCES products;
		CREATE TABLE customers (id int PRIMARY KEY);
		ALTER TABLE orders ADD customer_id int REFERENCES customers`)
	g.phase("dualwrite")
	g.refill()
	conn := pgtest.Connect(t, g.dsn)
	g.refuses(t, conn, []string{"0A000"}, "TRUNCATE products CASCADE", "TRUNCATE TABLE public.makers, customers CASCADE", "BEGIN; TRUNCATE makers CASCADE; COMMIT")
	g.takes(t, conn, "TRUNCATE products, orders CASCADE", "TRUNCATE customers CASCADE")
}
