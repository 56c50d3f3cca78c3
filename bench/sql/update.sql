\set id random(1, 10000)
UPDATE orders SET items = {{.Items}} WHERE id = :id;
