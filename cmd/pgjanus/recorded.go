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
       coalesce(run_generation <> generation OR run_definition <> definition, false), updated_at
FROM pgjanus.migration`

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
		_, err = pgx.ForEachRow(rows, []any{&name, &b.Phase, &b.Filled, &b.Begun, &b.Complete, &b.Void, &b.Updated}, func() error {
			states[name] = b
			return nil
		})
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
