package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// columnsSQL reads live columns. A column without a default of its own has its
// domain's. Of the types that are the same by value, the equality operator looks
// at every bit that is stored (src/backend/utils/adt: int.c, date.c, timestamp.c,
// uuid.c, bytea.c, enum.c; texteq in varlena.c where the collation is deterministic).
const columnsSQL = `
WITH RECURSIVE col AS (
  SELECT a.*, t.typbasetype, t.typdefault, t.typdefaultbin
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
), base(root, oid, typtype, next, isnotnull) AS (
  SELECT DISTINCT t.oid, t.oid, t.typtype, t.typbasetype, t.typnotnull
  FROM pg_type t JOIN col ON col.atttypid = t.oid
  UNION
  SELECT b.root, t.oid, t.typtype, t.typbasetype, t.typnotnull
  FROM base b JOIN pg_type t ON t.oid = b.next WHERE b.typtype = 'd'
), part(root, oid) AS (
  SELECT DISTINCT atttypid, atttypid FROM col
  UNION
  SELECT p.root, x.next FROM part p JOIN pg_type t ON t.oid = p.oid, LATERAL (
    SELECT t.typbasetype WHERE t.typtype = 'd'
    UNION ALL
    SELECT t.typelem WHERE t.typcategory = 'A' AND t.typelem <> 0
    UNION ALL
    SELECT a.atttypid FROM pg_attribute a
    WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid
    UNION ALL
    SELECT r.rngtypid FROM pg_range r WHERE t.typtype = 'm' AND to_jsonb(r) ->> 'rngmultitypid' = t.oid::text
  ) x(next)
), equality AS (
  SELECT p.root, bool_and(
    t.typtype IN ('d', 'c', 'e', 'r', 'm') OR (t.typcategory = 'A' AND t.typelem <> 0)
    OR EXISTS (
      SELECT FROM pg_opclass o JOIN pg_am am ON am.oid = o.opcmethod
      WHERE o.opcdefault AND am.amname IN ('btree', 'hash') AND (o.opcintype = t.oid OR EXISTS (
        SELECT FROM pg_cast k WHERE k.castsource = t.oid AND k.casttarget = o.opcintype
        AND k.castmethod = 'b' AND k.castcontext = 'i')))) AS has
  FROM part p JOIN pg_type t ON t.oid = p.oid GROUP BY p.root
)
SELECT col.attrelid, col.attnum, col.attname::text, format_type(col.atttypid, col.atttypmod), col.atttypid,
  (SELECT b.oid FROM base b WHERE b.root = col.atttypid AND b.typtype <> 'd'),
  ARRAY(SELECT n.nspname::text FROM part p JOIN pg_type t ON t.oid = p.oid JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE p.root = col.atttypid AND t.typtype IN ('c', 'd', 'e') AND t.oid >= 16384 ORDER BY t.oid),
  ARRAY(SELECT t.typname::text FROM part p JOIN pg_type t ON t.oid = p.oid
    WHERE p.root = col.atttypid AND t.typtype IN ('c', 'd', 'e') AND t.oid >= 16384 ORDER BY t.oid),
  coalesce((SELECT e.has FROM equality e WHERE e.root = col.atttypid), false),
  col.attnotnull OR coalesce((SELECT bool_or(b.isnotnull) FROM base b WHERE b.root = col.atttypid AND b.typtype = 'd'), false),
  coalesce(pg_get_expr(d.adbin, d.adrelid), pg_get_expr(col.typdefaultbin, 0),
    quote_literal(col.typdefault) || '::' || format_type(col.atttypid, col.atttypmod), ''),
  coalesce(d.adbin::text, col.typdefaultbin::text, ''),
  col.attidentity, col.attgenerated, col.attcollation,
  (SELECT CASE
    WHEN t.typtype IN ('c', 'r', 'm') OR (t.typcategory = 'A' AND t.typelem <> 0) THEN 'parts'
    WHEN NOT coalesce((SELECT k.collisdeterministic FROM pg_collation k WHERE k.oid = col.attcollation), true) THEN 'image'
    WHEN t.typtype = 'e' OR t.oid = ANY ('{bool,int2,int4,int8,oid,"\"char\"",date,time,timestamp,timestamptz,uuid,bytea,text,varchar,name}'::regtype[]) THEN 'value'
    ELSE 'image' END
  FROM base b JOIN pg_type t ON t.oid = b.oid WHERE b.root = col.atttypid AND b.typtype <> 'd'),
  EXISTS (SELECT FROM pg_sequence q WHERE q.seqincrement < 0 AND q.seqrelid IN (
    SELECT x.refobjid FROM pg_depend x WHERE x.classid = 'pg_attrdef'::regclass AND x.objid = d.oid AND x.refclassid = 'pg_class'::regclass
    UNION ALL
    SELECT x.objid FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.refclassid = 'pg_class'::regclass
      AND x.refobjid = col.attrelid AND x.refobjsubid = col.attnum AND x.deptype = 'i'))
FROM col LEFT JOIN pg_attrdef d ON d.adrelid = col.attrelid AND d.adnum = col.attnum
ORDER BY col.attrelid, col.attnum`

func readColumns(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	var trees []string // of the defaults, in the order the columns were read
	var table uint32
	err := each(ctx, tx, "columns", columnsSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var c Column
		var tree string
		var schemas, types []string
		err := row.Scan(&table, &c.Num, &c.Name, &c.Type, &c.TypeOID, &c.BaseOID, &schemas, &types, &c.Equality, &c.NotNull,
			&c.Default, &tree, &c.Identity, &c.Generated, &c.Collation, &c.Sameness, &c.Descends)
		if err != nil {
			return err
		}
		for i := range types {
			c.Types = append(c.Types, Name{schemas[i], types[i]})
		}
		sortNames(c.Types)
		tables[table].Columns = append(tables[table].Columns, c)
		trees = append(trees, tree)
		return nil
	})
	if err != nil {
		return err
	}
	// The query orders by table, then column.
	for _, oid := range sortedOIDs(tables) {
		t := tables[oid]
		for i := range t.Columns {
			tree := trees[0]
			trees = trees[1:]
			if t.Columns[i].Constant, err = constant(ctx, tx, &t.Columns[i], tree); err != nil {
				return fmt.Errorf("reading the default of %s.%s: %w", t.Name, t.Columns[i].Name, err)
			}
		}
	}
	return nil
}

// constant reports whether the column's default is a constant: a literal,
// possibly cast by immutable functions.
func constant(ctx context.Context, tx pgx.Tx, c *Column, tree string) (bool, error) {
	if c.Identity != 0 || c.Generated != 0 {
		return false, nil
	}
	if c.Default == "" {
		return true, nil
	}
	n := parseNodes(tree)
	if tree == "" || !n.literal() {
		return false, nil
	}
	u, err := n.uses(ctx, tx)
	return len(u.volatile)+len(u.stable) == 0, err
}
