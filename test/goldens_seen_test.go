package test

// noticeable are the goldens of which a client can tell that pgjanus is there, and why.
// What is no longer seen must be taken off. The key is the golden's arguments,
// and its SQL.
var noticeable = map[string]string{
	" SELECT u FROM users u": "a whole row as a result column is a record",
	" SELECT row_to_json(u) FROM users u JOIN staging s ON s.id = u.id": "u might be a column of staging",

	" phase=off SELECT * FROM users u JOIN orders o USING (id) WHERE u.ctid IS NOT NULL": "what cannot be hidden shows in phase off",
	` escapes phase=off SELECT * FROM users WHERE email = 'a\b'`:                         "a text that cannot be read with certainty passes in phase off",

	` INSERT INTO orders (items) VALUES ($${"sku": "not an array"}$$) ON CONFLICT DO NOTHING`: "the new shape does not accept the value",

	" expose TABLE users":          "the new shape is kept right, which nobody does without pgjanus",
	" expose COPY users TO STDOUT": "the same",

	" EXPLAIN ANALYZE INSERT INTO order_items DEFAULT VALUES": "a row without a parent has no place in the old shape",

	" UPDATE counters SET id_big = 5000000000 WHERE id = 1":                                                "the old shape does not accept the value",
	" INSERT INTO users (id, is_active) VALUES (1, true) ON CONFLICT (id) DO UPDATE SET status = 'paused'": "both shapes are written, and contradict each other",
}
