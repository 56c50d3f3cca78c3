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
	Through []Name   // its partitions, and the views by which it is written
	Columns []string // those that matter
	// With is the table that rows of it come and go with, by a foreign key that
	// does not count. Where there is none, rows that are deleted do not matter.
	With Name
}

// writersSQL finds them for the table that is the first of $1.$2, and what it is
// written through, the others, of which the columns $3 matter; and the bodies of
// functions and rules that have yet to be searched, with whether they are in SQL.
// Of functions those have one that mentions a name in part, $6, and a verb that
// writes; or are BEGIN ATOMIC, whose body Postgres keeps parsed.
const writersSQL = `
WITH relative AS (
  SELECT c.oid, w.i = 1 AS itself FROM unnest($1::name[], $2::name[]) WITH ORDINALITY AS w(s, r, i)
  JOIN pg_namespace n ON n.nspname = w.s JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.r
), target AS (
  SELECT oid FROM relative WHERE itself
), called AS (
  SELECT p.oid, (CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END) || p.oid::regprocedure::text AS object,
    CASE WHEN p.prosrc = '' THEN pg_get_functiondef(p.oid) ELSE p.prosrc END AS body, l.lanname IN ('sql', 'plpgsql') AS insql
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang, target t
  WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('internal', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgjanus')
    AND CASE WHEN p.prosrc = '' THEN EXISTS (SELECT FROM pg_depend d JOIN relative r ON r.oid = d.refobjid
                                             WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_class'::regclass)
      ELSE p.prosrc ~* '\m(insert|update|delete|merge|copy|truncate)\M'
        AND EXISTS (SELECT FROM lower(p.prosrc COLLATE "C") body, unnest($6::text[]) part WHERE strpos(body, part) > 0) END
), cascading AS (
  SELECT c.*, CASE WHEN NOT r.itself THEN ' of ' || c.conrelid::regclass END AS whose
  FROM relative r JOIN pg_constraint c ON c.conrelid = r.oid AND c.contype = 'f' AND c.conparentid = 0
  WHERE NOT EXISTS (SELECT FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
                    WHERE r.oid = c.confrelid AND n.nspname = $4::name AND r.relname = $5::name)
)
SELECT object, false, body, insql FROM called WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgfoid = called.oid)
UNION ALL
SELECT format('trigger %I on %s%s, by %s', g.tgname, g.tgrelid::regclass, CASE WHEN g.tgrelid = t.oid THEN ' itself' END, called.object), false, body, insql
FROM called JOIN pg_trigger g ON g.tgfoid = called.oid AND g.tgenabled <> 'D' AND g.tgparentid = 0, target t
UNION ALL
SELECT format('rule %I on %s', r.rulename, r.ev_class::regclass), false, coalesce(pg_get_ruledef(r.oid), ''), true
FROM target t JOIN pg_rewrite r ON r.ev_type <> '1' AND r.ev_enabled <> 'D' AND r.ev_class <> t.oid
WHERE EXISTS (SELECT FROM pg_depend d JOIN relative ON relative.oid = d.refobjid
              WHERE d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass)
UNION ALL
SELECT format('foreign key %I%s to %s, which changes %s', c.conname, c.whose, c.confrelid::regclass, k.names), false, NULL, false
FROM cascading c, LATERAL (SELECT string_agg(quote_ident(a.attname), ', '), bool_or(a.attname = ANY ($3::text[]))
                           FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) k(names, matter)
WHERE k.matter AND (c.confdeltype IN ('n', 'd') OR c.confupdtype IN ('c', 'n', 'd'))
UNION ALL
SELECT format('foreign key %I%s to %s, which deletes rows', c.conname, c.whose, c.confrelid::regclass), false, NULL, false
FROM cascading c WHERE c.confdeltype = 'c' AND $5 <> ''
UNION ALL
SELECT DISTINCT format('subscription %I', s.subname), true, NULL, false
FROM relative t JOIN pg_subscription_rel r ON r.srrelid = t.oid JOIN pg_subscription s ON s.oid = r.srsubid
ORDER BY 1`

// Writers lists what may write a table by itself: functions, enabled triggers,
// those of the table too, rules of other tables, foreign keys that change one of
// those columns, or delete rows where that matters, subscriptions. What functions
// put together at run time is not found.
func Writers(ctx context.Context, conn *pgx.Conn, w Written) ([]Writer, error) {
	names := append(targets{w.Table}, w.Through...)
	schemas, relations := split(names)
	args := []any{schemas, relations, w.Columns, w.With.Schema, w.With.Name, names.needles()}
	var all []Writer
	err := rolledBack(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := setLocal(ctx, tx, printing[:]...); err != nil {
			return err
		}
		return each(ctx, tx, "what writes tables", writersSQL, args, func(row pgx.Rows) error {
			var found Writer
			var body *string
			var inSQL bool
			if err := row.Scan(&found.Object, &found.Replicated, &body, &inSQL); err != nil {
				return err
			}
			if body == nil || inSQL && names.writtenBySQL(*body) || !inSQL && names.writtenByText(*body) {
				all = append(all, found)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("looking for what writes %s: %w", w.Table, err)
	}
	return all, nil
}
