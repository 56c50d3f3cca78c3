package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// relativesSQL follows inheritance up and down from each table, and the views
// over it and over its relatives: rows of the table show in all of them.
const relativesSQL = `
WITH RECURSIVE parent(root, oid) AS (
  SELECT i.inhrelid, i.inhparent FROM pg_inherits i WHERE i.inhrelid = ANY($1::oid[])
  UNION
  SELECT p.root, i.inhparent FROM parent p JOIN pg_inherits i ON i.inhrelid = p.oid
), child(root, oid) AS (
  SELECT i.inhparent, i.inhrelid FROM pg_inherits i WHERE i.inhparent = ANY($1::oid[])
  UNION
  SELECT c.root, i.inhrelid FROM child c JOIN pg_inherits i ON i.inhparent = c.oid
), seen(root, oid) AS (
  (SELECT t, t FROM unnest($1::oid[]) t UNION SELECT * FROM parent UNION SELECT * FROM child)
  UNION
  SELECT s.root, r.ev_class
  FROM seen s
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid
    AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite r ON r.oid = d.objid
  JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm')
), view(root, oid) AS (
  SELECT root, oid FROM seen WHERE oid <> root
  EXCEPT SELECT * FROM parent EXCEPT SELECT * FROM child
)
SELECT x.root, x.role, n.nspname::text, c.relname::text
FROM (SELECT 'parent' AS role, * FROM parent
  UNION ALL SELECT 'child', * FROM child
  UNION ALL SELECT 'view', * FROM view) x
JOIN pg_class c ON c.oid = x.oid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')`

func readRelatives(ctx context.Context, tx pgx.Tx, tables tablesByOID) error {
	err := each(ctx, tx, "views and inheritance", relativesSQL, []any{tables.oids()}, func(row pgx.Rows) error {
		var oid uint32
		var role string
		var name Name
		if err := row.Scan(&oid, &role, &name.Schema, &name.Name); err != nil {
			return err
		}
		switch t := tables[oid]; role {
		case "parent":
			t.Parents = append(t.Parents, name)
		case "child":
			t.Children = append(t.Children, name)
		case "view":
			t.Views = append(t.Views, name)
		}
		return nil
	})
	for _, t := range tables {
		sortNames(t.Parents)
		sortNames(t.Children)
		sortNames(t.Views)
	}
	return err
}

const namesakesSQL = `
SELECT c.relname::text, n.nspname::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = ANY($1::name[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname !~ '^pg_(temp|toast)'
ORDER BY c.relname, n.nspname COLLATE "C"`

func (s *Snapshot) readNamesakes(ctx context.Context, tx pgx.Tx, requested []Name) error {
	all := append([]Name(nil), requested...)
	for _, t := range s.Tables {
		all = append(append(append(all, t.Views...), t.Parents...), t.Children...)
	}
	_, names := split(all)
	return each(ctx, tx, "namesakes", namesakesSQL, []any{names}, func(row pgx.Rows) error {
		var name, schema string
		if err := row.Scan(&name, &schema); err != nil {
			return err
		}
		s.Namesakes[name] = append(s.Namesakes[name], schema)
		return nil
	})
}
