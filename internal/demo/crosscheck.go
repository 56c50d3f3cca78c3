package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// crossChecks count the drifting keys of each migration in plain SQL, so that
// the verdict does not rest on the code that is being shown.
var crossChecks = map[string]string{
	orderItems: `
		WITH new AS MATERIALIZED (
			SELECT order_id, jsonb_agg(jsonb_build_object('sku', sku, 'qty', qty, 'price_cents', price_cents) ORDER BY id) AS items
			FROM order_items GROUP BY order_id)
		SELECT count(*) FROM orders FULL JOIN new ON new.order_id = orders.id
		WHERE orders.id IS NULL OR orders.items <> coalesce(new.items, '[]')`,
	userStatus:    `SELECT count(*) FROM users WHERE is_active <> (status = 'active')`,
	counterBigint: `SELECT count(*) FROM counters WHERE id_big IS DISTINCT FROM id`,
}

// crossCheck counts the drifting keys of a migration.
func crossCheck(ctx context.Context, conn *pgx.Conn, migration string) (int64, error) {
	var drift int64
	if err := conn.QueryRow(ctx, crossChecks[migration]).Scan(&drift); err != nil {
		return 0, fmt.Errorf("cross-checking %s: %w", migration, err)
	}
	return drift, nil
}
