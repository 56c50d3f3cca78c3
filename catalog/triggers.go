package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Bits of pg_trigger.tgtype (src/include/catalog/pg_trigger.h).
const (
	tgRow    = 1 << 0
	tgBefore = 1 << 1
	tgInsert = 1 << 2
	tgDelete = 1 << 3
	tgUpdate = 1 << 4
)

const triggersSQL = `
SELECT tgrelid, tgname::text, tgtype FROM pg_trigger JOIN pg_proc p ON p.oid = tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE tgrelid = ANY($1::oid[]) AND NOT tgisinternal AND tgenabled <> 'D' AND n.nspname <> 'pgjanus'
ORDER BY tgrelid, tgname`

// readTriggers reads the user's enabled triggers: those of a guard call functions
// of ours. One for TRUNCATE alone has
// none of Insert, Update and Delete set.
func readTriggers(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	return each(ctx, tx, "triggers", triggersSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var oid uint32
		var name string
		var bits int16
		if err := row.Scan(&oid, &name, &bits); err != nil {
			return err
		}
		tables[oid].Triggers = append(tables[oid].Triggers, Trigger{
			Name:   name,
			Before: bits&tgBefore != 0,
			Row:    bits&tgRow != 0,
			Insert: bits&tgInsert != 0,
			Update: bits&tgUpdate != 0,
			Delete: bits&tgDelete != 0,
		})
		return nil
	})
}

const rulesSQL = `
SELECT ev_class, rulename::text FROM pg_rewrite
WHERE ev_class = ANY($1::oid[]) AND rulename <> '_RETURN' AND ev_enabled <> 'D'
ORDER BY ev_class, rulename`

func readRules(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	return each(ctx, tx, "rewrite rules", rulesSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var oid uint32
		var name string
		if err := row.Scan(&oid, &name); err != nil {
			return err
		}
		tables[oid].Rules = append(tables[oid].Rules, name)
		return nil
	})
}
