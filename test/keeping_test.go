package test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

const ordersQuery = "SELECT id, customer, total_cents, items, note FROM orders ORDER BY id"

// Whole rows are saved with their key.
func TestAnAssignmentThatKeepsTheKey(t *testing.T) {
	p := newPair(t, 6)
	texts := []string{
		`UPDATE orders SET id = 3, customer = 'c', items = '[{"sku":"a"}]', note = NULL WHERE id = 3`,
		`UPDATE orders AS o SET id = o.id, items = '[{"sku":"b"},{"sku":"c"}]' WHERE o.id IN (1, 2) RETURNING id`,
		`UPDATE orders o SET id = v.id, items = v.items FROM (VALUES (1, '[]'::jsonb), (5, '[{"qty":1}]')) AS v (id, items) WHERE o.id = v.id RETURNING o.id, v.id`,
		`UPDATE orders SET note = 'x', id = '4' WHERE '4' = id`,
		`INSERT INTO orders (id, items) VALUES (2, '[{"sku":"u"}]') ON CONFLICT (id) DO UPDATE SET id = 2, items = excluded.items RETURNING id, items`,
		`INSERT INTO orders (id, items) VALUES (102, '[{"sku":"u"}]') ON CONFLICT (id) DO UPDATE SET id = 102, items = excluded.items RETURNING id, items`,
		`INSERT INTO orders (id, items) VALUES (3, '[{"sku":"v"}]') ON CONFLICT (id) DO UPDATE SET id = orders.id, items = excluded.items`,
		`WITH w AS (UPDATE orders SET id = 6, items = '[]' WHERE id = 6 RETURNING id) SELECT * FROM w`,
	}
	if n := p.alike(t, ordersQuery, texts...); n != len(texts) {
		t.Errorf("%d of %d are rewritten", n, len(texts))
	}
}

// A value that = takes for the key may be another one when it is assigned. Then
// the foreign key sees to it that nothing is left behind.
func TestAnAssignmentThatMovesTheKeyAllTheSame(t *testing.T) {
	const odd = 9007199254740993 // as a double precision it is one less
	g := newGate(t, 0)
	g.phase("dualwrite")
	conn := pgtest.Connect(t, g.dsn)
	ctx := context.Background()
	move := func() error {
		_, err := conn.Exec(ctx, `UPDATE orders SET id = 9007199254740993::float8 WHERE id = 9007199254740993::float8`)
		return err
	}
	do(t, conn, `INSERT INTO orders (id, items) VALUES (9007199254740993, '[{"sku":"a"}]')`)
	var e *pgconn.PgError
	if err := move(); !errors.As(err, &e) || e.Code != "23503" {
		t.Errorf("with new rows the move gave %v, want 23503", err)
	}
	pgtest.Agree(t, g.direct)
	do(t, conn, `UPDATE orders SET items = '[]'`)
	if err := move(); err != nil {
		t.Error(err)
	}
	if id := pgtest.Value[int64](t, g.direct, "SELECT id FROM orders"); id != odd-1 {
		t.Errorf("the key is %d", id)
	}
	pgtest.Agree(t, g.direct)
}

// A second foreign key may carry the new rows over, behind RETURNING.
func TestAnAssignmentThatMovesTheKeyUnderTwoForeignKeys(t *testing.T) {
	g := newGate(t, 0)
	pgtest.Exec(t, g.direct, "ALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey",
		"ALTER TABLE order_items ADD CONSTRAINT z FOREIGN KEY (order_id) REFERENCES orders ON UPDATE CASCADE",
		"ALTER TABLE order_items ADD CONSTRAINT a FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE")
	g.phase("dualwrite")
	g.takes(t, pgtest.Connect(t, g.dsn), `INSERT INTO orders (id, items) VALUES (9007199254740993, '[{"sku":"a"}]')`,
		`UPDATE orders SET id = 9007199254740993::float8, items = '[{"sku":"b"}]' WHERE id = 9007199254740993::float8`)
}

