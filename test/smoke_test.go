package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestEveryExecModeKeepsBothShapesEqual(t *testing.T) {
	g := newGate(t, 0)
	g.phase("dualwrite")
	ctx := context.Background()
	for name, mode := range map[string]pgx.QueryExecMode{
		"simple": pgx.QueryExecModeSimpleProtocol, "exec": pgx.QueryExecModeExec,
		"describe": pgx.QueryExecModeDescribeExec, "cache-describe": pgx.QueryExecModeCacheDescribe, "prepared": pgx.QueryExecModeCacheStatement,
	} {
		t.Run(name, func(t *testing.T) {
			conn := g.connect(mode)
			var id int64
			if err := conn.QueryRow(ctx, "INSERT INTO orders (customer, items) VALUES ($1, $2) RETURNING id", name, `[{"sku":"a","qty":1,"price_cents":5},{"sku":"b","qty":2}]`).Scan(&id); err != nil {
				t.Fatal(err)
			}
			tag, err := conn.Exec(ctx, "UPDATE orders SET items = items || $1::jsonb WHERE id = $2", `[{"sku":"c"}]`, id)
			if err != nil || tag.String() != "UPDATE 1" {
				t.Fatalf("%v %v", tag, err)
			}
			if tag, err = conn.Exec(ctx, "UPDATE orders SET items = items - 1 WHERE id = $1", id); err != nil || tag.String() != "UPDATE 1" {
				t.Fatalf("%v %v", tag, err)
			}
			got := pgtest.Value[string](t, g.direct, "SELECT string_agg(sku, ',' ORDER BY id) FROM order_items WHERE order_id = $1", id)
			if got != "a,c" {
				t.Errorf("order_items has %s, want a,c", got)
			}
			if tag, err = conn.Exec(ctx, "INSERT INTO users (email, is_active) VALUES ($1, $2), ('x', false)", name, true); err != nil || tag.String() != "INSERT 0 2" {
				t.Fatalf("%v %v", tag, err)
			}
			if tag, err = conn.Exec(ctx, "INSERT INTO counters (name) VALUES ($1)", name); err != nil || tag.String() != "INSERT 0 1" {
				t.Fatalf("%v %v", tag, err)
			}
			if _, err = conn.Exec(ctx, "DELETE FROM orders WHERE id = $1", id); err != nil {
				t.Fatal(err)
			}
			pgtest.Agree(t, g.direct)
		})
	}
}
