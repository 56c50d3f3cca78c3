package test

import (
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A column that up passes on has its name from the old table, also where the old
// row comes as arguments.
func TestUpPassesColumnsOn(t *testing.T) {
	g := &gate{t: t, direct: pgtest.Database(t)}
	pgtest.Exec(t, g.direct, `
		CREATE TABLE people (id int PRIMARY KEY, street text, "City" text);
		CREATE TABLE addresses (id bigserial PRIMARY KEY, person int REFERENCES people ON DELETE CASCADE, street text, "City" text);
		CREATE TABLE orders (id int PRIMARY KEY, note text, items jsonb);
		CREATE TABLE items (id bigserial PRIMARY KEY, of int REFERENCES orders ON DELETE CASCADE, note text, sku text)`)
	g.serve()
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
