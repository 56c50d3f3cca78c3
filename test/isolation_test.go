package test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A session whose isolation level pgjanus could not see coming gets one
// serialization failure, as it must expect at that level, and none after it.
func TestALevelThatWasNotNoticedCostsOneRetry(t *testing.T) {
	g := newGate(t, 2)
	g.phase("dualwrite")
	ctx := context.Background()
	pgtest.Exec(t, g.direct, "CREATE FUNCTION quietly() RETURNS void LANGUAGE sql AS $$ SET default_transaction_isolation = 'serializable' $$")
	for name, mode := range map[string]pgx.QueryExecMode{"simple": pgx.QueryExecModeSimpleProtocol, "prepared": pgx.QueryExecModeCacheStatement} {
		t.Run(name, func(t *testing.T) {
			conn := g.connect(mode)
			if _, err := conn.Exec(ctx, "SELECT quietly()"); err != nil {
				t.Fatal(err)
			}
			write := func() error {
				_, err := conn.Exec(ctx, `UPDATE orders SET items = '[{"sku":"x"}]' WHERE id = 1`)
				return err
			}
			var pgErr *pgconn.PgError
			if err := write(); !errors.As(err, &pgErr) || pgErr.Code != "40001" {
				t.Fatalf("the first write gave %v, want 40001", err)
			}
			for range 3 {
				if err := write(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := conn.Exec(ctx, `INSERT INTO orders (items) VALUES ('[{"sku":"y"}]')`); err != nil {
				t.Fatal(err)
			}
		})
	}
	if n := pgtest.Value[int64](t, g.direct, "SELECT count(*) FROM order_items WHERE sku IN ('x', 'y')"); n != 3 {
		t.Errorf("%d children, want 3", n)
	}
}
