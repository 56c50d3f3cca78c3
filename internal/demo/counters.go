package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// insertCounter draws its id from the sequence, which stands just under 1.9
// billion.
func insertCounter(ctx context.Context, c *client) error {
	sql, args := `INSERT INTO counters (name) VALUES ($1) RETURNING id`, []any{c.number("counter")}
	if c.rng.IntN(4) == 0 {
		sql, args = `INSERT INTO counters DEFAULT VALUES RETURNING id`, nil
	}
	var id int32
	if err := c.conn.QueryRow(ctx, sql, args...).Scan(&id); err != nil {
		return err
	}
	if id <= lastCounter {
		return fmt.Errorf("new counter has id %d, which the sequence has passed", id)
	}
	c.counters.put(id, 0)
	return nil
}

func insertCounters(ctx context.Context, c *client) error {
	rows, err := c.conn.Query(ctx, `INSERT INTO counters (name, n) VALUES ($1, 1), ($2, 1), ($3, 1) RETURNING id`,
		c.number("counter"), c.number("counter"), c.number("counter"))
	if err != nil {
		return err
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return err
	}
	for _, id := range ids {
		c.counters.put(id, 1)
	}
	if len(ids) != 3 {
		return fmt.Errorf("%d ids returned for 3 rows", len(ids))
	}
	return nil
}

func countUp(ctx context.Context, c *client) error {
	id, n, ok := c.counters.any(c.rng)
	if !ok {
		return insertCounter(ctx, c)
	}
	sql := `UPDATE counters SET n = n + 1, updated_at = now() WHERE id = $1 RETURNING n`
	if c.rng.IntN(3) == 0 {
		sql = `INSERT INTO counters (id, name) VALUES ($1, 'upsert') ON CONFLICT (id) DO UPDATE SET n = counters.n + 1 RETURNING n`
	}
	var got int32
	if err := c.conn.QueryRow(ctx, sql, id).Scan(&got); err != nil {
		return err
	}
	c.counters.put(id, n+1)
	if got != n+1 {
		return fmt.Errorf("counter %d is at %d after %d + 1", id, got, n)
	}
	return nil
}

// countHot increments counters that everybody increments; the sum of all that
// were committed is in the ledger.
func countHot(ctx context.Context, c *client) error {
	id := int32(lastCounter - c.rng.IntN(hotRows))
	tag, err := c.conn.Exec(ctx, `UPDATE counters SET n = n + 1 WHERE id = $1`, id)
	if err != nil {
		return err
	}
	c.world.hotCounts.Add(tag.RowsAffected())
	if tag.String() != "UPDATE 1" {
		return fmt.Errorf("increment of counter %d answered %q", id, tag)
	}
	return nil
}

func deleteCounter(ctx context.Context, c *client) error {
	id, _, ok := c.counters.any(c.rng)
	if !ok || len(c.counters.keys) < ownRows/2 {
		return insertCounter(ctx, c)
	}
	if _, err := c.conn.Exec(ctx, `DELETE FROM counters WHERE id = $1`, id); err != nil {
		return err
	}
	c.counters.drop(id)
	return nil
}

// renumber gives a counter of this connection a new id: the key itself is the
// old shape of this migration.
func renumber(ctx context.Context, c *client) error {
	id, n, ok := c.counters.any(c.rng)
	if !ok {
		return insertCounter(ctx, c)
	}
	var fresh int32
	if err := c.conn.QueryRow(ctx, `UPDATE counters SET id = nextval('counters_id_seq') WHERE id = $1 RETURNING id`, id).Scan(&fresh); err != nil {
		return err
	}
	c.counters.drop(id)
	c.counters.put(fresh, n)
	return nil
}

func readCounter(ctx context.Context, c *client) error {
	id, want, ok := c.counters.any(c.rng)
	if !ok {
		return insertCounter(ctx, c)
	}
	var got int32
	if err := c.conn.QueryRow(ctx, `SELECT n FROM counters WHERE id = $1`, id).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("counter %d is at %d, written was %d", id, got, want)
	}
	return nil
}
