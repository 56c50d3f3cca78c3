package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// fingerprintSQL hashes the rows of the system catalogs that a Snapshot is
// made of. Where a row is only ever rewritten by DDL its xmin stands for it;
// rows of pg_class are spelled out, because TRUNCATE and REINDEX rewrite them
// and nothing here depends on that. VACUUM and ANALYZE change none of it.
//
// Functions, operators = and operator classes that are not built in, nor ours, count whole:
// the expressions may use any of them.
//
// Lists of OIDs are arrays, of which the planner expects few members, so that
// it looks them up by index however many tables the database has.
const fingerprintSQL = `
WITH RECURSIVE rel(oid) AS (
  SELECT c.oid FROM unnest($1::name[], $2::name[]) AS w(s, r)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.r
  UNION
  SELECT x.oid FROM rel, LATERAL (
    SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = rel.oid
    UNION ALL
    SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = rel.oid
    UNION ALL
    SELECT r.ev_class FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = rel.oid
      AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
  ) x(oid)
), rels(a) AS MATERIALIZED (SELECT pg_catalog.array_agg(oid) FROM rel
), near(oid) AS (
  SELECT oid FROM rel
  UNION SELECT k.confrelid FROM pg_catalog.pg_constraint k WHERE k.conrelid = ANY ((SELECT a FROM rels)::oid[]) AND k.contype = 'f'
  UNION SELECT d.objid FROM pg_catalog.pg_depend d
    WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = ANY ((SELECT a FROM rels)::oid[])
      AND d.refobjsubid > 0 AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
  UNION SELECT d.refobjid FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.objid = ANY (ARRAY(SELECT f.oid FROM pg_catalog.pg_attrdef f WHERE f.adrelid = ANY ((SELECT a FROM rels)::oid[])))
  UNION SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pgjanus' AND c.relname = 'migration'
), nears(a) AS MATERIALIZED (SELECT pg_catalog.array_agg(oid) FROM near
), class AS MATERIALIZED (
  SELECT c.oid, c.relname, c.relnamespace, c.relkind, c.relowner, c.relrowsecurity, c.relispartition, c.relpersistence, c.reloftype, c.relacl
  FROM pg_catalog.pg_class c WHERE c.oid = ANY ((SELECT a FROM nears)::oid[])
), att AS MATERIALIZED (
  SELECT a.attrelid, a.attnum, a.atttypid, a.xmin AS x FROM pg_catalog.pg_attribute a
  WHERE a.attrelid = ANY ((SELECT a FROM nears)::oid[]) AND a.attnum > 0
), line(t) AS (
  SELECT pg_catalog.concat_ws(' ', 'server', pg_catalog.current_setting('server_version_num'))
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'class', oid, relname, relnamespace, relkind, relowner, relrowsecurity, relispartition, relpersistence, reloftype, relacl) FROM class
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'attribute', attrelid, attnum, x) FROM att
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'type', t.oid, t.xmin) FROM pg_catalog.pg_type t
    WHERE t.oid = ANY (ARRAY(SELECT DISTINCT atttypid FROM att UNION SELECT reloftype FROM class))
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'default', x.oid, x.xmin) FROM pg_catalog.pg_attrdef x
    WHERE x.adrelid = ANY ((SELECT a FROM rels)::oid[])
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'constraint', x.oid, x.xmin) FROM pg_catalog.pg_constraint x
    WHERE x.conrelid = ANY ((SELECT a FROM rels)::oid[])
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'index', x.indexrelid, x.xmin) FROM pg_catalog.pg_index x
    WHERE x.indrelid = ANY ((SELECT a FROM rels)::oid[])
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'trigger', x.oid, x.xmin) FROM pg_catalog.pg_trigger x
    WHERE x.tgrelid = ANY ((SELECT a FROM rels)::oid[]) AND NOT x.tgisinternal
    AND x.tgfoid <> ALL (ARRAY(SELECT p.oid FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'pgjanus'))
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'disabled', x.oid, x.tgenabled) FROM pg_catalog.pg_trigger x
    WHERE x.tgrelid = ANY ((SELECT a FROM rels)::oid[]) AND x.tgisinternal AND x.tgenabled <> 'O'
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'rule', x.oid, x.xmin) FROM pg_catalog.pg_rewrite x
    WHERE x.ev_class = ANY ((SELECT a FROM rels)::oid[])
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'policy', x.oid, x.xmin) FROM pg_catalog.pg_policy x
    WHERE x.polrelid = ANY ((SELECT a FROM rels)::oid[])
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'inherits', i.inhrelid, i.inhparent) FROM pg_catalog.pg_inherits i
    WHERE i.inhrelid = ANY ((SELECT a FROM rels)::oid[]) OR i.inhparent = ANY ((SELECT a FROM rels)::oid[])
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'namesake', c.oid, c.relname, n.nspname) FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = ANY (ARRAY(SELECT relname FROM class WHERE relkind <> 'S') || $2::name[])
      AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(temp|toast)'
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'schema', n.oid, n.nspname, n.nspowner, n.nspacl) FROM pg_catalog.pg_namespace n
    WHERE n.oid IN (SELECT relnamespace FROM class) OR n.nspname = 'pgjanus'
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'role', r.oid, r.rolname, r.rolsuper, r.rolinherit, r.rolcanlogin) FROM pg_catalog.pg_roles r
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'member', m.roleid, m.member, m.xmin) FROM pg_catalog.pg_auth_members m
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'function', p.oid, p.xmin) FROM pg_catalog.pg_proc p
    WHERE p.oid >= 16384 AND NOT pg_catalog.pg_is_other_temp_schema(p.pronamespace)
    AND p.pronamespace <> ALL (ARRAY(SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'pgjanus'))
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'operator class', o.oid, o.xmin) FROM pg_catalog.pg_opclass o WHERE o.oid >= 16384
  UNION ALL SELECT pg_catalog.concat_ws(' ', 'operator', o.oid, o.xmin) FROM pg_catalog.pg_operator o WHERE o.oprname = '=' AND o.oid >= 16384
)
SELECT pg_catalog.md5(pg_catalog.string_agg(t, pg_catalog.chr(10) ORDER BY t COLLATE "C")) FROM line`

// Fingerprint changes whenever a Snapshot of these tables could: any of them,
// its columns, defaults, keys, triggers, rules, views, relatives, privileges,
// a namesake, a role, or a function that is not built in. It takes one round
// trip and no locks beyond those of reading system catalogs.
//
// Relations that are named by expressions alone are not watched.
func Fingerprint(ctx context.Context, conn *pgx.Conn, tables []Name) (string, error) {
	return fingerprint(ctx, conn, tables)
}

type queryer interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func fingerprint(ctx context.Context, q queryer, tables []Name) (string, error) {
	schemas, relations := split(tables)
	var sum string
	if err := q.QueryRow(ctx, fingerprintSQL, schemas, relations).Scan(&sum); err != nil {
		return "", fmt.Errorf("reading the catalog's fingerprint: %w", err)
	}
	return sum, nil
}
