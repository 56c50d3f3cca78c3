package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
)

// dirtyKeys counts the keys of a migration that are recorded as dirty. A schema
// pgjanus of an earlier release has no table of them.
func dirtyKeys(ctx context.Context, q queryer, migration string) (n int64, err error) {
	var there bool
	if err := q.QueryRow(ctx, `SELECT pg_catalog.to_regclass('pgjanus.dirty') IS NOT NULL`).Scan(&there); err != nil || !there {
		return 0, err
	}
	err = q.QueryRow(ctx, `SELECT pg_catalog.count(*) FROM pgjanus.dirty WHERE migration = $1`, migration).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting dirty keys: %w", err)
	}
	return n, nil
}

// wash forgets what was dirty before the run began: every key has been synced
// since, and is recorded anew where that has failed, or it is gone. It counts
// those that are left.
func (f *filler) wash(ctx context.Context) (err error) {
	if f.dirty, err = dirtyKeys(ctx, f.conn, f.name); err != nil || f.dirty == 0 {
		return err
	}
	err = pgx.BeginTxFunc(ctx, f.conn, writing, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM pgjanus.dirty d USING pgjanus.migration m
			WHERE d.migration = $1 AND m.name = $1 AND m.generation = $2 AND d.at < m.started_at`, f.name, f.generation)
		return err
	})
	if err != nil {
		return fmt.Errorf("forgetting keys that were dirty: %w", err)
	}
	f.dirty, err = dirtyKeys(ctx, f.conn, f.name)
	return err
}

// soiled is a query of the dirty keys that have an old row. They are drift, and
// are not compared: up may be what fails for them.
func (v *verifier) soiled() string {
	from, where := v.dirtyRow("old")
	return fmt.Sprintf(`SELECT d.key, pg_catalog.format('dirty since %%s: %%s %%s', d.at, d.sqlstate, d.message)
		FROM %s, %s old WHERE %s ORDER BY d.key`, from, v.table, where)
}

// clean is the condition that a row of the old table is not dirty.
func (v *verifier) clean(alias string) string {
	from, where := v.dirtyRow(alias)
	return fmt.Sprintf("NOT EXISTS (SELECT FROM %s WHERE %s)", from, where)
}

// dirtyRow joins the dirty keys, named d, with a row of the old table.
func (v *verifier) dirtyRow(alias string) (from, where string) {
	same := make([]string, len(v.m.Key))
	for i, k := range v.m.Key {
		same[i] = fmt.Sprintf("%s.%s = %s", alias, rewrite.Ident(k.Name), k.FromText(fmt.Sprintf("d.key[%d]", i+1)))
	}
	return fmt.Sprintf("(SELECT * FROM pgjanus.dirty WHERE migration = %s OFFSET 0) d", rewrite.Literal(v.m.Rule.Name)), strings.Join(same, " AND ")
}
