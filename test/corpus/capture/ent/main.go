// ent 0.14.5, pgx 5.6.0: Create, CreateBulk, upserts with OnConflict, UpdateOne, Update, Modify, ForUpdate, Delete, Tx, a savepoint.
package main

import (
	"context"
	"database/sql"
	"errors"
	"os"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"capture/gen"
	"capture/gen/counter"
	"capture/gen/order"
	"capture/gen/user"
	"capture/schema"
)

//go:generate go tool ent generate --target gen --feature sql/upsert,sql/lock,sql/modifier,sql/execquery ./schema

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

func items(skus ...string) []schema.Item {
	all := []schema.Item{}
	for i, s := range skus {
		all = append(all, schema.Item{SKU: s, Qty: i + 1, PriceCents: 100 * (i + 1)})
	}
	return all
}

func main() {
	ctx := context.Background()
	db := must(sql.Open("pgx", os.Args[1]))
	db.SetMaxOpenConns(1)
	client := gen.NewClient(gen.Driver(entsql.OpenDB(dialect.Postgres, db)))
	orders(ctx, client)
	users(ctx, client)
	counters(ctx, client)
	transactions(ctx, client)
	done(client.Order.DeleteOneID(5).Exec(ctx))
	must(client.Order.Delete().Where(order.NoteIsNil(), order.IDGT(5)).Exec(ctx))
	must(client.User.Delete().Where(user.IsActive(false)).Exec(ctx))
	must(client.Order.Query().Order(gen.Asc(order.FieldID)).All(ctx))
	must(client.User.Query().Where(user.IsActive(true)).Count(ctx))
	must(client.User.Query().Where(user.EmailHasSuffix("@x")).Exist(ctx))
	done(client.Close())
}

func orders(ctx context.Context, client *gen.Client) {
	o := must(client.Order.Create().SetCustomer("ann").SetItems(items("a", "b")).Save(ctx))
	o = must(o.Update().SetItems(items("a")).SetNote("n").Save(ctx))
	o = must(o.Update().AppendItems(items("more", "and more")).Save(ctx))
	o = must(o.Update().ClearNote().AddTotalCents(5).Save(ctx))
	done(client.Order.UpdateOneID(o.ID).SetTotalCents(7).Exec(ctx))
	must(client.Order.CreateBulk(
		client.Order.Create().SetCustomer("b").SetItems(items("b1")),
		client.Order.Create(),
		client.Order.Create().SetNote("three").SetItems(items("b2", "b3")),
	).Save(ctx))
	upsert := client.Order.Create().SetID(3).SetCustomer("up").SetItems(items("u"))
	must(upsert.OnConflictColumns(order.FieldID).UpdateNewValues().ID(ctx))
	done(client.Order.Create().SetID(2).SetItems(items("no")).OnConflictColumns(order.FieldID).Ignore().Exec(ctx))
	done(client.Order.Create().SetID(50).SetItems(items("new")).OnConflictColumns(order.FieldID).
		Update(func(u *gen.OrderUpsert) { u.UpdateItems().SetNote("conflict") }).Exec(ctx))
	done(client.Order.CreateBulk(
		client.Order.Create().SetID(4).SetItems(items()),
		client.Order.Create().SetID(60).SetItems(items("x", "y")),
	).OnConflictColumns(order.FieldID).UpdateNewValues().Exec(ctx))
	must(client.Order.Update().Where(order.IDLT(3)).SetItems(items("all")).Save(ctx))
	must(client.Order.Update().Where(order.Or(order.CustomerEQ("b"), order.NoteNotNil())).
		Modify(func(u *entsql.UpdateBuilder) { u.Set(order.FieldItems, entsql.Expr(`"items" || '[{"sku": "w"}]'`)) }).Save(ctx))
	must(client.Order.MapCreateBulk([]string{"c1", "c2", "c3"}, func(c *gen.OrderCreate, i int) {
		c.SetCustomer("map").SetItems(items("m")).SetTotalCents(i)
	}).Save(ctx))
}

func users(ctx context.Context, client *gen.Client) {
	u := must(client.User.Create().SetEmail("a@x").Save(ctx))
	u = must(u.Update().SetIsActive(false).Save(ctx))
	must(u.Update().SetEmail("z@x").SetIsActive(true).Save(ctx))
	must(client.User.CreateBulk(
		client.User.Create().SetEmail("b@x").SetIsActive(false),
		client.User.Create().SetEmail("c@x"),
	).Save(ctx))
	must(client.User.Update().Where(user.EmailIn("b@x", "c@x")).SetIsActive(true).Save(ctx))
	must(client.User.Update().Where(user.IDGT(1)).
		Modify(func(u *entsql.UpdateBuilder) { u.Set(user.FieldIsActive, entsql.Expr(`NOT "is_active"`)) }).Save(ctx))
	done(client.User.Create().SetID(1).SetEmail("up@x").OnConflict(entsql.ConflictColumns(user.FieldID), entsql.ResolveWithNewValues()).Exec(ctx))
	err := client.User.Create().SetID(2).SetEmail("no@x").OnConflict(entsql.ConflictColumns(user.FieldID), entsql.DoNothing()).Exec(ctx)
	if !errors.Is(err, sql.ErrNoRows) {
		panic(err)
	}
	must(client.QueryContext(ctx, `UPDATE "users" SET "is_active" = $1 WHERE "email" = $2 RETURNING "id", "is_active"`, false, "c@x")).Close()
}

func counters(ctx context.Context, client *gen.Client) {
	c := must(client.Counter.Create().SetName("hits").Save(ctx))
	must(client.Counter.UpdateOne(c).AddN(1).Save(ctx))
	// Optimistic locking: once with the version that is there, once with the one before.
	must(client.Counter.Update().Where(counter.ID(c.ID), counter.N(1)).SetName("seen").SetN(2).Save(ctx))
	must(client.Counter.Update().Where(counter.ID(c.ID), counter.N(1)).SetName("lost").SetN(2).Save(ctx))
	if _, err := client.Counter.UpdateOneID(c.ID).Where(counter.N(1)).SetN(9).Save(ctx); !gen.IsNotFound(err) {
		panic(err)
	}
	must(client.Counter.CreateBulk(client.Counter.Create().SetN(5), client.Counter.Create().SetName("second")).Save(ctx))
	done(client.Counter.DeleteOne(c).Exec(ctx))
}

func transactions(ctx context.Context, client *gen.Client) {
	tx := must(client.Tx(ctx))
	locked := must(tx.Order.Query().Where(order.IDLTE(2)).Order(gen.Asc(order.FieldID)).ForUpdate().All(ctx))
	must(locked[0].Update().SetItems(items()).Save(ctx))
	must(tx.ExecContext(ctx, "SAVEPOINT inner_one"))
	if _, err := tx.User.Create().SetID(1).Save(ctx); !gen.IsConstraintError(err) {
		panic(err)
	}
	must(tx.ExecContext(ctx, "ROLLBACK TO SAVEPOINT inner_one"))
	must(tx.User.Create().SetEmail("inside@x").Save(ctx))
	done(tx.Commit())
	tx = must(client.Tx(ctx))
	must(tx.Order.Create().SetItems(items("gone")).Save(ctx))
	done(tx.Rollback())
}
