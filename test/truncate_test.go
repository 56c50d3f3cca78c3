package test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

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
	for _, text := range []string{"TRUNCATE products CASCADE", "TRUNCATE TABLE public.makers, customers CASCADE", "BEGIN; TRUNCATE makers CASCADE; COMMIT"} {
		var refused *pgconn.PgError
		if _, err := conn.PgConn().Exec(context.Background(), text).ReadAll(); !errors.As(err, &refused) || refused.Code != "0A000" {
			t.Errorf("%s: %v, want a refusal", text, err)
		}
		g.noDrift(t, text)
	}
	for _, text := range []string{"TRUNCATE products, orders CASCADE", "TRUNCATE customers CASCADE"} {
		do(t, conn, text)
		g.noDrift(t, text)
	}
}
