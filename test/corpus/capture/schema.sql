DROP TABLE IF EXISTS orders, users, counters;
CREATE TABLE orders (
	id          bigserial PRIMARY KEY,
	customer    text,
	total_cents int,
	items       jsonb NOT NULL DEFAULT '[]',
	note        text,
	updated_at  timestamptz DEFAULT '2026-01-01 00:00Z'
);
CREATE TABLE users (id serial PRIMARY KEY, email text, is_active boolean NOT NULL DEFAULT true);
CREATE TABLE counters (id serial PRIMARY KEY, n int NOT NULL DEFAULT 0, name text);
