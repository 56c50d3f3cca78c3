package demo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// checkout writes an order in three statements and reads it back before it
// commits, or gives up and rolls back.
func checkout(ctx context.Context, c *client) error {
	items, more := c.someItems(4), c.someItems(3)
	giveUp := c.rng.IntN(3) == 0
	var id int64
	err := c.transaction(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `INSERT INTO orders (number, customer_id, items) VALUES ($1, $2, $3) RETURNING id`,
			c.number("TX"), c.customer(), asJSON(items)).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE orders SET items = items || $2::jsonb, status = 'paid' WHERE id = $1`, id, asJSON(more)); err != nil {
			return err
		}
		if err := expectItems(ctx, tx, id, slices.Concat(items, more)); err != nil {
			return err
		}
		if giveUp {
			return errRollback
		}
		return nil
	})
	if err != nil {
		return err
	}
	if giveUp {
		return expectNoOrder(ctx, c.conn, id)
	}
	c.orders.put(id, slices.Concat(items, more))
	return nil
}

// regret changes, deletes and rolls back; the order must be as it was.
func regret(ctx context.Context, c *client) error {
	id, items, ok := c.orders.any(c.rng)
	if !ok {
		return insertOrder(ctx, c)
	}
	if err := c.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE orders SET items = $2 WHERE id = $1`, id, asJSON(c.someItems(5))); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM orders WHERE id = $1`, id); err != nil {
			return err
		}
		return errRollback
	}); err != nil {
		return err
	}
	return expectItems(ctx, c.conn, id, items)
}

// secondThoughts goes back to a savepoint, once after an error that it
// provoked, and commits what it did before and after.
func secondThoughts(ctx context.Context, c *client) error {
	id, items, ok := c.orders.any(c.rng)
	if !ok {
		return insertOrder(ctx, c)
	}
	first, last := c.someItems(3), c.someItems(2)
	want := slices.Concat(first, last)
	clash := c.rng.IntN(2) == 0
	if err := c.transaction(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE orders SET items = $2 WHERE id = $1`, id, asJSON(first)); err != nil {
			return err
		}
		inner, err := tx.Begin(ctx) // SAVEPOINT
		if err != nil {
			return err
		}
		if clash {
			_, err = inner.Exec(ctx, `INSERT INTO orders (id, number, customer_id, items) VALUES ($1, 'clash', 1, $2)`, id, asJSON(items))
			if err := expectClash(err, "orders_pkey"); err != nil {
				return err
			}
		} else if _, err := inner.Exec(ctx, `UPDATE orders SET items = '[]' WHERE id = $1`, id); err != nil {
			return err
		}
		if err := inner.Rollback(ctx); err != nil { // ROLLBACK TO
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE orders SET items = items || $2::jsonb WHERE id = $1`, id, asJSON(last))
		return err
	}); err != nil {
		return err
	}
	c.orders.put(id, want)
	return expectItems(ctx, c.conn, id, want)
}

// hotOrders changes two of the orders that everybody wants, in no particular
// order, and checks that it sees its own last write.
func hotOrders(ctx context.Context, c *client) error {
	return c.transaction(ctx, func(tx pgx.Tx) error {
		for range 1 + c.rng.IntN(2) {
			id := 1 + c.rng.Int64N(hotRows)
			var written []item
			if err := tx.QueryRow(ctx, `UPDATE orders SET items = CASE WHEN jsonb_array_length(items) < 12 THEN items || $2::jsonb ELSE $2::jsonb END, updated_at = now()
				WHERE id = $1 RETURNING items`, id, asJSON(c.someItems(3))).Scan(&written); err != nil {
				return err
			}
			if err := expectItems(ctx, tx, id, written); err != nil {
				return err
			}
		}
		return nil
	})
}

// querier is a connection or a transaction.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// expectItems reads the items of an order and compares.
func expectItems(ctx context.Context, q querier, id int64, want []item) error {
	var got []item
	if err := q.QueryRow(ctx, `SELECT items FROM orders WHERE id = $1`, id).Scan(&got); err != nil {
		return fmt.Errorf("reading order %d back: %w", id, err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("order %d has %v, written was %v", id, got, want)
	}
	return nil
}

func expectNoOrder(ctx context.Context, q querier, id int64) error {
	var n int
	if err := q.QueryRow(ctx, `SELECT count(*) FROM orders WHERE id = $1`, id).Scan(&n); err != nil {
		return err
	}
	if n != 0 {
		return fmt.Errorf("order %d was rolled back and is there", id)
	}
	return nil
}

// expectClash passes a duplicate key of the named constraint and nothing else.
func expectClash(err error, constraint string) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == constraint {
		return nil
	}
	if err == nil {
		return fmt.Errorf("a duplicate key of %s was accepted", constraint)
	}
	return err
}
