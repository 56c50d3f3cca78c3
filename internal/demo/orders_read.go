package demo

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// readOrder reads back a row the connection has written; read-your-writes.
func readOrder(ctx context.Context, c *client) error {
	id, items, ok := c.orders.any(c.rng)
	if !ok {
		return insertOrder(ctx, c)
	}
	return expectItems(ctx, c.conn, id, items)
}

func listOrders(ctx context.Context, c *client) error {
	sql, args := `SELECT id, status, total_cents FROM orders WHERE customer_id = $1 ORDER BY id DESC LIMIT 20`, []any{c.customer()}
	if c.rng.IntN(2) == 0 {
		sql, args = `SELECT id, status, total_cents FROM orders ORDER BY id DESC LIMIT 20`, nil
	}
	rows, err := c.conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	var id int64
	var status string
	var total int
	last := int64(1) << 62
	_, err = pgx.ForEachRow(rows, []any{&id, &status, &total}, func() error {
		if id >= last {
			return fmt.Errorf("order %d listed after %d", id, last)
		}
		last = id
		return nil
	})
	return err
}

// oldOrder writes somewhere in history, where the backfill may be just now.
func oldOrder(ctx context.Context, c *client) error {
	const span = 5
	id := 1 + hotRows + c.rng.Int64N(int64(c.world.scale.Orders-hotRows-span))
	var sql string
	args := []any{id}
	switch c.rng.IntN(6) {
	case 0:
		sql = `UPDATE orders SET items = items || '[{"sku": "SKU-BONUS", "qty": 1, "price_cents": 0}]' WHERE id BETWEEN $1 AND $1 + 4 AND jsonb_array_length(items) < 20`
	case 1:
		sql = `UPDATE orders SET status = 'closed', updated_at = now() WHERE id = $1`
	case 2:
		sql = `DELETE FROM orders WHERE id = $1`
	case 3:
		sql = `WITH emptied AS (UPDATE orders SET items = '[]' WHERE id = $1 RETURNING id, customer_id) SELECT id, customer_id FROM emptied`
	default:
		sql, args = `UPDATE orders SET items = $2 /* corrected */ WHERE id = $1`, append(args, asJSON(c.someItems(8)))
	}
	_, err := c.conn.Exec(ctx, sql, args...)
	return err
}

// pipelineOrders sends several statements behind one Sync; connections that
// do not pipeline insert one order instead.
func pipelineOrders(ctx context.Context, c *client) error {
	id, _, ok := c.orders.any(c.rng)
	if !c.batch || !ok {
		return insertOrder(ctx, c)
	}
	fresh, more, last := c.someItems(4), c.someItems(3), c.someItems(2)
	var made int64
	var seen []item
	b := &pgx.Batch{}
	b.Queue(`UPDATE orders SET items = $2 WHERE id = $1`, id, asJSON(more))
	b.Queue(`INSERT INTO orders (number, customer_id, items) VALUES ($1, $2, $3) RETURNING id`, c.number("PI"), c.customer(), asJSON(fresh)).
		QueryRow(func(row pgx.Row) error { return row.Scan(&made) })
	b.Queue(`UPDATE orders SET items = items || $2::jsonb WHERE id = $1`, id, asJSON(last))
	b.Queue(`SELECT items FROM orders WHERE id = $1`, id).
		QueryRow(func(row pgx.Row) error { return row.Scan(&seen) })
	if err := c.conn.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	items := slices.Concat(more, last)
	c.orders.put(id, items)
	c.orders.put(made, fresh)
	if !slices.Equal(seen, items) {
		return fmt.Errorf("order %d in a pipeline has %v, written was %v", id, seen, items)
	}
	return nil
}
