package pgtest

import (
	"fmt"
	"testing"
)

// Schema is the canon: the three migrations' tables in expanded form, the old
// shape and the new one side by side.
const Schema = OrdersSchema + UsersSchema + CountersSchema

// OrdersSchema is order-items: one old row, many new rows of another table.
const OrdersSchema = `
CREATE TABLE orders (
	id          bigserial PRIMARY KEY,
	customer    text,
	total_cents int,
	items       jsonb NOT NULL DEFAULT '[]',
	note        text,
	updated_at  timestamptz DEFAULT now()
);
CREATE TABLE order_items (
	id          bigserial PRIMARY KEY,
	order_id    bigint REFERENCES orders (id) ON DELETE CASCADE,
	sku         text,
	qty         int,
	price_cents int,
	created_at  timestamptz DEFAULT now()
);
CREATE INDEX order_items_order_id ON order_items (order_id);
`

// UsersSchema is user-status: the same table, lossy backwards.
const UsersSchema = `
CREATE TABLE users (
	id        serial PRIMARY KEY,
	email     text,
	is_active boolean NOT NULL DEFAULT true,
	status    text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'disabled'))
);
`

// CountersSchema is counter-bigint: a wider copy of the primary key.
const CountersSchema = `
CREATE TABLE counters (
	id     serial PRIMARY KEY,
	n      int NOT NULL DEFAULT 0,
	name   text,
	id_big bigint
);
CREATE UNIQUE INDEX counters_id_big ON counters (id_big);
`

// fill writes %[1]d rows into the old shape of each table, and nothing into
// the new one: history as it is before a backfill. Every sixth order has no
// items, every third user is not active.
const fill = `
INSERT INTO orders (customer, total_cents, items, note)
SELECT 'customer ' || g, g * 100,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', 'sku-' || i, 'qty', i, 'price_cents', i * 100) ORDER BY i), '[]')
          FROM generate_series(1, g %% 6) AS i),
       CASE WHEN g %% 2 = 0 THEN 'note ' || g END
  FROM generate_series(1, %[1]d) AS g;
INSERT INTO users (email, is_active) SELECT 'user' || g || '@example.com', g %% 3 <> 0 FROM generate_series(1, %[1]d) AS g;
INSERT INTO counters (n, name) SELECT g, 'counter ' || g FROM generate_series(1, %[1]d) AS g;
ANALYZE orders, order_items, users, counters;
`

// Canon creates the tables of Schema with rows rows each, with keys from 1. The
// old shape is filled; order_items is empty, users.status has its default and
// counters.id_big is null.
func Canon(t testing.TB, dsn string, rows int) {
	t.Helper()
	Exec(t, dsn, Schema, fmt.Sprintf(fill, rows))
}

// CanonRules returns the rules file of the canon, with every migration in the
// given phase.
func CanonRules(phase string) string {
	return fmt.Sprintf(canonRules, phase)
}

const canonRules = `migrations:
  - name: order-items
    phase: %[1]s
    kind: rows
    old: {table: public.orders, key: [id], columns: [items]}
    new: {table: public.order_items, parent: {order_id: id}}
    up: |
      SELECT i.sku, i.qty, i.price_cents
      FROM jsonb_to_recordset(old.items) AS i(sku text, qty int, price_cents int)
    down:
      items: |
        SELECT coalesce(jsonb_agg(jsonb_build_object('sku', sku, 'qty', qty, 'price_cents', price_cents)
               ORDER BY id), '[]') FROM new

  - name: user-status
    phase: %[1]s
    kind: columns
    old: {table: public.users, key: [id], columns: [is_active]}
    new: {table: public.users, columns: [status]}
    up:   {status: "CASE WHEN old.is_active THEN 'active' ELSE 'disabled' END"}
    down: {is_active: "new.status = 'active'"}

  - name: counter-bigint
    phase: %[1]s
    kind: columns
    old: {table: public.counters, key: [id], columns: [id]}
    new: {table: public.counters, columns: [id_big]}
    up:   {id_big: "old.id::bigint"}
    down: {id: "new.id_big::int"}
    cutover: rename
`
