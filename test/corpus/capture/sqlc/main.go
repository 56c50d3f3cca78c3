// sqlc 1.31.1, pgx 5.6.0: queries of query.sql, their batches, a transaction with a savepoint.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/jackc/pgx/v5"

	"capture/gen"
)

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func done(err error) {
	if err != nil {
		panic(err)
	}
}

func to[T any](value T) *T { return &value }

func main() {
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, os.Args[1]))
	q := gen.New(conn)
	orders(ctx, q)
	users(ctx, q)
	counters(ctx, q)
	transactions(ctx, conn, q)
	must(q.DeleteOrder(ctx, 5))
	must(q.DeleteOrders(ctx, []int64{2, 3, 99}))
	done(q.DeleteInactive(ctx))
	must(q.CountUsers(ctx, nil))
	must(q.CountUsers(ctx, to(true)))
	done(conn.Close(ctx))
}

func orders(ctx context.Context, q *gen.Queries) {
	o := must(q.CreateOrder(ctx, gen.CreateOrderParams{Customer: to("ann"), Items: []byte(`[{"sku": "a", "qty": 1, "price_cents": 100}, {"sku": "b", "qty": 2, "price_cents": 200}]`)}))
	done(q.SaveOrder(ctx, gen.SaveOrderParams{ID: o.ID, Customer: o.Customer, TotalCents: to[int32](500), Items: []byte(`[{"sku": "a", "qty": 5}]`), Note: to("saved")}))
	must(q.PatchOrder(ctx, gen.PatchOrderParams{ID: o.ID, Note: to("patched")}))
	must(q.PatchOrder(ctx, gen.PatchOrderParams{ID: o.ID, Items: []byte(`[{"sku": "p", "qty": 1}]`)}))
	must(q.AddItem(ctx, gen.AddItemParams{ID: o.ID, Item: []byte(`{"sku": "more", "qty": 1, "price_cents": 70}`), Price: 70}))
	must(q.CreateOrdersUnnest(ctx, gen.CreateOrdersUnnestParams{
		Customers: []string{"u1", "u2", "u3"},
		Items:     [][]byte{[]byte(`[{"sku": "u"}]`), []byte(`[]`), []byte(`[{"sku": "v"}, {"sku": "w"}]`)},
	}))
	q.CreateOrderBatch(ctx, []gen.CreateOrderBatchParams{{Customer: to("b1"), Items: []byte(`[{"sku": "b1"}]`)}, {Items: []byte(`[]`)}}).
		QueryRow(func(_ int, _ int64, err error) { done(err) })
	q.SetItemsBatch(ctx, []gen.SetItemsBatchParams{{ID: 2, Items: []byte(`[{"sku": "x"}]`)}, {ID: 3, Items: []byte(`[{"sku": "y"}, {"sku": "z"}]`)}}).
		Exec(func(_ int, err error) { done(err) })
	must(q.UpsertOrder(ctx, gen.UpsertOrderParams{ID: 3, Customer: to("up"), Items: []byte(`[{"sku": "up", "qty": 3}]`)}))
	must(q.UpsertOrder(ctx, gen.UpsertOrderParams{ID: 50, Items: []byte(`[{"sku": "new"}]`)}))
	must(q.KeepOrder(ctx, gen.KeepOrderParams{ID: 3, Items: []byte(`[{"sku": "no"}]`)}))
	must(q.KeepOrder(ctx, gen.KeepOrderParams{ID: 51, Items: []byte(`[{"sku": "yes"}]`)}))
	must(q.ArchiveOrders(ctx, to[int32](1000)))
	must(q.ListOrders(ctx, gen.ListOrdersParams{Limit: 10, Customers: []string{"up", "u1", "ann"}}))
	must(q.GetOrder(ctx, 3))
}

func users(ctx context.Context, q *gen.Queries) {
	u := must(q.CreateUser(ctx, gen.CreateUserParams{Email: to("a@x"), IsActive: true}))
	must(q.CreateUser(ctx, gen.CreateUserParams{Email: to("b@x")}))
	must(q.CreateUser(ctx, gen.CreateUserParams{IsActive: true}))
	done(q.SetActive(ctx, gen.SetActiveParams{ID: u.ID}))
	must(q.UpdateUsers(ctx, gen.UpdateUsersParams{Ids: []int32{1, 2}, Emails: []string{"one@x", "two@x"}, Actives: []bool{true, false}}))
	must(q.FlipUsers(ctx, to("%@x")))
	must(q.UpsertUser(ctx, gen.UpsertUserParams{ID: 1, Email: to("up@x"), IsActive: true}))
	if _, err := q.UpsertUser(ctx, gen.UpsertUserParams{ID: 1, Email: to("up@x")}); !errors.Is(err, pgx.ErrNoRows) {
		panic(err)
	}
}

func counters(ctx context.Context, q *gen.Queries) {
	c := must(q.CreateCounter(ctx, to("hits")))
	must(q.Increment(ctx, c.ID))
	// Optimistic locking: once with the version that is there, once with the one before.
	must(q.IncrementIf(ctx, gen.IncrementIfParams{ID: c.ID, N: 1, Name: to("seen")}))
	must(q.IncrementIf(ctx, gen.IncrementIfParams{ID: c.ID, N: 1, Name: to("lost")}))
	must(q.CreateCounter(ctx, nil))
	must(q.DeleteCounter(ctx, c.ID))
}

func transactions(ctx context.Context, conn *pgx.Conn, q *gen.Queries) {
	done(pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		q := q.WithTx(tx)
		o := must(q.LockOrder(ctx, 2))
		done(q.SaveOrder(ctx, gen.SaveOrderParams{ID: o.ID, Customer: o.Customer, Items: []byte(`[]`), Note: o.Note}))
		if err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
			must(q.CreateUser(ctx, gen.CreateUserParams{Email: to("gone@x")}))
			return errors.New("rolled back")
		}); err == nil {
			panic("committed")
		}
		done(pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { return q.SetActive(ctx, gen.SetActiveParams{ID: 2, IsActive: true}) }))
		must(q.CreateUser(ctx, gen.CreateUserParams{Email: to("inside@x"), IsActive: true}))
		return nil
	}))
}
