\set cents random(100, 100000)
INSERT INTO orders (customer, total_cents, items) VALUES ({{.Customer}}, :cents, {{.Items}});
