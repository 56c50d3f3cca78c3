CREATE TABLE orders (
    id bigserial PRIMARY KEY,
    customer text,
    total_cents int,
    items jsonb NOT NULL DEFAULT '[]',
    note text,
    updated_at timestamptz DEFAULT now()
);
CREATE TABLE order_items (
    id bigserial PRIMARY KEY,
    order_id bigint REFERENCES orders (id) ON DELETE CASCADE,
    sku text,
    qty int,
    price_cents int,
    created_at timestamptz DEFAULT now()
);
CREATE INDEX ON order_items (order_id);
CREATE TABLE users (
    id serial PRIMARY KEY,
    email text,
    is_active boolean NOT NULL DEFAULT true,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'disabled'))
);
CREATE TABLE counters (
    id serial PRIMARY KEY,
    n int NOT NULL DEFAULT 0,
    name text,
    id_big bigint
);
CREATE UNIQUE INDEX ON counters (id_big);
