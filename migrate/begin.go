package migrate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// begin reads the checkpoint and makes it that of this run: a new one where the
// old is void. All batches of before are over, since we have the lock.
func (f *filler) begin(ctx context.Context) (err error) {
	f.opts.hook("begin", f.conn)
	if f.keys, err = newKeySQL(ctx, f.conn, f.m); err != nil {
		return err
	}
	if f.indexed, err = indexed(ctx, f.conn, f.m); err != nil {
		return err
	}
	first := f.generation == 0
	if first {
		f.track.start = time.Now()
		if err := f.conn.QueryRow(ctx, fmt.Sprintf(estimateRows, f.table), f.m.Old.OID).Scan(&f.track.estimate); err != nil {
			return fmt.Errorf("estimating the size of %s: %w", f.table, err)
		}
	}
	return pgx.BeginTxFunc(ctx, f.conn, writing, func(tx pgx.Tx) error {
		// The lock on the row keeps phase and generation as they are read.
		if _, err := tx.Exec(ctx, `SELECT FROM pgjanus.migration WHERE name = $1 FOR UPDATE`, f.name); err != nil && code(err) != undefinedTable {
			return fmt.Errorf("reading the state: %w", err)
		} else if err != nil {
			return notRecorded(f.name)
		}
		s, err := readState(ctx, tx, f.m.Rule)
		if err != nil {
			return err
		}
		if !first && s.generation != f.generation {
			return ErrPhaseChanged
		}
		resume := s.valid() && (!first || !f.opts.Restart)
		if !resume {
			return f.newRun(ctx, tx, s)
		}
		if first {
			f.resumed, f.track.at = true, s.filled
		}
		f.generation, f.number, f.cursor, f.filled, f.open = s.generation, s.last(), s.cursor, s.filled, false
		return settle(ctx, tx, f.name)
	})
}

// newRun voids the checkpoint. The sequence is set last: from there on every
// older snapshot is stale.
func (f *filler) newRun(ctx context.Context, tx pgx.Tx, s *state) error {
	f.generation, f.number, f.cursor, f.filled, f.open = s.generation, s.nextRun(), nil, 0, false
	_, err := tx.Exec(ctx, `UPDATE pgjanus.migration SET cursor_key = NULL, batch = $2, ahead_key = NULL, ahead_batch = $2, filled = 0,
		run_generation = generation, run_definition = definition, complete = false, started_at = pg_catalog.now(), updated_at = pg_catalog.now()
		WHERE name = $1`, f.name, f.number)
	if err != nil {
		return fmt.Errorf("beginning a run: %w", err)
	}
	f.opts.hook("run", f.conn)
	return count(ctx, tx, f.name, f.number)
}
