package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Writer is an object of the database that may write a table by itself, so that
// no statement of a client shows it.
type Writer struct {
	Object string // such as "function public.touch()"
	// Replicated: what it writes fires no triggers, unless they are ENABLE ALWAYS.
	Replicated bool
}

// Written is a table of which is asked what may write it by itself.
type Written struct {
	Table   Name
	Columns []string // those that matter
	// With is the table that rows of it come and go with, by a foreign key that
	// does not count. Where there is none, rows that are deleted do not matter.
	With Name
}

// writersSQL finds them for table $1.$2, of which the columns $3 matter. Bodies of
// functions are searched for the table's name and a verb that writes: what they
// put together at run time is not found, and a name in a comment is. A trigger of the
// table itself fires before the sync, unless it is deferred.
const writersSQL = `
WITH target AS (
  SELECT c.oid, c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1::name AND c.relname = $2::name
), called AS (
  SELECT p.oid, (CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END) || p.oid::regprocedure::text AS object
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang, target t
  WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('internal', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgjanus')
    AND (strpos(lower(p.prosrc), lower(t.name)) > 0 AND p.prosrc ~* '\m(insert|update|delete|merge|copy|truncate)\M'
      OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid >= 0 AND p.prosrc = ''))
), cascading AS (
  SELECT c.* FROM target t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype = 'f' AND c.conparentid = 0
  WHERE NOT EXISTS (SELECT FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
                    WHERE r.oid = c.confrelid AND n.nspname = $4::name AND r.relname = $5::name)
)
SELECT object, false FROM called WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgfoid = called.oid)
UNION ALL
SELECT format('trigger %I on %s, by %s', g.tgname, g.tgrelid::regclass, called.object), false
FROM called JOIN pg_trigger g ON g.tgfoid = called.oid JOIN target t ON g.tgrelid <> t.oid OR g.tgdeferrable
UNION ALL
SELECT DISTINCT format('rule %I on %s', r.rulename, r.ev_class::regclass), false
FROM target t JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_type <> '1' AND r.ev_class <> t.oid
UNION ALL
SELECT format('foreign key %I to %s, which changes %s', c.conname, c.confrelid::regclass,
  (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (c.conkey))), false
FROM cascading c JOIN target t ON c.conrelid = t.oid AND (c.confdeltype IN ('n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))
WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = ANY (c.conkey) AND a.attname = ANY ($3::text[]))
UNION ALL
SELECT format('foreign key %I to %s, which deletes rows', c.conname, c.confrelid::regclass), false
FROM cascading c WHERE c.confdeltype = 'c' AND $5 <> ''
UNION ALL
SELECT format('subscription %I', s.subname), true
FROM target t JOIN pg_subscription_rel r ON r.srrelid = t.oid JOIN pg_subscription s ON s.oid = r.srsubid
ORDER BY 1`

// Writers lists what may write a table by itself: functions, triggers and rules of
// other tables, deferrable triggers of its own, foreign keys that change one of those columns, or delete rows
// where that matters, subscriptions.
func Writers(ctx context.Context, conn *pgx.Conn, w Written) ([]Writer, error) {
	var all []Writer
	err := rolledBack(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := setLocal(ctx, tx, printing[:]...); err != nil {
			return err
		}
		return each(ctx, tx, "what writes tables", writersSQL, []any{w.Table.Schema, w.Table.Name, w.Columns, w.With.Schema, w.With.Name}, func(row pgx.Rows) error {
			var found Writer
			err := row.Scan(&found.Object, &found.Replicated)
			all = append(all, found)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what writes %s: %w", w.Table, err)
	}
	return all, nil
}
