package migrate

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// tablePatience is how long installTriggers and a rehearsal wait for a table: others
// queue up behind them meanwhile. CREATE TRIGGER takes a SHARE ROW EXCLUSIVE lock, and
// a reload waits for a rehearsal.
const tablePatience = "2s"

const ourTriggers = `
SELECT t.tgname::text, n.nspname::text, c.relname::text, p.proname::text
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.pronamespace = 'pgjanus'::pg_catalog.regnamespace AND NOT t.tgisinternal`

type trigger struct {
	name     string
	table    rules.Table
	function string // quoted, with its schema
}

// isOneOf goes by the name: the triggers of two migrations have different ones.
func (t trigger) isOneOf(triggers []rewrite.Trigger) bool {
	return slices.ContainsFunc(triggers, func(u rewrite.Trigger) bool { return u.Name == t.name })
}

// installTriggers makes the guards' triggers what the rules say. Those of guard:
// sync that are there stay as long as their migration is active.
func installTriggers(ctx context.Context, tx pgx.Tx, planner *rewrite.Planner) error {
	there, err := pgx.CollectRows(must(tx.Query(ctx, ourTriggers)), func(row pgx.CollectableRow) (trigger, error) {
		var t trigger
		var function string
		err := row.Scan(&t.name, &t.table.Schema, &t.table.Name, &function)
		t.function = "pgjanus." + rewrite.Ident(function)
		return t, err
	})
	if err != nil {
		return fmt.Errorf("reading the triggers of guards: %w", err)
	}
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+tablePatience+"'"); err != nil {
		return err
	}
	wanted := map[trigger]string{}
	for _, m := range planner.Migrations() {
		triggers := m.Triggers()
		if relied := m.SyncTriggers(); slices.ContainsFunc(there, func(t trigger) bool { return t.isOneOf(relied) }) {
			triggers = append(triggers, relied...)
			if err := ensureFunction(ctx, tx, relied[0].Function); err != nil {
				return fmt.Errorf("creating the function of a guard: %w", err)
			}
		}
		for _, t := range triggers {
			wanted[trigger{t.Name, t.Table, t.Function.Name}] = t.Create
		}
	}
	for _, t := range there {
		if wanted[t] != "" {
			delete(wanted, t)
			continue
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("DROP TRIGGER %s ON %s", rewrite.Ident(t.name), rewrite.QName(t.table))); err != nil {
			return guardProblem(t.table, err)
		}
	}
	for t, create := range wanted {
		if _, err := tx.Exec(ctx, create); err != nil {
			return guardProblem(t.table, err)
		}
	}
	return nil
}

func guardProblem(table rules.Table, err error) error {
	switch code(err) {
	case "42501":
		return fmt.Errorf("the trigger of a guard on %s needs the TRIGGER privilege, or ownership to remove it: %w", table, err)
	case lockNotAvailable:
		return fmt.Errorf("%s is locked by others, and the trigger of a guard was not made or removed within %s: reload again: %w", table, tablePatience, err)
	}
	return fmt.Errorf("making the trigger of a guard on %s: %w", table, err)
}

// must passes on rows, whose error CollectRows reports.
func must(rows pgx.Rows, _ error) pgx.Rows { return rows }
