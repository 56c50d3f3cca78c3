package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
)

// stateLock is the advisory lock under which the state's tables are made and
// phases are recorded: several pgjanus may start at once.
const stateLock = `SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgjanus state', 0))`

const installed = `
SELECT pg_catalog.has_schema_privilege('public', n.oid, 'USAGE') AND pg_catalog.has_table_privilege('public', c.oid, 'SELECT')
	AND pg_catalog.to_regprocedure('pgjanus.lastval()') IS NOT NULL
	AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'whole')
	AND pg_catalog.to_regprocedure('pgjanus.soiled(text, text[])') IS NOT NULL
FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'migration'
WHERE n.nspname = 'pgjanus'`

// installDDL: every role reads the state, because the guard of a sync does so
// with the rights of the application's role. It holds no data but keys.
//
// batch and ahead_batch are run<<32 + number of the batch, as is the sequence.
// cursor_key: this run never again fills a key up to here. batch: every fill
// up to this number is visible to whoever sees this row. ahead_key,
// ahead_batch: what is being filled now. whole: the generation in which a run was
// first complete, since when new rows that are missing are missing for good.
//
// IF NOT EXISTS of CREATE SCHEMA asks for CREATE on the database all the same
// (CreateSchemaCommand in commands/schemacmds.c).
const installDDL = `
DO $$ BEGIN IF pg_catalog.to_regnamespace('pgjanus') IS NULL THEN CREATE SCHEMA pgjanus; END IF; END $$;
CREATE TABLE IF NOT EXISTS pgjanus.migration (
	name           text PRIMARY KEY,
	phase          text NOT NULL,
	generation     bigint NOT NULL DEFAULT 1,
	definition     text NOT NULL,
	cursor_key     text[],
	batch          bigint NOT NULL DEFAULT 0,
	ahead_key      text[],
	ahead_batch    bigint NOT NULL DEFAULT 0,
	filled         bigint NOT NULL DEFAULT 0,
	run_generation bigint,
	run_definition text,
	complete       boolean NOT NULL DEFAULT false,
	started_at     timestamptz,
	updated_at     timestamptz NOT NULL DEFAULT pg_catalog.now()
);
ALTER TABLE pgjanus.migration ADD COLUMN IF NOT EXISTS whole bigint;
GRANT USAGE ON SCHEMA pgjanus TO PUBLIC;
GRANT SELECT ON pgjanus.migration TO PUBLIC;
` + rewrite.LastvalDDL + rewrite.DirtyDDL

// Install creates the schema pgjanus, and what every migration needs in it, where
// they are missing. It may run any number of times and at the same time elsewhere.
func Install(ctx context.Context, conn *pgx.Conn) error {
	done, err := isInstalled(ctx, conn)
	if err != nil || done {
		return err
	}
	err = pgx.BeginTxFunc(ctx, conn, writing, func(tx pgx.Tx) error { return installState(ctx, tx) })
	if code(err) == "42501" {
		return fmt.Errorf("creating the schema pgjanus, which needs CREATE on the database: %w", err)
	}
	if err != nil {
		return fmt.Errorf("creating the schema pgjanus: %w", err)
	}
	return nil
}

func isInstalled(ctx context.Context, q queryer) (done bool, err error) {
	err = q.QueryRow(ctx, installed).Scan(&done)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("looking for the schema pgjanus: %w", err)
	}
	return done, nil
}

// installState takes locks that each reader of the state would wait for: it is not
// for where all is there.
func installState(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, stateLock); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, installDDL)
	return err
}

// writing is the only kind of transaction in which the package writes: each
// statement of it must see what was committed before its locks were granted.
var writing = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
