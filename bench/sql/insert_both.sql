\set cents random(100, 100000)
BEGIN;
INSERT INTO orders (customer, total_cents, items) VALUES ({{.Customer}}, :cents, {{.Items}}) RETURNING id \gset
INSERT INTO order_items (order_id, sku, qty, price_cents) VALUES {{range $i, $r := .Rows}}{{if $i}}, {{end}}(:id, {{$r.SKU}}, {{$r.Qty}}, {{$r.Price}}){{end}};
COMMIT;
