-- Orders whose two shapes disagree.
WITH want AS (
    SELECT o.id, array_agg(i.sku || ',' || i.qty || ',' || i.price_cents ORDER BY i.sku, i.qty, i.price_cents) AS items
    FROM orders AS o, jsonb_to_recordset(o.items) AS i (sku text, qty int, price_cents int)
    GROUP BY o.id
), have AS (
    SELECT order_id AS id, array_agg(sku || ',' || qty || ',' || price_cents ORDER BY sku, qty, price_cents) AS items
    FROM order_items
    GROUP BY order_id
)
SELECT count(*) FROM want FULL JOIN have USING (id) WHERE want.items IS DISTINCT FROM have.items
