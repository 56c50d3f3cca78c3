package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// View is a view over a requested table, as far as writes through it are concerned.
type View struct {
	Name Name
	// Updatable: Postgres writes through it to the relation in its FROM clause.
	// It has no trigger and no rule that would do something else.
	Updatable  bool
	Definition string // pg_get_viewdef under an empty search_path
	Columns    []ViewColumn
	// ByColumn: privileges are granted on columns of it.
	ByColumn bool
}

// ViewColumn is a column of a view, in order.
type ViewColumn struct {
	Name      string
	Updatable bool // it is a column of the relation in the FROM clause, or of a view there
	Default   bool // it has one of its own: by ALTER VIEW .. SET DEFAULT, or that of its type
}

// viewsSQL asks Postgres itself what is updatable (relation_is_updatable and
// view_cols_are_auto_updatable in rewrite/rewriteHandler.c): DELETE is possible
// through every view that is so, the others where a column is, too. The default of
// a domain goes before that of the column below (build_column_default there).
const viewsSQL = `
SELECT n.nspname::text, c.relname::text, coalesce(pg_get_viewdef(c.oid), ''), -- it may be dropped meanwhile
  pg_relation_is_updatable(c.oid, false) & 16 <> 0
    AND NOT EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN')
    AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid),
  EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL),
  a.names, a.updatable, a.defaults
FROM unnest($1::name[], $2::name[]) AS w(s, r)
JOIN pg_namespace n ON n.nspname = w.s
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.r AND c.relkind = 'v',
LATERAL (SELECT array_agg(a.attname::text ORDER BY a.attnum), array_agg(pg_column_is_updatable(c.oid, a.attnum, false) ORDER BY a.attnum),
    array_agg(a.atthasdef OR coalesce(t.typdefaultbin::text, t.typdefault) IS NOT NULL ORDER BY a.attnum)
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum > 0) a(names, updatable, defaults)
WHERE a.names IS NOT NULL`

func (s *Snapshot) readViews(ctx context.Context, tx pgx.Tx) error {
	var all []Name
	for _, t := range s.Tables {
		all = append(all, t.Views...)
	}
	schemas, relations := split(all)
	return each(ctx, tx, "views", viewsSQL, []any{schemas, relations}, func(row pgx.Rows) error {
		v := &View{}
		var names []string
		var updatable, defaults []bool
		err := row.Scan(&v.Name.Schema, &v.Name.Name, &v.Definition, &v.Updatable, &v.ByColumn, &names, &updatable, &defaults)
		for i, name := range names {
			v.Columns = append(v.Columns, ViewColumn{name, updatable[i], defaults[i]})
		}
		s.Views[v.Name] = v
		return err
	})
}
