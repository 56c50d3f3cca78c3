package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgjanus/pgjanus/config"
)

// backfillState is what the database has recorded of a migration's backfill.
type backfillState struct {
	Phase    string    `json:"recorded_phase"`
	Filled   int64     `json:"filled"` // rows
	Begun    bool      `json:"begun"`
	Complete bool      `json:"complete"`
	Void     bool      `json:"void"` // the phase was off, or up has changed, since
	Updated  time.Time `json:"updated_at"`
	// Dirty counts the keys whose new shape could not be written. Bypassed is when
	// guard: log or guard: reject last noticed a write past pgjanus.
	Dirty    int64      `json:"dirty,omitempty"`
	Bypassed *time.Time `json:"bypassed_at,omitempty"`
}

// String is the cell of the status table.
func (b backfillState) String() string {
	switch {
	case !b.Begun:
		return "-"
	case b.Void:
		return "void, run it again"
	case b.Complete:
		return fmt.Sprintf("complete, %s", count(int(b.Filled), "row"))
	}
	return fmt.Sprintf("%s so far", count(int(b.Filled), "row"))
}

const backfillStateSQL = `
SELECT name, phase, filled, run_generation IS NOT NULL, complete,
       coalesce(run_generation <> generation OR run_definition <> definition, false), updated_at,
       (SELECT pg_catalog.to_timestamp(s.last_value / 1e6) FROM pg_catalog.pg_sequences s
         WHERE s.schemaname = 'pgjanus' AND s.sequencename = 'seen ' || name AND s.last_value > 0)
FROM pgjanus.migration`

const dirtyKeysSQL = `SELECT migration, pg_catalog.count(*) FROM pgjanus.dirty GROUP BY migration`

const undefinedTable = "42P01"

// stateTimeout is short: status is for a glance, and for health checks.
const stateTimeout = 3 * time.Second

// backfillStates reads them all; there are none before the first migration has
// left phase off.
func backfillStates(ctx context.Context, settings *config.Settings) (map[string]backfillState, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	conn, bye, err := connect(ctx, settings, "status")
	if err != nil {
		return nil, err
	}
	defer bye()
	states := map[string]backfillState{}
	rows, err := conn.Query(ctx, backfillStateSQL)
	if err == nil {
		var name string
		var b backfillState
		_, err = pgx.ForEachRow(rows, []any{&name, &b.Phase, &b.Filled, &b.Begun, &b.Complete, &b.Void, &b.Updated, &b.Bypassed}, func() error {
			states[name] = b
			return nil
		})
	}
	if err == nil {
		err = countDirty(ctx, conn, states)
	}
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == undefinedTable {
		return states, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the state of the backfills: %w", err)
	}
	return states, nil
}

func countDirty(ctx context.Context, conn *pgx.Conn, states map[string]backfillState) error {
	rows, err := conn.Query(ctx, dirtyKeysSQL)
	if err != nil {
		return err
	}
	var name string
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		b := states[name]
		b.Dirty = n
		states[name] = b
		return nil
	})
	return err
}
