package demo

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// lastCounter is the last id of counters before the application starts; the
// sequence goes on from here, towards the end of int.
const lastCounter = 1_900_000_000

// oldShape is what the application was written for. orders has 47 columns.
var oldShape = []string{
	`CREATE TABLE orders (
		id bigserial PRIMARY KEY,
		number text NOT NULL,
		customer_id bigint NOT NULL,
		customer_email text,
		customer_name text,
		customer_phone text,
		channel text NOT NULL DEFAULT 'web',
		status text NOT NULL DEFAULT 'new',
		currency char(3) NOT NULL DEFAULT 'EUR',
		items jsonb NOT NULL DEFAULT '[]',
		subtotal_cents int NOT NULL DEFAULT 0,
		discount_cents int NOT NULL DEFAULT 0,
		tax_cents int NOT NULL DEFAULT 0,
		shipping_cents int NOT NULL DEFAULT 0,
		total_cents int NOT NULL DEFAULT 0,
		coupon_code text,
		payment_method text,
		payment_reference text,
		paid_at timestamptz,
		billing_name text,
		billing_street text,
		billing_city text,
		billing_zip text,
		billing_country char(2),
		shipping_name text,
		shipping_street text,
		shipping_city text,
		shipping_zip text,
		shipping_country char(2),
		carrier text,
		tracking_number text,
		shipped_at timestamptz,
		delivered_at timestamptz,
		cancelled_at timestamptz,
		cancel_reason text,
		refunded_cents int NOT NULL DEFAULT 0,
		gift boolean NOT NULL DEFAULT false,
		gift_message text,
		ip_address inet,
		user_agent text,
		utm_source text,
		utm_campaign text,
		warehouse smallint,
		note text,
		tags text[] NOT NULL DEFAULT '{}',
		created_at timestamptz NOT NULL DEFAULT now(),
		updated_at timestamptz NOT NULL DEFAULT now())`,
	`CREATE TABLE users (
		id serial PRIMARY KEY,
		email text NOT NULL UNIQUE,
		name text NOT NULL,
		is_active boolean NOT NULL DEFAULT true,
		created_at timestamptz NOT NULL DEFAULT now(),
		updated_at timestamptz NOT NULL DEFAULT now())`,
	`CREATE TABLE counters (
		id serial PRIMARY KEY,
		name text NOT NULL DEFAULT 'unnamed',
		n int NOT NULL DEFAULT 0,
		updated_at timestamptz NOT NULL DEFAULT now())`,
}

// expansion is what an operator runs before the first phase change, one
// statement a transaction, on the live tables.
var expansion = []string{
	`CREATE TABLE order_items (
		id bigserial PRIMARY KEY,
		order_id bigint NOT NULL REFERENCES orders(id) ON DELETE CASCADE,
		sku text,
		qty int,
		price_cents int,
		created_at timestamptz DEFAULT now())`,
	`CREATE INDEX CONCURRENTLY order_items_order_id_idx ON order_items (order_id)`,
	`ALTER TABLE users ADD COLUMN status text NOT NULL DEFAULT 'active'
		CHECK (status IN ('active', 'paused', 'disabled'))`,
	`ALTER TABLE counters ADD COLUMN id_big bigint`,
	`CREATE UNIQUE INDEX CONCURRENTLY counters_id_big_idx ON counters (id_big)`,
}

// createTables makes the old shape and fills it on the server. Most orders
// have one or two items, a few have twenty, one in fifty has none.
func createTables(ctx context.Context, conn *pgx.Conn, scale Scale) error {
	for _, sql := range oldShape {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("creating the tables: %w", err)
		}
	}
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{fillOrders, []any{scale.Orders, scale.Users}},
		{fillUsers, []any{scale.Users}},
		{fillCounters, []any{scale.Counters, lastCounter}},
		{`SELECT setval('counters_id_seq', $1)`, []any{lastCounter}},
		{`CREATE INDEX orders_customer_id_idx ON orders (customer_id)`, nil},
		{`VACUUM ANALYZE orders, users, counters`, nil},
	} {
		if _, err := conn.Exec(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("filling the tables: %w", err)
		}
	}
	return nil
}

const fillOrders = `
INSERT INTO orders (number, customer_id, customer_email, customer_name, customer_phone, channel, status, items,
	subtotal_cents, tax_cents, shipping_cents, total_cents, payment_method, payment_reference, paid_at,
	billing_name, billing_street, billing_city, billing_zip, billing_country,
	shipping_name, shipping_street, shipping_city, shipping_zip, shipping_country,
	carrier, tracking_number, shipped_at, gift, ip_address, user_agent, utm_source, warehouse, note, tags,
	created_at, updated_at)
SELECT 'SO-' || lpad(i::text, 8, '0'), customer, 'user' || customer || '@example.com', who, '+49 30 ' || (1000000 + i),
	(ARRAY['web','app','phone','partner'])[1 + i % 4], (ARRAY['new','paid','shipped','delivered','closed'])[1 + i % 5],
	coalesce((SELECT jsonb_agg(jsonb_build_object('sku', 'SKU-' || (10000 + floor(9000 * random())::int),
		'qty', 1 + floor(5 * power(random(), 3))::int, 'price_cents', 99 + 50 * floor(400 * power(random(), 2))::int))
		FROM generate_series(1, pieces + 0 * i)), '[]'),
	cents, cents / 5, 490, cents + cents / 5 + 490, (ARRAY['card','sepa','invoice'])[1 + i % 3], md5(i::text), born + interval '5 minutes',
	who, 'Main Street ' || i % 200, city, lpad((i % 99999)::text, 5, '0'), 'DE',
	who, 'Main Street ' || i % 200, city, lpad((i % 99999)::text, 5, '0'), 'DE',
	(ARRAY['DHL','UPS','DPD'])[1 + i % 3], 'TRK' || md5('t' || i), born + interval '1 day', i % 20 = 0,
	'10.0.0.0'::inet + i, 'Mozilla/5.0 (X11; Linux x86_64)', (ARRAY['search','mail','direct'])[1 + i % 3], i % 7,
	CASE WHEN i % 10 = 0 THEN 'please ring twice' END, ARRAY['import', 'y' || extract(year FROM born)], born, born
FROM (SELECT i, 1 + floor($2::int * random())::bigint AS customer,
		(ARRAY['Ada','Grace','Edsger','Barbara','Donald','Radia'])[1 + i % 6] || ' ' || (ARRAY['Meyer','Novak','Rossi','Silva','Okafor'])[1 + i % 5] AS who,
		(ARRAY['Berlin','Hamburg','Leipzig','Bremen'])[1 + i % 4] AS city, 500 + floor(20000 * power(random(), 2))::int AS cents,
		CASE WHEN random() < 0.02 THEN 0 ELSE 1 + floor(20 * power(random(), 6))::int END AS pieces,
		now() - interval '2 years' * (1 - i / $1::float8) AS born
	FROM generate_series(1, $1::int) AS i) AS seed`

const fillUsers = `
INSERT INTO users (email, name, is_active, created_at)
SELECT 'user' || i || '@example.com', (ARRAY['Ada','Grace','Edsger','Barbara'])[1 + i % 4] || ' ' || i, random() < 0.8, now() - interval '1 hour' * (i % 9000)
FROM generate_series(1, $1::int) AS i`

const fillCounters = `
INSERT INTO counters (id, name, n)
SELECT i, 'counter ' || i, CASE WHEN i > $2::int - 10 THEN 0 ELSE floor(1000 * random())::int END
FROM generate_series($2::int - $1::int + 1, $2::int) AS i`
