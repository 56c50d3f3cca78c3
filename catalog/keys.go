package catalog

import (
	"context"
	"sort"

	"github.com/jackc/pgx/v5"
)

// keysSQL reads the primary key, and of every other index that may refuse a row for
// what another row has, the columns that it reads: also of one that is partial, over
// expressions, or still being built, and of an exclusion constraint. It unnests before
// it joins: INCLUDE columns come behind the first indnkeyatts.
const keysSQL = `
SELECT i.indrelid, i.indisprimary, (
    SELECT array_agg(k.name ORDER BY k.n) FROM (
      SELECT a.attname::text AS name, min(k.n) AS n
      FROM (SELECT num, n FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(num, n) WHERE n <= i.indnkeyatts
        UNION ALL SELECT refobjsubid, 1000 + refobjsubid FROM pg_depend
        WHERE classid = 'pg_class'::regclass AND objid = i.indexrelid AND refclassid = 'pg_class'::regclass AND refobjid = i.indrelid AND refobjsubid > 0
          AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) AS k(num, n)
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num GROUP BY a.attname) k)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY($1::oid[]) AND (i.indisprimary OR ((i.indisunique OR i.indisexclusion) AND i.indisready AND i.indimmediate))
ORDER BY c.relname`

func readKeys(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	return each(ctx, tx, "keys", keysSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var oid uint32
		var primary bool
		var columns []string
		if err := row.Scan(&oid, &primary, &columns); err != nil {
			return err
		}
		if t := tables[oid]; primary {
			t.Key = columns
		} else {
			t.Unique = append(t.Unique, columns)
		}
		return nil
	})
}

const foreignKeysSQL = `
SELECT c.conrelid, c.conname::text, (
    SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.conkey) WITH ORDINALITY AS k(num, n)
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num),
  n.nspname::text, r.relname::text, (
    SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(c.confkey) WITH ORDINALITY AS k(num, n)
    JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num),
  c.confdeltype, (
    SELECT array_agg(a.attname::text ORDER BY k.n)
    FROM unnest(coalesce(translate(nullif(to_jsonb(c) -> 'confdelsetcols', 'null')::text, '[]', '{}')::int2[], c.conkey)) WITH ORDINALITY AS k(num, n) -- a column since Postgres 15
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num
    WHERE c.confdeltype IN ('n', 'd')),
  c.confupdtype, c.condeferrable AND c.condeferred, NOT c.convalidated,
  to_jsonb(c) ->> 'conenforced' IS NOT DISTINCT FROM 'false' -- a column since Postgres 18
  OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid <> c.conrelid AND g.tgenabled NOT IN ('O', 'A')
    AND g.tgconstraint IN (SELECT k.oid FROM pg_constraint k WHERE k.oid = c.oid OR k.conparentid = c.oid))
FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE c.conrelid = ANY($1::oid[]) AND c.contype = 'f' AND NOT EXISTS ( -- those to partitions come with that to their root
  SELECT FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
ORDER BY c.conrelid, c.conname`

func readForeignKeys(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	return each(ctx, tx, "foreign keys", foreignKeysSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var oid uint32
		var k ForeignKey
		err := row.Scan(&oid, &k.Name, &k.Columns, &k.RefTable.Schema, &k.RefTable.Name, &k.RefColumns,
			&k.OnDelete, &k.Sets, &k.OnUpdate, &k.Deferred, &k.Unvalidated, &k.Idle)
		if err != nil {
			return err
		}
		tables[oid].ForeignKeys = append(tables[oid].ForeignKeys, k)
		return nil
	})
}

const referencedSQL = `
WITH RECURSIVE reached(root, oid) AS (
  SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY($1::oid[])
  UNION SELECT r.root, c.confrelid FROM reached r JOIN pg_constraint c ON c.conrelid = r.oid AND c.contype = 'f'
)
SELECT r.root, n.nspname::text, c.relname::text
FROM reached r JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.oid <> r.root ORDER BY r.root, n.nspname, c.relname`

func readReferenced(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	return each(ctx, tx, "referenced tables", referencedSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var oid uint32
		var name Name
		err := row.Scan(&oid, &name.Schema, &name.Name)
		tables[oid].Referenced = append(tables[oid].Referenced, name)
		return err
	})
}

func sortedOIDs(tables tablesByOID) []uint32 {
	list := tables.oids()
	sort.Slice(list, func(i, j int) bool { return list[i] < list[j] })
	return list
}
