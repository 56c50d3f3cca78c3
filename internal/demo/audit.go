package demo

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// audit compares the rows this connection alone has written with the rows the
// server has. It returns how many there are and a line for each wrong one.
func (c *client) audit(ctx context.Context, conn *pgx.Conn) (compared int, wrong []string, err error) {
	orders, err := auditTable(ctx, conn, `SELECT id, items FROM orders WHERE id = ANY ($1)`, &c.orders, slices.Equal[[]item])
	if err != nil {
		return 0, nil, fmt.Errorf("reading orders: %w", err)
	}
	users, err := auditTable(ctx, conn, `SELECT id, is_active FROM users WHERE id = ANY ($1)`, &c.users, same[bool])
	if err != nil {
		return 0, nil, fmt.Errorf("reading users: %w", err)
	}
	counters, err := auditTable(ctx, conn, `SELECT id, n FROM counters WHERE id = ANY ($1)`, &c.counters, same[int32])
	if err != nil {
		return 0, nil, fmt.Errorf("reading counters: %w", err)
	}
	for _, t := range []struct {
		name  string
		lines []string
	}{{"orders", orders}, {"users", users}, {"counters", counters}} {
		for _, line := range t.lines {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %s", c.name, t.name, line))
		}
	}
	return c.orders.size() + c.users.size() + c.counters.size(), wrong, nil
}

func same[T comparable](a, b T) bool { return a == b }

// auditTable reads the rows of a shelf, and of those deleted from it, by sql
// (one array of keys in; key and value out).
func auditTable[K comparable, V any](ctx context.Context, conn *pgx.Conn, sql string, s *shelf[K, V], equal func(a, b V) bool) ([]string, error) {
	rows, err := conn.Query(ctx, sql, slices.Concat(s.keys, s.gone))
	if err != nil {
		return nil, err
	}
	found := map[K]V{}
	var key K
	var v V
	if _, err := pgx.ForEachRow(rows, []any{&key, &v}, func() error {
		found[key] = v
		v = *new(V) // a slice must not be scanned into twice
		return nil
	}); err != nil {
		return nil, err
	}
	var wrong []string
	for key, want := range s.rows {
		if got, ok := found[key]; !ok {
			wrong = append(wrong, fmt.Sprintf("row %v is lost", key))
		} else if !equal(got, want) {
			wrong = append(wrong, fmt.Sprintf("row %v is %v, the application wrote %v", key, got, want))
		}
	}
	for _, key := range s.gone {
		if _, ok := found[key]; ok {
			wrong = append(wrong, fmt.Sprintf("row %v was deleted and is back", key))
		}
	}
	return wrong, nil
}
