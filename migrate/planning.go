package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// parentIndexed tells whether the new rows of a key can be found by an index.
const parentIndexed = `
SELECT EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
	WHERE i.indrelid = $1 AND i.indisvalid AND i.indpred IS NULL AND a.attname = ANY ($2::text[]))`

// byIndex has Postgres go from keys to new rows by index. The new table grows
// from nothing, faster than its statistics do, and what the planner makes of it
// left alone is a scan of the whole table for every batch.
const byIndex = `SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off`

// asEver takes byIndex back.
const asEver = `SET LOCAL enable_hashjoin = DEFAULT; SET LOCAL enable_mergejoin = DEFAULT; SET LOCAL enable_seqscan = DEFAULT`

// indexed reports whether byIndex helps a migration.
func indexed(ctx context.Context, q queryer, m *rewrite.Migration) (bool, error) {
	if m.Rule.Kind != rules.Rows {
		return false, nil
	}
	parents := make([]string, len(m.Rule.New.Parents))
	for i, p := range m.Rule.New.Parents {
		parents[i] = p.New
	}
	var found bool
	if err := q.QueryRow(ctx, parentIndexed, m.New.OID, parents).Scan(&found); err != nil {
		return false, fmt.Errorf("looking for an index of the new table: %w", err)
	}
	return found, nil
}

// analyzeAt says after how many batches the statistics of the new table are
// renewed: ever more seldom.
func analyzeAt(batches int64) bool {
	for at := int64(1); at <= batches; at *= 4 {
		if at == batches {
			return true
		}
	}
	return false
}

// analyze renews the statistics of the new table, for the syncs of the
// application: with those of an empty table they would scan it. It is a help
// only, and left out where the role may not or someone else is at it.
func (f *filler) analyze(ctx context.Context) error {
	if f.m.Rule.Kind != rules.Rows {
		return nil
	}
	f.opts.hook("analyze", f.conn)
	err := pgx.BeginTxFunc(ctx, f.conn, writing, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '100ms'"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "ANALYZE "+rewrite.QName(f.m.Rule.New.Table))
		return err
	})
	if err != nil && code(err) == "" {
		return fmt.Errorf("renewing the statistics of %s: %w", f.m.Rule.New.Table, err)
	}
	return nil
}
