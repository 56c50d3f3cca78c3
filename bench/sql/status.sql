\set id random(1, 10000)
UPDATE users SET is_active = {{.Active}} WHERE id = :id;
