package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// item is one element of orders.items.
type item struct {
	SKU        string `json:"sku"`
	Qty        int    `json:"qty"`
	PriceCents int    `json:"price_cents"`
}

// asJSON encodes items as the application sends them.
func asJSON(items []item) string {
	if items == nil {
		items = []item{}
	}
	b, err := json.Marshal(items)
	if err != nil {
		panic("BUG: items cannot be encoded: " + err.Error())
	}
	return string(b)
}

// someItems returns up to most items, often few.
func (c *client) someItems(most int) []item {
	items := make([]item, c.rng.IntN(most+1)*c.rng.IntN(2)+c.rng.IntN(2))
	for i := range items {
		items[i] = item{SKU: fmt.Sprintf("SKU-%d", 10000+c.rng.IntN(9000)), Qty: 1 + c.rng.IntN(5), PriceCents: 99 + 50*c.rng.IntN(400)}
	}
	return items
}

// customer returns the id of somebody.
func (c *client) customer() int64 { return 1 + c.rng.Int64N(int64(c.world.scale.Users)) }

func insertOrder(ctx context.Context, c *client) error {
	items := c.someItems(6)
	var id int64
	if err := c.conn.QueryRow(ctx, `INSERT INTO orders (number, customer_id, items, total_cents) VALUES ($1, $2, $3, $4) RETURNING id`,
		c.number("SO"), c.customer(), asJSON(items), 100*len(items)).Scan(&id); err != nil {
		return err
	}
	c.orders.put(id, items)
	return nil
}

// insertEmptyOrder leaves items to its default.
func insertEmptyOrder(ctx context.Context, c *client) error {
	var id int64
	if err := c.conn.QueryRow(ctx, `INSERT INTO orders (number, customer_id) VALUES ($1, $2) RETURNING id`,
		c.number("SO"), c.customer()).Scan(&id); err != nil {
		return err
	}
	c.orders.put(id, nil)
	return nil
}

func insertOrders(ctx context.Context, c *client) error {
	all := [][]item{c.someItems(4), nil, c.someItems(12)}
	rows, err := c.conn.Query(ctx, `INSERT INTO orders (number, customer_id, items) VALUES ($1, $2, $3::jsonb), ($4, $2, '[]'), ($5, $2, $6::jsonb) RETURNING id`,
		c.number("SO"), c.customer(), asJSON(all[0]), c.number("SO"), c.number("SO"), asJSON(all[2]))
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return err
	}
	if len(ids) != len(all) {
		return fmt.Errorf("%d ids returned for %d rows", len(ids), len(all))
	}
	for i, id := range ids {
		c.orders.put(id, all[i])
	}
	return nil
}

// reorder copies an order with INSERT .. SELECT.
func reorder(ctx context.Context, c *client) error {
	from, items, ok := c.orders.any(c.rng)
	if !ok {
		return insertOrder(ctx, c)
	}
	var id int64
	if err := c.conn.QueryRow(ctx, `INSERT INTO orders (number, customer_id, items, note) SELECT $2, customer_id, items, 'copy' FROM orders WHERE id = $1 RETURNING id`,
		from, c.number("RE")).Scan(&id); err != nil {
		return err
	}
	c.orders.put(id, items)
	return nil
}

// upsertOrder saves a whole order by its id, as object mappers do.
func upsertOrder(ctx context.Context, c *client) error {
	id, _, ok := c.orders.any(c.rng)
	if !ok {
		return insertOrder(ctx, c)
	}
	items := c.someItems(6)
	tag, err := c.conn.Exec(ctx, `INSERT INTO orders (id, number, customer_id, items) VALUES ($1, $2, $3, $4)
		ON CONFLICT (id) DO UPDATE SET items = EXCLUDED.items, updated_at = now() -- upsert`, id, c.number("UP"), c.customer(), asJSON(items))
	if err != nil {
		return err
	}
	if tag.String() != "INSERT 0 1" {
		return fmt.Errorf("upsert answered %q", tag)
	}
	c.orders.put(id, items)
	return nil
}

// changeOrder edits the items of an order in one of the ways of jsonb.
func changeOrder(ctx context.Context, c *client) error {
	id, items, ok := c.orders.any(c.rng)
	if !ok {
		return insertOrder(ctx, c)
	}
	items = slices.Clone(items)
	sql, args := "", []any{id}
	switch how := c.rng.IntN(4); {
	case len(items) > 20 || how == 0:
		items = c.someItems(6)
		sql, args = `UPDATE orders SET items = $2, updated_at = now() WHERE id = $1`, append(args, asJSON(items))
	case len(items) > 0 && how == 1:
		items = items[1:]
		sql = `UPDATE orders SET items = items - 0 WHERE id = $1`
	case len(items) > 0 && how == 2:
		items[0].Qty += 2
		sql = `UPDATE orders AS o SET items = jsonb_set(o.items, '{0,qty}', to_jsonb((o.items -> 0 ->> 'qty')::int + 2)), note = 'changed' WHERE o.id = $1`
	default:
		more := c.someItems(2)
		items = append(items, more...)
		sql, args = `UPDATE orders SET items = items || $2::jsonb WHERE id = $1`, append(args, asJSON(more))
	}
	tag, err := c.conn.Exec(ctx, sql, args...)
	if err != nil {
		return err
	}
	if tag.String() != "UPDATE 1" {
		return fmt.Errorf("update of order %d answered %q", id, tag)
	}
	c.orders.put(id, items)
	return nil
}

func deleteOrder(ctx context.Context, c *client) error {
	id, _, ok := c.orders.any(c.rng)
	if !ok || len(c.orders.keys) < ownRows/2 {
		return insertOrder(ctx, c)
	}
	tag, err := c.conn.Exec(ctx, `DELETE FROM orders WHERE id = $1`, id)
	if err != nil {
		return err
	}
	if tag.String() != "DELETE 1" {
		return fmt.Errorf("delete of order %d answered %q", id, tag)
	}
	c.orders.drop(id)
	return nil
}
