package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// Columns of the new table may be called as those that pgjanus's own queries have.
func TestColumnsNamedAsOnesOfSyncs(t *testing.T) {
	g := newGateOver(t, `
		CREATE TABLE lists (p0 int PRIMARY KEY, n text);
		CREATE TABLE parts (pk0 bigserial PRIMARY KEY, p0 int REFERENCES lists ON DELETE CASCADE, n text, c0 int)`)
	g.use(`migrations:
  - name: order-items
    phase: dualwrite
    kind: rows
    old: {table: public.lists, key: [p0], columns: [n]}
    new: {table: public.parts, parent: {p0: p0}}
    up: SELECT n, 1 AS c0 FROM regexp_split_to_table(old.n, ',') AS u(n)
    down: {n: "SELECT string_agg(n, ',' ORDER BY pk0) FROM new"}
`)
	g.backfilled()
	g.takes(t, pgtest.Connect(t, g.dsn),
		"INSERT INTO lists VALUES (1, 'a,b'), (2, 'c')",
		"UPDATE lists SET n = n || ',z'",
		"UPDATE lists SET n = 'z' WHERE p0 = 1",
		"UPDATE parts SET n = 'y' WHERE p0 = 1",
	)
}

// A column that up passes on has its name from the old table, also where the old
// row comes as arguments.
func TestUpPassesColumnsOn(t *testing.T) {
	g := newGateOver(t, `
		CREATE TABLE people (id int PRIMARY KEY, street text, "City" text);
		CREATE TABLE addresses (id bigserial PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE, street text, "City" text);
		CREATE TABLE orders (id int PRIMARY KEY, note text, items jsonb);
		CREATE TABLE items (id bigserial PRIMARY KEY, of int REFERENCES orders ON DELETE CASCADE, note text, sku text)`)
	g.use(`migrations:
  - name: addresses
    phase: dualwrite
    kind: rows
    old: {table: public.people, key: [id], columns: [street, '"City"']}
    new: {table: public.addresses, parent: {person: id}}
    up: SELECT old.street, old."City"
  - name: items
    phase: dualwrite
    kind: rows
    old: {table: public.orders, key: [id], columns: [note, items]}
    new: {table: public.items, parent: {of: id}}
    up: SELECT old.note, i.sku FROM jsonb_to_recordset(old.items) AS i(sku text)
`)
	g.takes(t, pgtest.Connect(t, g.dsn),
		"INSERT INTO people VALUES (1, 'a', 'b')",
		"INSERT INTO people VALUES (1, 'a', 'b') ON CONFLICT (id) DO UPDATE SET street = 'c'",
		`UPDATE people SET "City" = 'd'`,
		`INSERT INTO orders VALUES (1, 'n', '[{"sku":"a"},{"sku":"b"}]'), (2, NULL, '[]')`,
		"UPDATE orders SET note = 'm'",
		`UPDATE orders SET items = '[{"sku":"b"}]'`,
	)
}
