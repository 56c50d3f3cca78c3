-- Back to 10,000 orders of three items, both shapes equal, no user trigger run.
SET session_replication_role = replica;
TRUNCATE orders, order_items RESTART IDENTITY;
INSERT INTO orders (customer, total_cents, items)
SELECT 'customer-' || n, n % 100000,
       jsonb_build_array(
           jsonb_build_object('sku', 'seed-1', 'qty', 1, 'price_cents', n % 1000),
           jsonb_build_object('sku', 'seed-2', 'qty', 2, 'price_cents', n % 1000),
           jsonb_build_object('sku', 'seed-3', 'qty', 3, 'price_cents', n % 1000))
FROM generate_series(1, 10000) AS n;
INSERT INTO order_items (order_id, sku, qty, price_cents)
SELECT n, 'seed-' || j, j, n % 1000
FROM generate_series(1, 10000) AS n, generate_series(1, 3) AS j;
RESET session_replication_role;
