package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// othersSQL lists the schemas that have an operator of the name = besides the
// built-in ones.
const othersSQL = `
SELECT DISTINCT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
WHERE o.oprname = '=' AND n.nspname <> 'pg_catalog' ORDER BY 1`

// steady returns a refusal where the printed form e of an expression, of which n is
// the tree, means something else under another search_path. Everything in it can be
// qualified but the operators of some forms, which are looked up by the name =. So it
// is read again under paths that have each of those, and none.
func steady(ctx context.Context, tx pgx.Tx, r ExprRequest, e Expr, n nodes) (*ExprError, error) {
	if len(n.named) == 0 {
		return nil, nil
	}
	paths := []string{"pg_catalog"}
	err := each(ctx, tx, "operators", othersSQL, nil, func(row pgx.Rows) error {
		var schema string
		err := row.Scan(&schema)
		paths = append(paths, schema+", pg_catalog")
		return err
	})
	if err != nil || len(paths) == 1 {
		return nil, err
	}
	r.SQL = e.SQL
	for _, path := range paths {
		same, err := readsAs(ctx, tx, wrap(r).sql, path, n.named)
		if err != nil {
			return nil, err
		}
		if !same {
			return &ExprError{
				Code: "42725", Offset: -1,
				Message: fmt.Sprintf("NULLIF, IS DISTINCT FROM, CASE .. WHEN, IN (SELECT ..) and JOIN .. USING look for an operator by the name =, and a session whose search_path is %s finds another one than here", path),
				Hint:    "write the comparison out, as in CASE WHEN a OPERATOR(pg_catalog.=) b THEN .., with the schema of the operator that is meant",
			}, nil
		}
	}
	return nil, nil
}

// readsAs reports whether the view that sql makes has those operators in the forms
// that look for them by name, under that search_path.
func readsAs(ctx context.Context, tx pgx.Tx, sql, path string, named []uint32) (same bool, err error) {
	savepoint, back, err := setSavepoint(ctx, tx)
	if err != nil {
		return false, err
	}
	defer back(&err)
	if _, err := savepoint.Exec(ctx, "DROP VIEW pg_temp."+scratchView); err != nil {
		return false, fmt.Errorf("making room to read it again: %w", err)
	}
	if err := setLocal(ctx, savepoint, [2]string{"search_path", path}); err != nil {
		return false, err
	}
	var refused *pgconn.PgError
	if _, err := savepoint.Exec(ctx, sql); errors.As(err, &refused) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("reading it again: %w", err)
	}
	var definition, tree string
	if err := savepoint.QueryRow(ctx, describeSQL, "pg_temp."+scratchView).Scan(&definition, &tree); err != nil {
		return false, fmt.Errorf("reading it again: %w", err)
	}
	return slices.Equal(parseNodes(tree).named, named), nil
}
