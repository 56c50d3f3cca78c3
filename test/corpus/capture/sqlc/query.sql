-- name: CreateOrder :one
INSERT INTO orders (customer, total_cents, items, note) VALUES ($1, $2, $3, $4) RETURNING *;

-- name: CreateOrdersUnnest :many
INSERT INTO orders (customer, items)
SELECT unnest(@customers::text[]), unnest(@items::jsonb[])
RETURNING id;

-- name: CreateOrderBatch :batchone
INSERT INTO orders (customer, items) VALUES ($1, $2) RETURNING id;

-- name: GetOrder :one
SELECT * FROM orders WHERE id = $1 LIMIT 1;

-- name: LockOrder :one
SELECT * FROM orders WHERE id = $1 FOR NO KEY UPDATE;

-- name: ListOrders :many
SELECT id, customer, items FROM orders WHERE customer = ANY(@customers::text[]) ORDER BY id LIMIT $1 OFFSET $2;

-- name: SaveOrder :exec
UPDATE orders SET customer = $2, total_cents = $3, items = $4, note = $5 WHERE id = $1;

-- name: PatchOrder :one
UPDATE orders
SET customer = coalesce(sqlc.narg('customer'), customer),
    items    = coalesce(sqlc.narg('items'), items),
    note     = coalesce(sqlc.narg('note'), note)
WHERE id = sqlc.arg('id')
RETURNING *;

-- name: AddItem :one
UPDATE orders SET items = items || @item::jsonb, total_cents = coalesce(total_cents, 0) + @price::int WHERE id = @id RETURNING items;

-- name: UpsertOrder :one
INSERT INTO orders (id, customer, items) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, items = excluded.items
RETURNING id, items;

-- name: KeepOrder :execrows
INSERT INTO orders (id, items) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING;

-- name: ArchiveOrders :many
WITH archived AS (
    UPDATE orders SET note = 'archived', items = '[]' WHERE total_cents < $1 RETURNING id, customer
)
SELECT id, customer FROM archived ORDER BY id;

-- name: SetItemsBatch :batchexec
UPDATE orders SET items = $2 WHERE id = $1;

-- name: DeleteOrder :execrows
DELETE FROM orders WHERE id = $1;

-- name: DeleteOrders :many
DELETE FROM orders WHERE id = ANY(@ids::bigint[]) RETURNING id;

-- name: CreateUser :one
INSERT INTO users (email, is_active) VALUES ($1, $2) RETURNING id, email, is_active;

-- name: SetActive :exec
UPDATE users SET is_active = $2 WHERE id = $1;

-- name: UpdateUsers :execrows
UPDATE users AS u SET email = v.email, is_active = v.is_active
FROM (SELECT unnest(@ids::int[]) AS id, unnest(@emails::text[]) AS email, unnest(@actives::boolean[]) AS is_active) AS v
WHERE u.id = v.id;

-- name: FlipUsers :many
UPDATE users SET is_active = NOT is_active WHERE email LIKE $1 RETURNING id, is_active;

-- name: UpsertUser :one
INSERT INTO users (id, email, is_active) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET email = excluded.email, is_active = excluded.is_active
WHERE users.email IS DISTINCT FROM excluded.email
RETURNING id;

-- name: DeleteInactive :exec
DELETE FROM users WHERE NOT is_active;

-- name: CountUsers :one
SELECT count(*) FROM users WHERE is_active = coalesce(sqlc.narg('is_active'), is_active);

-- name: CreateCounter :one
INSERT INTO counters (name) VALUES ($1) RETURNING *;

-- name: Increment :one
UPDATE counters SET n = n + 1 WHERE id = $1 RETURNING n;

-- name: IncrementIf :execrows
UPDATE counters SET n = n + 1, name = $3 WHERE id = $1 AND n = $2;

-- name: DeleteCounter :execresult
DELETE FROM counters WHERE id = $1;
