package test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// A transaction whose snapshot does not move sees, beside the row that it has
// inserted, the row of the same key that another has deleted since. Sync must
// not take both for the row of the key. An INSERT of one row never asks: its new
// rows are made of what RETURNING says, so it may also simply succeed.
func TestKeyDeletedByAnotherAndInsertedAgainHasOneRow(t *testing.T) {
	const upsert = `INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"},{"sku":"c"}]') ON CONFLICT (id) DO UPDATE SET items = orders.items || excluded.items`
	g := newGate(t, 0)
	g.phase("dualwrite")
	ctx := context.Background()
	slow, quick := g.connect(pgx.QueryExecModeExec), g.connect(pgx.QueryExecModeExec)
	for name, c := range map[string]struct {
		before string
		texts  []string
		fresh  bool
	}{
		"insert":                            {`[{"sku":"a"}]`, []string{`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"}]')`}, true},
		"insert where there was none":       {`[]`, []string{`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"}]')`}, true},
		"insert, then update":               {`[]`, []string{`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"}]')`, `UPDATE orders SET items = items || '{"sku":"c"}' WHERE id = 1`}, false},
		"insert of many":                    {`[{"sku":"a"}]`, []string{`INSERT INTO orders (id, items) VALUES (2, '[]'), (1, '[]'), (3, '[{"sku":"b"}]')`}, true},
		"upsert":                            {`[{"sku":"a"}]`, []string{upsert}, false},
		"upsert of more of the same":        {`[{"sku":"b"}]`, []string{upsert}, false},
		"upsert of the same twice over":     {`[{"sku":"b"}]`, []string{`INSERT INTO orders (id, items) VALUES (1, '[{"sku":"b"},{"sku":"b"}]') ON CONFLICT (id) DO UPDATE SET items = excluded.items`}, false},
		"upsert twice where there was none": {`[]`, []string{upsert, upsert}, false},
	} {
		for _, level := range levels[1:] {
			t.Run(name+", "+string(level), func(t *testing.T) {
				do(t, quick, "DELETE FROM orders")
				pgtest.Exec(t, g.direct, "VACUUM orders")
				// Room in front of the row is where the one inserted later goes: a
				// lookup of the key meets that one first.
				do(t, quick, `INSERT INTO orders (id, items) VALUES (100, '[]')`)
				do(t, quick, `INSERT INTO orders (id, items) VALUES (1, $1)`, c.before)
				do(t, quick, `DELETE FROM orders WHERE id = 100`)
				pgtest.Exec(t, g.direct, "VACUUM orders")
				tx, err := slow.BeginTx(ctx, pgx.TxOptions{IsoLevel: level})
				if err != nil {
					t.Fatal(err)
				}
				do(t, tx, "SELECT count(*) FROM users")
				do(t, quick, "DELETE FROM orders WHERE id = 1")
				for _, text := range c.texts {
					if _, err = tx.Exec(ctx, text); err != nil {
						break
					}
				}
				if err == nil {
					err = tx.Commit(ctx)
				} else {
					_ = tx.Rollback(ctx)
				}
				if err == nil && !c.fresh {
					t.Error("the transaction did not notice that the key was deleted after its snapshot")
				} else if err != nil && !retryable(err) {
					t.Error(err)
				}
				pgtest.Agree(t, g.direct)
			})
		}
	}
}

type execer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func do(t *testing.T, on execer, text string, args ...any) {
	t.Helper()
	rows, err := on.Query(context.Background(), text, args...)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if rows.Close(); rows.Err() != nil {
		t.Fatalf("%s: %v", text, rows.Err())
	}
}
