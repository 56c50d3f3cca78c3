package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// recordPhase raises the generation whenever writes of the old shape may have
// gone by, or go by from here on, without the new shape as it is now defined:
// a checkpoint of an earlier generation is void.
const recordPhase = `
INSERT INTO pgjanus.migration AS m (name, phase, definition) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET phase = excluded.phase, definition = excluded.definition, updated_at = pg_catalog.now(),
	generation = m.generation + CASE WHEN (m.phase = 'off') <> (excluded.phase = 'off') OR m.definition <> excluded.definition THEN 1 ELSE 0 END
WHERE m.phase <> excluded.phase OR m.definition <> excluded.definition`

const recordGone = `
UPDATE pgjanus.migration SET phase = 'off', generation = generation + 1, updated_at = pg_catalog.now()
WHERE phase <> 'off' AND name <> ALL ($1::text[])`

// Enact records the phase of every migration, before any session works under it,
// and does what InstallSyncs does, in one transaction: where a function or a trigger
// cannot be made, no phase is recorded either, and no checkpoint is void. Migrations
// that the rules lack are recorded as off. It needs Install to have run.
func Enact(ctx context.Context, conn *pgx.Conn, planner *rewrite.Planner) error {
	return pgx.BeginTxFunc(ctx, conn, writing, func(tx pgx.Tx) error {
		if err := registerAll(ctx, tx, planner.Set()); err != nil {
			return err
		}
		if err := installAll(ctx, tx, planner); err != nil {
			return err
		}
		return settleAll(ctx, tx, planner.Set())
	})
}

// Rehearse does what Install and Enact do, and takes it back: an error is what
// theirs would be. It leaves the triggers of guards out, for which writers would have
// to wait; and it does not wait long itself, since a reload would wait behind it.
func Rehearse(ctx context.Context, conn *pgx.Conn, planner *rewrite.Planner) error {
	tx, err := conn.BeginTx(ctx, writing)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }() // a connection that is lost has rolled back
	if _, err := tx.Exec(ctx, "SET LOCAL lock_timeout = '"+tablePatience+"'"); err != nil {
		return err
	}
	err = rehearse(ctx, tx, planner)
	if code(err) == lockNotAvailable {
		return fmt.Errorf("a table of the rules is locked by others, and was not free within %s: try again: %w", tablePatience, err)
	}
	return err
}

func rehearse(ctx context.Context, tx pgx.Tx, planner *rewrite.Planner) error {
	done, err := isInstalled(ctx, tx)
	if err == nil && !done {
		err = installState(ctx, tx)
	}
	if err != nil {
		return fmt.Errorf("creating the schema pgjanus: %w", err)
	}
	if err := registerAll(ctx, tx, planner.Set()); err != nil {
		return err
	}
	return installFunctions(ctx, tx, planner)
}

func registerAll(ctx context.Context, tx pgx.Tx, set *rules.Set) error {
	if _, err := tx.Exec(ctx, stateLock); err != nil {
		return fmt.Errorf("recording the phases: %w", err)
	}
	names := make([]string, 0, len(set.Migrations))
	for i := range set.Migrations {
		m := &set.Migrations[i]
		names = append(names, m.Name)
		if err := register(ctx, tx, m); err != nil {
			return fmt.Errorf("recording the phase of %s: %w", m.Name, err)
		}
	}
	if _, err := tx.Exec(ctx, recordGone, names); err != nil {
		return fmt.Errorf("recording the phases: %w", err)
	}
	return nil
}

func register(ctx context.Context, tx pgx.Tx, m *rules.Migration) error {
	if _, err := tx.Exec(ctx, recordPhase, m.Name, m.Phase.String(), m.Definition()); err != nil {
		return err
	}
	if m.Guard.Watches() {
		if _, err := ensureSequence(ctx, tx, rewrite.SeenSequence(m.Name), ""); err != nil {
			return err
		}
	}
	if _, err := ensureSequence(ctx, tx, rewrite.BackSequence(m.Name), "SELECT, USAGE"); err != nil {
		return err
	}
	_, err := ensureSequence(ctx, tx, rewrite.FillSequence(m.Name), "SELECT")
	return err
}

// settleAll sees to backfills that were killed: each leaves a batch announced,
// which holds up writers at REPEATABLE READ until someone sees that it is over. It
// stands at the end of a transaction, since a backfill waits for its lock.
func settleAll(ctx context.Context, tx pgx.Tx, set *rules.Set) error {
	for i := range set.Migrations {
		name := set.Migrations[i].Name
		var alone bool
		err := tx.QueryRow(ctx, `SELECT pg_catalog.pg_try_advisory_xact_lock(`+fillLock+`)`, name).Scan(&alone)
		if err == nil && alone {
			err = settle(ctx, tx, name)
		}
		if err != nil {
			return fmt.Errorf("looking for a backfill of %s that was killed: %w", name, err)
		}
	}
	return nil
}

// ensureSequence makes a sequence, beginning at 0, where it is missing; grant is
// what everyone may do with it.
func ensureSequence(ctx context.Context, tx pgx.Tx, name, grant string) (made bool, err error) {
	var exists bool
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.to_regclass($1) IS NOT NULL`, name).Scan(&exists); err != nil || exists {
		return false, err
	}
	create := "CREATE SEQUENCE " + name + " MINVALUE 0 START 0"
	if grant != "" {
		create += fmt.Sprintf("; GRANT %s ON SEQUENCE %s TO PUBLIC", grant, name)
	}
	_, err = tx.Exec(ctx, create)
	return true, err
}

// RecordedPhases returns the phase that was last recorded for each migration:
// none where Install has never run.
func RecordedPhases(ctx context.Context, conn *pgx.Conn) (map[string]rules.Phase, error) {
	phases := map[string]rules.Phase{}
	rows, err := conn.Query(ctx, `SELECT name, phase FROM pgjanus.migration`)
	if err == nil {
		var name, phase string
		_, err = pgx.ForEachRow(rows, []any{&name, &phase}, func() (err error) {
			phases[name], err = rules.ParsePhase(phase)
			return err
		})
	}
	if code(err) == undefinedTable {
		return phases, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the recorded phases: %w", err)
	}
	return phases, nil
}

const undefinedTable = "42P01"

// code returns the SQLSTATE of what Postgres said, or "".
func code(err error) string {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return said.Code
	}
	return ""
}
