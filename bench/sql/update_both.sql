\set id random(1, 10000)
BEGIN;
UPDATE orders SET items = {{.Items}} WHERE id = :id;
DELETE FROM order_items WHERE order_id = :id;
INSERT INTO order_items (order_id, sku, qty, price_cents) VALUES {{range $i, $r := .Rows}}{{if $i}}, {{end}}(:id, {{$r.SKU}}, {{$r.Qty}}, {{$r.Price}}){{end}};
COMMIT;
