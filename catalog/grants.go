package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// grantsSQL: $1 old, $2 new (OIDs), $3 the columns of new that are written
// beside the application's own (null: all), $4 the relations through which old
// can be written by another name: views and partitions.
//
// A role counts when it can log in, is no superuser, and may write old or one of
// $4; whose rows a sync has to see there. It works on old itself, with the role's
// own rights, even where a view lends those of its owner. Where
// new is another table the dual write inserts, updates and deletes there, and
// draws from the sequences of its columns' defaults. Where it is the same
// table the role's own privileges cover the rows; the added columns are what a
// grant by column would lack: UPDATE for sync, INSERT too if the role inserts.
//
// SELECT on old is needed on the table as a whole, since statements read its
// tableoid, which no grant by column that people make covers.
//
// Identity columns draw without a check of privileges, and are left out.
const grantsSQL = `
WITH rel AS (
  SELECT c.oid, c.relnamespace AS nsp, n.nspname, format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
), old AS (SELECT * FROM rel WHERE oid = $1), new AS (SELECT * FROM rel WHERE oid = $2
), writes AS (
  SELECT r.oid, r.rolname, t.oid AS through, t.name,
    has_any_column_privilege(r.oid, t.oid, 'INSERT') AS inserts
  FROM pg_roles r, rel t
  WHERE t.oid = ANY($4::oid[] || $1::oid) AND r.rolcanlogin AND NOT r.rolsuper AND has_schema_privilege(r.oid, t.nsp, 'USAGE')
    AND (has_table_privilege(r.oid, t.oid, 'DELETE') OR has_any_column_privilege(r.oid, t.oid, 'INSERT, UPDATE'))
), writer AS (
  SELECT oid, rolname, format('%I', rolname) AS ident, bool_or(inserts AND through = $1) AS inserts FROM writes GROUP BY oid, rolname
), col AS (
  SELECT a.attrelid, a.attname, a.attnum FROM pg_attribute a
  WHERE a.attrelid = ANY(ARRAY[$1, $2]::oid[] || $4::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
), need AS (
  -- whole tables
  SELECT w.oid, p.n, p.name AS privilege, '' AS columns, t.name AS object
  FROM writer w, old, new,
    (VALUES (1, 'SELECT'), (2, 'INSERT'), (3, 'UPDATE'), (4, 'DELETE')) p(n, name),
    LATERAL (SELECT old.oid, old.name WHERE p.name = 'SELECT'
      UNION SELECT new.oid, new.name WHERE new.oid <> old.oid) t(oid, name)
  WHERE NOT has_table_privilege(w.oid, t.oid, p.name)
    AND (p.name = 'DELETE' OR p.name = 'SELECT' AND t.oid = old.oid OR EXISTS (SELECT FROM col WHERE col.attrelid = t.oid
      AND NOT has_column_privilege(w.oid, t.oid, col.attnum, p.name)))
  UNION ALL
  -- added columns of the same table
  SELECT w.oid, p.n, p.name, coalesce(' (' || (
      SELECT string_agg(format('%I', c), ', ' ORDER BY k) FROM unnest($3::text[]) WITH ORDINALITY u(c, k)) || ')', ''), new.name
  FROM writer w, old, new, (VALUES (2, 'INSERT'), (3, 'UPDATE')) p(n, name)
  WHERE new.oid = old.oid AND (p.name = 'UPDATE' OR w.inserts)
    AND EXISTS (SELECT FROM col WHERE ($3::text[] IS NULL OR col.attname = ANY($3::name[]))
      AND NOT has_column_privilege(w.oid, new.oid, col.attnum, p.name))
  UNION ALL
  -- what else the table is called
  SELECT w.oid, 1, 'SELECT', '', w.name FROM writes w
  WHERE w.through <> $1 AND NOT has_table_privilege(w.oid, w.through, 'SELECT')
    AND EXISTS (SELECT FROM col WHERE col.attrelid = w.through AND NOT has_column_privilege(w.oid, w.through, col.attnum, 'SELECT'))
  UNION ALL
  SELECT w.oid, p.n, p.name, ' (' || string_agg(format('%I', col.attname), ', ' ORDER BY col.attnum) || ')', w.name
  FROM writes w JOIN pg_class k ON k.oid = w.through AND k.relkind <> 'v' JOIN old ON old.oid = $2
  JOIN col ON col.attrelid = w.through AND col.attname = ANY($3::name[]), (VALUES (2, 'INSERT'), (3, 'UPDATE')) p(n, name)
  WHERE w.through <> $1 AND (p.name = 'UPDATE' OR w.inserts) AND NOT has_column_privilege(w.oid, w.through, col.attnum, p.name)
  GROUP BY w.oid, p.n, p.name, w.name
  UNION ALL
  SELECT w.oid, 1, 'USAGE', '', 'SCHEMA ' || format('%I', n.nspname)
  FROM writer w, new, old, pg_namespace n
  WHERE (n.oid IN (new.nsp, old.nsp) OR n.nspname = 'pgjanus') AND NOT has_schema_privilege(w.oid, n.oid, 'USAGE')
  UNION ALL
  SELECT w.oid, 1, 'SELECT', '', rel.name
  FROM writer w, rel
  WHERE rel.name = 'pgjanus.migration' AND NOT has_table_privilege(w.oid, rel.oid, 'SELECT')
  UNION ALL
  SELECT DISTINCT w.oid, 1, 'USAGE', '', 'SEQUENCE ' || s.name
  FROM writer w, old, new, pg_depend d
  LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
  JOIN pg_class q ON q.relkind = 'S' AND q.oid = CASE
    WHEN d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass THEN d.refobjid
    WHEN d.classid = 'pg_class'::regclass AND d.deptype = 'a' THEN d.objid END
  JOIN rel s ON s.oid = q.oid
  WHERE new.oid <> old.oid
    AND (f.adrelid = new.oid OR (d.refclassid = 'pg_class'::regclass AND d.refobjid = new.oid AND d.refobjsubid > 0))
    AND NOT has_sequence_privilege(w.oid, q.oid, 'USAGE, UPDATE')
)
SELECT w.rolname::text, format('GRANT %s ON %s TO %s',
  string_agg(need.privilege || need.columns, ', ' ORDER BY need.n), need.object, w.ident)
FROM need JOIN writer w ON w.oid = need.oid
GROUP BY w.rolname, w.ident, need.object
ORDER BY w.rolname, 2`

