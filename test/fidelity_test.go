package test

import (
	"context"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

func TestRowDescriptionsAndTagsStayTheApplicationsOwn(t *testing.T) {
	g := newGate(t, 3)
	g.phase("dualwrite")
	ctx := context.Background()
	direct := pgtest.Connect(t, g.direct)
	through := g.connect(pgx.QueryExecModeDescribeExec)
	for _, text := range []string{
		"INSERT INTO orders (customer) VALUES ('a')",
		"INSERT INTO orders (customer) VALUES ('a') RETURNING id",
		"INSERT INTO orders (customer) VALUES ('a') RETURNING items, upper(customer), id AS number, 1 + 1",
		"INSERT INTO orders (customer) VALUES ('a') RETURNING *",
		"INSERT INTO orders (customer) VALUES ('a'), ('b') RETURNING id, customer",
		"INSERT INTO orders (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET items = excluded.items RETURNING items",
		"UPDATE orders SET items = '[]' WHERE id = 1 RETURNING *, 'x'::text AS x",
		"UPDATE orders SET items = '[]'",
		"WITH u AS (UPDATE orders SET items = '[]' WHERE id = 1 RETURNING id, items) SELECT * FROM u",
		"UPDATE users SET is_active = false WHERE id = 1 RETURNING is_active",
		"INSERT INTO counters (name) VALUES ('a') RETURNING id",
		"DELETE FROM orders WHERE id = 2 RETURNING id",
	} {
		type answer struct {
			fields any
			tag    string
		}
		ask := func(conn *pgx.Conn) answer {
			t.Helper()
			tx, err := conn.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(ctx) //nolint:errcheck // nothing is to stay
			rows, err := tx.Query(ctx, text)
			if err != nil {
				t.Fatal(err)
			}
			fields := rows.FieldDescriptions()
			for rows.Next() {
			}
			if rows.Close(); rows.Err() != nil {
				t.Fatalf("%s: %v", text, rows.Err())
			}
			return answer{append(fields[:0:0], fields...), rows.CommandTag().String()}
		}
		if want, got := ask(direct), ask(through); !reflect.DeepEqual(want, got) {
			t.Errorf("%s:\ndirect  %v\nthrough %v", text, want, got)
		}
	}
}