// Nor does a statement name a key that is generated, or that a trigger changes.
func TestAKeyThatMovesWithoutBeingNamed(t *testing.T) {
	g := newGateOver(t, `
		CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.id := NEW.n; RETURN NEW; END';
		CREATE TABLE lines (n int, words text[], id int GENERATED ALWAYS AS (n) STORED PRIMARY KEY);
		CREATE TABLE notes (n int, words text[], id int PRIMARY KEY);
		CREATE TRIGGER moved BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION moved();
		CREATE TABLE words (id bigserial PRIMARY KEY, line int REFERENCES lines ON DELETE CASCADE, word text);
		CREATE TABLE marks (id bigserial PRIMARY KEY, note int REFERENCES notes ON DELETE CASCADE, word text)`)
	g.use(`migrations:
  - name: lines
    phase: dualwrite
    kind: rows
    old: {table: public.lines, key: [id], columns: [words]}
    new: {table: public.words, parent: {line: id}}
    up: SELECT w AS word FROM unnest(old.words) AS w
  - name: notes
    phase: dualwrite
    kind: rows
    old: {table: public.notes, key: [id], columns: [words]}
    new: {table: public.marks, parent: {note: id}}
    up: SELECT w AS word FROM unnest(old.words) AS w
`)
	conn := pgtest.Connect(t, g.dsn)
	for _, table := range []string{"lines", "notes"} {
		g.takes(t, conn, "INSERT INTO "+table+" (n, words) VALUES (1, '{a,b}'), (2, '{}')", "UPDATE "+table+" SET n = 3, words = '{c}' WHERE n = 2")
		g.refuses(t, conn, []string{"23503"}, "UPDATE "+table+" SET n = 4 WHERE n = 1", "UPDATE "+table+" SET n = 4, words = '{}' WHERE n = 3")
	}
}

// A foreign key carries the change over at the end of the statement, be it one of two,
// and what up says may hang on the key.
func TestAKeyThatMovesWithoutBeingNamedTakesItsNewRowsAlong(t *testing.T) {
	for name, keys := range map[string]string{
		"one foreign key":  "FOREIGN KEY (line) REFERENCES lines ON DELETE CASCADE ON UPDATE CASCADE",
		"two foreign keys": "CONSTRAINT z FOREIGN KEY (line) REFERENCES lines ON UPDATE CASCADE, CONSTRAINT a FOREIGN KEY (line) REFERENCES lines ON DELETE CASCADE",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateOver(t, `
				CREATE TABLE lines (n int, words text[], note text, id int GENERATED ALWAYS AS (n) STORED PRIMARY KEY, label text, mark text);
				CREATE TABLE words (id bigserial PRIMARY KEY, line int, word text, `+keys+`)`)
			g.use(`migrations:
  - name: lines
    phase: dualwrite
    kind: rows
    old: {table: public.lines, key: [id], columns: [words]}
    new: {table: public.words, parent: {line: id}}
    up: SELECT concat(w, old.id) AS word FROM unnest(old.words) AS w
  - name: labels
    phase: dualwrite
    kind: columns
    old: {table: public.lines, key: [id], columns: [note]}
    new: {table: public.lines, columns: [label]}
    up: {label: "concat(old.note, old.id)"}
  - name: marks
    phase: dualwrite
    kind: columns
    old: {table: public.lines, key: [id], columns: [note]}
    new: {table: public.lines, columns: [mark]}
    up: {mark: "concat('*', old.note)"}
`)
			conn := pgtest.Connect(t, g.dsn)
			g.takes(t, conn, "INSERT INTO lines (n, words) VALUES (1, '{a,b}'), (2, '{}')", "UPDATE lines SET n = 3 WHERE n = 1",
				"UPDATE lines SET n = 4, words = '{c}' WHERE n = 3", "UPDATE lines SET n = 5, words = '{d,e}', note = 'x' WHERE n = 4", "UPDATE lines SET note = 'y', n = n + 1 WHERE n = 5",
				"INSERT INTO lines (n, words) VALUES (6, '{f}') ON CONFLICT (id) DO UPDATE SET n = 7, words = excluded.words, note = 'z'",
				"INSERT INTO lines (n, note) VALUES (7, 'x') ON CONFLICT (id) DO UPDATE SET n = 8")
			// A row that is not filled and comes to stand where the backfill has been.
			pgtest.Exec(t, g.direct, "INSERT INTO lines (n, words, note) VALUES (100, '{u}', 'u')")
			g.takes(t, conn, "UPDATE lines SET n = 1 WHERE n = 100")
		})
	}
}
