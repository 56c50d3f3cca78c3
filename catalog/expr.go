package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// preflightSQL: may views be created here, and would a schema be taken for
// one of the names that unprint looks for?
const preflightSQL = `
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP'),
  pg_catalog.format('GRANT TEMPORARY ON DATABASE %I TO %I', pg_catalog.current_database(), current_user),
  coalesce((SELECT pg_catalog.min(nspname::text) FROM pg_catalog.pg_namespace WHERE nspname ~ '^(old|new)(_[0-9]+)?$'), '')`

// resolve fills Exprs. Each expression is tried in a savepoint of its own.
func (s *Snapshot) resolve(ctx context.Context, tx pgx.Tx, requests []ExprRequest) error {
	// How user text is to be read; its names follow the caller's search_path.
	err := setLocal(ctx, tx, lockTimeoutSetting(), [2]string{"standard_conforming_strings", "on"},
		[2]string{"client_encoding", "UTF8"})
	if err != nil {
		return err
	}
	var may bool
	var grant, schema string
	if err := tx.QueryRow(ctx, preflightSQL).Scan(&may, &grant, &schema); err != nil {
		return fmt.Errorf("preparing to resolve expressions: %w", err)
	}
	if !may {
		return fmt.Errorf("resolving expressions needs temporary views: as an administrator, %s", grant)
	}
	if schema != "" {
		return fmt.Errorf("resolving expressions: schema %q has the name of a row in them; rename the schema", schema)
	}
	for _, r := range requests {
		e, err := s.resolveOne(ctx, tx, r)
		if err != nil {
			return fmt.Errorf("resolving expression %s: %w", r.ID, err)
		}
		s.Exprs[r.ID] = e
	}
	return nil
}

func (s *Snapshot) resolveOne(ctx context.Context, tx pgx.Tx, r ExprRequest) (e Expr, err error) {
	oid, err := s.oid(ctx, tx, r.Table)
	if err != nil || oid == 0 {
		return Expr{}, err
	}
	if refused := unbalanced(r.SQL); refused != nil {
		return Expr{Err: refused}, nil
	}
	savepoint, back, err := setSavepoint(ctx, tx)
	if err != nil {
		return Expr{}, err
	}
	defer back(&err)
	w := wrap(r)
	// Not Exec: without arguments that is the simple protocol, which would
	// take more than one statement.
	if _, err := tx.Conn().PgConn().ExecParams(ctx, w.sql, nil, nil, nil, nil).Close(); err != nil {
		if refused := w.refusal(err); refused != nil {
			return Expr{Err: refused}, nil
		}
		return Expr{}, fmt.Errorf("asking Postgres: %w", err)
	}
	return describe(ctx, savepoint, r, oid)
}

// setSavepoint sets a savepoint. What is done behind it is taken back by back, which is
// deferred with the error that its function returns.
func setSavepoint(ctx context.Context, tx pgx.Tx) (savepoint pgx.Tx, back func(err *error), err error) {
	if savepoint, err = tx.Begin(ctx); err != nil {
		return nil, nil, fmt.Errorf("setting a savepoint: %w", err)
	}
	return savepoint, func(err *error) {
		if e := savepoint.Rollback(ctx); e != nil && *err == nil {
			*err = fmt.Errorf("rolling back to the savepoint: %w", e)
		}
	}, nil
}

const describeSQL = `
SELECT pg_get_viewdef(r.ev_class), r.ev_action::text
FROM pg_rewrite r WHERE r.ev_class = $1::regclass AND r.rulename = '_RETURN'`

const yieldsSQL = `
SELECT attname::text, format_type(atttypid, atttypmod), attcollation FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`

const readsSQL = `
SELECT DISTINCT n.nspname::text, c.relname::text FROM pg_rewrite r
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.ev_class = $1::regclass AND c.oid NOT IN (r.ev_class, $2) AND c.relkind <> 'S' ORDER BY 1, 2`

// describe reads the view back as Postgres understood it. table is that of the request.
func describe(ctx context.Context, tx pgx.Tx, r ExprRequest, table uint32) (Expr, error) {
	if err := setLocal(ctx, tx, printing[:]...); err != nil {
		return Expr{}, err
	}
	const view = "pg_temp." + scratchView
	var definition, tree string
	if err := tx.QueryRow(ctx, describeSQL, view).Scan(&definition, &tree); err != nil {
		return Expr{}, fmt.Errorf("printing it: %w", err)
	}
	var e Expr
	var err error
	if e.SQL, err = unprint(r, definition); err != nil {
		return Expr{}, err
	}
	err = each(ctx, tx, "its columns", yieldsSQL, []any{view}, func(row pgx.Rows) error {
		var c ExprColumn
		err := row.Scan(&c.Name, &c.Type, &c.Collation)
		if r.Kind != QueryOverOld {
			c.Name = ""
		}
		e.Columns = append(e.Columns, c)
		return err
	})
	if err != nil {
		return Expr{}, err
	}
	err = each(ctx, tx, "what it reads", readsSQL, []any{view, table}, func(row pgx.Rows) error {
		var name Name
		err := row.Scan(&name.Schema, &name.Name)
		e.Reads = append(e.Reads, name)
		return err
	})
	if err != nil {
		return Expr{}, err
	}
	n := parseNodes(tree)
	if refused, err := steady(ctx, tx, r, e, n); err != nil || refused != nil {
		return Expr{Err: refused}, err
	}
	u, err := n.uses(ctx, tx)
	e.Volatile, e.Stable, e.Functions = u.volatile, u.stable, u.functions
	return e, err
}
