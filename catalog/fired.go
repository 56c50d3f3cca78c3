package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// firedSQL finds the user's enabled triggers that an UPDATE of columns $3 of table
// $1.$2 fires: on partitions those for each row. One of a partitioned table, of
// which each partition has a copy, counts once.
const firedSQL = `
WITH RECURSIVE below(oid, itself) AS (
  SELECT c.oid, true FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::name AND c.relname = $2::name
  UNION
  SELECT i.inhrelid, false FROM below b JOIN pg_inherits i ON i.inhparent = b.oid
)
SELECT quote_ident(g.tgname) || CASE WHEN b.itself THEN '' ELSE ' on ' || b.oid::regclass END
FROM below b JOIN pg_trigger g ON g.tgrelid = b.oid JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled IN ('O', 'A') AND n.nspname <> 'pgjanus'
  AND g.tgtype & $4::int2 <> 0 AND (b.itself OR g.tgtype & $5::int2 <> 0)
  AND (cardinality(g.tgattr::int2[]) = 0
    OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = g.tgrelid AND a.attnum = ANY (g.tgattr) AND a.attname = ANY ($3::text[])))
ORDER BY b.itself DESC, 1`

// Fired lists the user's triggers that an UPDATE of those columns of a table may
// fire, as SQL, with the table where that is a partition. Whether the condition of
// one is true is not asked.
func Fired(ctx context.Context, conn *pgx.Conn, table Name, columns []string) ([]string, error) {
	var all []string
	err := rolledBack(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := setLocal(ctx, tx, printing[:]...); err != nil {
			return err
		}
		return each(ctx, tx, "triggers that are fired", firedSQL, []any{table.Schema, table.Name, columns, tgUpdate, tgRow}, func(row pgx.Rows) error {
			var name string
			err := row.Scan(&name)
			all = append(all, name)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("looking for triggers of %s: %w", table, err)
	}
	return all, nil
}
