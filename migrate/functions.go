package migrate

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// InstallSyncs creates the functions that the planner's statements call, where
// they are missing, and lets Postgres parse each statement in them. Enact
// must have run for the same rules. An error that is the rules' fault is
// rules.Problems, and then nothing is created.
//
// Functions of earlier definitions stay: a session may still work under them.
// So do the triggers of guard: sync, until its migration is off or gone: they may
// be what a statement relies on that was planned before.
func InstallSyncs(ctx context.Context, conn *pgx.Conn, planner *rewrite.Planner) error {
	return pgx.BeginTxFunc(ctx, conn, writing, func(tx pgx.Tx) error { return installAll(ctx, tx, planner) })
}

func installAll(ctx context.Context, tx pgx.Tx, planner *rewrite.Planner) error {
	if err := installFunctions(ctx, tx, planner); err != nil {
		return err
	}
	return installTriggers(ctx, tx, planner)
}

func installFunctions(ctx context.Context, tx pgx.Tx, planner *rewrite.Planner) error {
	if _, err := tx.Exec(ctx, stateLock); err != nil {
		return err
	}
	var problems rules.Problems
	for _, m := range planner.Migrations() {
		problem, err := installSyncs(ctx, tx, m)
		if err != nil {
			return fmt.Errorf("creating the functions of %s: %w", m.Rule.Name, err)
		}
		if problem != nil {
			problem.File = planner.Set().File
			problems = append(problems, *problem)
		}
	}
	return problems.Err()
}

func installSyncs(ctx context.Context, tx pgx.Tx, m *rewrite.Migration) (*rules.Problem, error) {
	for _, f := range m.Functions() {
		if err := ensureFunction(ctx, tx, f); err != nil {
			return nil, err
		}
		for _, sql := range f.Probes {
			// An error would end the transaction. The unnamed statement goes away with the next one.
			err := pgx.BeginFunc(ctx, tx, func(nested pgx.Tx) error {
				_, err := nested.Conn().PgConn().Prepare(ctx, "", sql, nil)
				return err
			})
			if err == nil {
				continue
			}
			if c := code(err); c == "" || c[0] == '5' { // a lock, a shutdown: not the rules' fault
				return nil, err
			}
			return &rules.Problem{
				Pos:     m.Rule.NamePos,
				Message: fmt.Sprintf("Postgres refuses the statement that keeps %s in sync: %s", m.Rule.Name, err),
				Hint:    "up must yield what can be stored in the columns of the new shape, and down what can be in those of the old one",
			}, nil
		}
	}
	return nil, nil //nolint:nilnil // no problem, no error
}

// ensureFunction makes a function where it is missing.
func ensureFunction(ctx context.Context, tx pgx.Tx, f *rewrite.Function) error {
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.to_regprocedure($1) IS NOT NULL`, f.Signature).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := tx.Exec(ctx, f.Create)
	return err
}
