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
// beside the application's own (null: all).
//
// A role counts when it can log in, is no superuser, and may write old. Where
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
), writer AS (
  SELECT r.oid, r.rolname, format('%I', r.rolname) AS ident,
    has_any_column_privilege(r.oid, old.oid, 'INSERT') AS inserts
  FROM pg_roles r, old
  WHERE r.rolcanlogin AND NOT r.rolsuper AND has_schema_privilege(r.oid, old.nsp, 'USAGE')
    AND (has_table_privilege(r.oid, old.oid, 'DELETE') OR has_any_column_privilege(r.oid, old.oid, 'INSERT, UPDATE'))
), col AS (
  SELECT a.attrelid, a.attname, a.attnum FROM pg_attribute a
  WHERE a.attrelid IN ($1, $2) AND a.attnum > 0 AND NOT a.attisdropped
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
  SELECT w.oid, 1, 'USAGE', '', 'SCHEMA ' || format('%I', n.nspname)
  FROM writer w, new, pg_namespace n
  WHERE (n.oid = new.nsp OR n.nspname = 'pgjanus') AND NOT has_schema_privilege(w.oid, n.oid, 'USAGE')
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
		var columns []string
		if len(p.Columns) > 0 {
			columns = p.Columns
		}
		err = each(ctx, tx, "grants", grantsSQL, []any{old, created, columns}, func(row pgx.Rows) error {
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