// readGrants fills Table.Missing. Pairs of which one does not exist are left
// out: there is nothing to grant on yet.
func (s *Snapshot) readGrants(ctx context.Context, tx pgx.Tx, pairs []GrantRequest) error {
	for _, p := range pairs {
		old, err := s.oid(ctx, tx, p.Old)
		if err != nil {
			return err
		}
		created, err := s.oid(ctx, tx, p.New)
		if err != nil {
			return err
		}
		table := s.Tables[p.Old]
		if table == nil || created == 0 {
			continue
		}
		others, err := s.otherNames(ctx, tx, table)
		if err != nil {
			return err
		}
		var columns []string
		if len(p.Columns) > 0 {
			columns = p.Columns
		}
		err = each(ctx, tx, "grants", grantsSQL, []any{old, created, columns, others}, func(row pgx.Rows) error {
			var m MissingGrant
			err := row.Scan(&m.Role, &m.Grant)
			table.Missing = appendNew(table.Missing, m)
			return err
		})
		if err != nil {
			return err
		}
		sortGrants(table.Missing)
	}
	return nil
}

// otherNames returns the views and partitions through which a table can be written.
func (s *Snapshot) otherNames(ctx context.Context, tx pgx.Tx, table *Table) ([]uint32, error) {
	var names []Name
	for _, name := range table.Views {
		if v := s.Views[name]; v != nil && v.Updatable {
			names = append(names, name)
		}
	}
	if table.Kind == 'p' {
		names = append(names, table.Children...)
	}
	oids := make([]uint32, 0, len(names))
	for _, name := range names {
		oid, err := s.oid(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		if oid != 0 {
			oids = append(oids, oid)
		}
	}
	return oids, nil
}

// oid returns 0 for a relation that does not exist.
func (s *Snapshot) oid(ctx context.Context, tx pgx.Tx, name Name) (uint32, error) {
	if t := s.Tables[name]; t != nil {
		return t.OID, nil
	}
	var oid uint32
	err := tx.QueryRow(ctx, `SELECT coalesce((
		SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1::name AND c.relname = $2::name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')), 0)`,
		name.Schema, name.Name).Scan(&oid)
	if err != nil {
		return 0, fmt.Errorf("looking for %s: %w", name, err)
	}
	return oid, nil
}

// appendNew keeps what two migrations of one table both need once.
func appendNew(list []MissingGrant, m MissingGrant) []MissingGrant {
	if slices.Contains(list, m) {
		return list
	}
	return append(list, m)
}

func sortGrants(list []MissingGrant) {
	slices.SortFunc(list, func(a, b MissingGrant) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Grant, b.Grant))
	})
}
