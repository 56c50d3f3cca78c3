package test

import (
	"fmt"
	"strings"
)

// statement is one of the application's, with the number of columns it returns.
type statement struct {
	text    string
	columns int
	args    []any
}

// statement picks a write of a hot key, seldom one of a new key.
func (w *worker) statement() statement {
	switch n := w.random.IntN(10); {
	case n < 6:
		return w.order()
	case n < 8:
		return w.user()
	default:
		return w.counter()
	}
}

func (w *worker) order() statement {
	id, other := w.key(), w.key()
	switch w.random.IntN(14) {
	case 0, 1:
		return statement{"UPDATE orders SET items = $1 WHERE id = $2", 0, []any{w.items(), id}}
	case 2:
		return statement{"UPDATE orders SET items = items || $1::jsonb, note = $2 WHERE id = $3", 0, []any{w.items(), "more", id}}
	case 3:
		return statement{"UPDATE orders SET items = items - 0 WHERE id = $1 RETURNING id, items", 2, []any{id}}
	case 4:
		return statement{"UPDATE orders SET items = items - -1 WHERE id IN ($1, $2)", 0, []any{id, other}}
	case 5:
		return statement{"DELETE FROM orders WHERE id = $1", 0, []any{id}}
	case 6, 7:
		return statement{"INSERT INTO orders (id, customer, items) VALUES ($1, 'upsert', $2) ON CONFLICT (id) DO UPDATE SET items = excluded.items RETURNING id", 1, []any{id, w.items()}}
	case 8:
		return statement{"INSERT INTO orders (id, customer, items) VALUES ($1, 'again', $2) ON CONFLICT DO NOTHING", 0, []any{id, w.items()}}
	case 9:
		return statement{"INSERT INTO orders (customer, items) VALUES ('new', $1), ('new', $2) RETURNING id", 1, []any{w.items(), w.items()}}
	case 10:
		return statement{"WITH gone AS (DELETE FROM orders WHERE id = $1 AND items = '[]' RETURNING id), u AS (UPDATE orders SET items = items || $2::jsonb WHERE id = $3 AND jsonb_array_length(items) < 20 RETURNING id, items) SELECT id FROM u", 1, []any{id, w.items(), other}}
	case 11:
		// LIMIT, because a transaction with a fixed snapshot may see two rows of a key
		// that it has inserted after another deleted it: plain Postgres then says 21000.
		return statement{"INSERT INTO orders (id, customer, items) SELECT $1, customer, items || $2::jsonb FROM orders WHERE id = $3 AND jsonb_array_length(items) < 20 LIMIT 1 ON CONFLICT (id) DO UPDATE SET items = orders.items || excluded.items WHERE jsonb_array_length(orders.items) < 20", 0, []any{id, w.items(), other}}
	case 12:
		return statement{"UPDATE orders o SET items = p.items FROM orders p WHERE o.id = $1 AND p.id = $2", 0, []any{id, other}}
	default:
		return statement{"UPDATE orders SET note = $1, total_cents = 1 WHERE id = $2", 0, []any{"note", id}}
	}
}

func (w *worker) user() statement {
	id := w.key()
	switch w.random.IntN(7) {
	case 0, 1:
		return statement{"UPDATE users SET is_active = $1 WHERE id = $2", 0, []any{w.random.IntN(2) == 0, id}}
	case 2:
		return statement{"UPDATE users SET is_active = NOT is_active WHERE id = $1 RETURNING is_active", 1, []any{id}}
	case 3:
		return statement{"UPDATE users SET is_active = NOT is_active WHERE id BETWEEN $1 AND $1 + 2", 0, []any{id}}
	case 4:
		return statement{"INSERT INTO users (id, email, is_active) VALUES ($1, 'u', $2) ON CONFLICT (id) DO UPDATE SET is_active = excluded.is_active", 0, []any{id, w.random.IntN(2) == 0}}
	case 5:
		return statement{"INSERT INTO users (email, is_active) VALUES ('new', false), ('new', DEFAULT)", 0, nil}
	default:
		return statement{"DELETE FROM users WHERE id = $1", 0, []any{id}}
	}
}

func (w *worker) counter() statement {
	id := w.key()
	n := w.random.IntN(7)
	if !w.load.movesKeys && n == 6 {
		n = 0
	}
	switch n {
	case 0, 1:
		return statement{"INSERT INTO counters (id, name) VALUES ($1, 'c') ON CONFLICT (id) DO UPDATE SET n = counters.n + 1 RETURNING n", 1, []any{id}}
	case 2:
		return statement{"INSERT INTO counters (id, name) VALUES ($1, 'c') ON CONFLICT DO NOTHING", 0, []any{id}}
	case 3:
		return statement{"INSERT INTO counters (name) VALUES ('new') RETURNING id", 1, nil}
	case 4:
		return statement{"UPDATE counters SET n = n + 1 WHERE id = $1", 0, []any{id}}
	case 5:
		return statement{"DELETE FROM counters WHERE id = $1", 0, []any{id}}
	default:
		return statement{"UPDATE counters SET id = nextval('counters_id_seq') WHERE id = $1", 0, []any{id}}
	}
}

func (w *worker) key() int { return 1 + w.random.IntN(hot) }

// items is the JSON text of up to three items.
func (w *worker) items() string {
	items := make([]string, w.random.IntN(4))
	for i := range items {
		items[i] = fmt.Sprintf(`{"sku":"%c","qty":%d,"price_cents":%d}`, 'a'+rune(w.random.IntN(5)), w.random.IntN(3), w.random.IntN(1000))
	}
	return "[" + strings.Join(items, ",") + "]"
}
