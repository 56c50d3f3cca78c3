package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

func insertUser(ctx context.Context, c *client) error {
	active := c.rng.IntN(3) > 0
	sql, args := `INSERT INTO users (email, name, is_active) VALUES ($1, 'New', $2) RETURNING id`, []any{c.number("u"), active}
	if c.rng.IntN(3) == 0 {
		active = true // the default
		sql, args = `INSERT INTO users (email, name) VALUES ($1, 'New') RETURNING id`, args[:1]
	}
	var id int32
	if err := c.conn.QueryRow(ctx, sql, args...).Scan(&id); err != nil {
		return err
	}
	c.users.put(id, active)
	return nil
}

// changeUser switches a user of this connection, by value, by expression, or
// by saving the whole row.
func changeUser(ctx context.Context, c *client) error {
	id, active, ok := c.users.any(c.rng)
	if !ok {
		return insertUser(ctx, c)
	}
	want := !active
	sql, args := `UPDATE users SET is_active = NOT is_active WHERE id = $1 RETURNING is_active`, []any{id}
	switch c.rng.IntN(4) {
	case 0:
		want = c.rng.IntN(2) == 0
		sql, args = `UPDATE users SET is_active = $2, updated_at = now() WHERE id = $1 RETURNING is_active`, append(args, want)
	case 1:
		want = c.rng.IntN(2) == 0
		sql, args = `UPDATE users SET name = $3, is_active = $2, updated_at = now() WHERE id = $1 RETURNING is_active`, append(args, want, c.number("Name"))
	case 2:
		want = false
		sql = `UPDATE users SET is_active = false WHERE id = $1 RETURNING is_active`
	}
	var got bool
	if err := c.conn.QueryRow(ctx, sql, args...).Scan(&got); err != nil {
		return err
	}
	c.users.put(id, want)
	if got != want {
		return fmt.Errorf("user %d is_active = %v, written was %v", id, got, want)
	}
	return nil
}

func upsertUser(ctx context.Context, c *client) error {
	id, _, ok := c.users.any(c.rng)
	if !ok {
		return insertUser(ctx, c)
	}
	active := c.rng.IntN(2) == 0
	if _, err := c.conn.Exec(ctx, `INSERT INTO users (id, email, name, is_active) VALUES ($1, $2, 'Upsert', $3)
		ON CONFLICT (id) DO UPDATE SET is_active = EXCLUDED.is_active, name = EXCLUDED.name`, id, c.number("x"), active); err != nil {
		return err
	}
	c.users.put(id, active)
	return nil
}

func deleteUser(ctx context.Context, c *client) error {
	id, _, ok := c.users.any(c.rng)
	if !ok || len(c.users.keys) < ownRows/2 {
		return insertUser(ctx, c)
	}
	var gone int32
	if err := c.conn.QueryRow(ctx, `DELETE FROM users WHERE id = $1 RETURNING id`, id).Scan(&gone); err != nil {
		return err
	}
	c.users.drop(id)
	return nil
}

func readUser(ctx context.Context, c *client) error {
	id, want, ok := c.users.any(c.rng)
	if !ok {
		return insertUser(ctx, c)
	}
	var got bool
	if err := c.conn.QueryRow(ctx, `SELECT is_active FROM users WHERE id = $1`, id).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("user %d is_active = %v, written was %v", id, got, want)
	}
	return nil
}

// oldUser switches somebody from history, often one of those everybody wants.
func oldUser(ctx context.Context, c *client) error {
	id := 1 + c.rng.Int32N(int32(c.world.scale.Users))
	if c.rng.IntN(2) == 0 {
		id = 1 + c.rng.Int32N(hotRows)
	}
	return c.transaction(ctx, func(tx pgx.Tx) error {
		var written, seen bool
		if err := tx.QueryRow(ctx, `UPDATE users SET is_active = NOT is_active, updated_at = now() WHERE id = $1 RETURNING is_active`, id).Scan(&written); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT is_active FROM users WHERE id = $1`, id).Scan(&seen); err != nil {
			return err
		}
		if seen != written {
			return fmt.Errorf("user %d is_active = %v, written was %v", id, seen, written)
		}
		if c.rng.IntN(4) == 0 {
			return errRollback
		}
		return nil
	})
}
