package migrate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
)

// DefaultBatch is how many rows a batch has where nothing else is said.
const DefaultBatch = 2000

// BackfillOptions says what to fill and how gently.
type BackfillOptions struct {
	Planner   *rewrite.Planner
	Migration string
	Batch     int           // rows; 0 means DefaultBatch
	Pause     time.Duration // between batches
	// Restart begins anew even where a checkpoint is valid.
	Restart bool
	// SkipWait does not wait for transactions that are older than the backfill.
	// It is right only where none of them can write the old shape.
	SkipWait bool
	// Progress is called from the goroutine of Backfill; nil is fine.
	Progress func(Progress)

	hook func(step string, conn *pgx.Conn) // tests: called before each step
	dies bool                              // tests: leave nothing tidy when ctx ends, as a killed process
}

// BackfillResult says what a backfill did.
type BackfillResult struct {
	Migration string        `json:"migration"`
	Filled    int64         `json:"filled"`  // rows since the run began
	Batches   int64         `json:"batches"` // by this call
	Resumed   bool          `json:"resumed"`
	Dirty     int64         `json:"dirty"` // keys whose new shape could not be written
	Duration  time.Duration `json:"duration"`
}

// ErrPhaseChanged is returned when the migration was set to off, or defined
// otherwise, while it was being filled.
var ErrPhaseChanged = errors.New("the phase or the definition of the migration changed during the backfill")

// Backfill makes the new shape of all history what up says of it, while the
// application writes. The phase must be settled: no session works under the
// rules of before.
//
// It works over a connection of its own, made as conn was; conn is not used
// otherwise and stays as it is. When ctx ends, or the process is killed, the
// next call goes on after the last complete batch. Lost connections, deadlocks
// and locks that are not granted are tried again for as long as ctx lives.
func Backfill(ctx context.Context, conn *pgx.Conn, opts BackfillOptions) (*BackfillResult, error) {
	start := time.Now()
	m, err := active(opts.Planner, opts.Migration)
	if err != nil {
		return nil, err
	}
	f := newFiller(conn.Config(), m, opts)
	defer f.leave(ctx)
	if err := f.run(ctx); err != nil {
		return nil, fmt.Errorf("backfilling %s: %w", opts.Migration, err)
	}
	return &BackfillResult{
		Migration: opts.Migration,
		Filled:    f.filled,
		Batches:   f.batches,
		Resumed:   f.resumed,
		Dirty:     f.dirty,
		Duration:  time.Since(start),
	}, nil
}

// active returns a migration that has both shapes.
func active(planner *rewrite.Planner, name string) (*rewrite.Migration, error) {
	m := planner.Migration(name)
	if m == nil {
		var names []string
		for _, m := range planner.Migrations() {
			names = append(names, m.Rule.Name)
		}
		return nil, fmt.Errorf("the rules have no migration %q; they have: %s", name, strings.Join(names, ", "))
	}
	if !m.Rule.Active() {
		return nil, fmt.Errorf("migration %s is in phase off: set it to dualwrite first, so that nothing is missed", name)
	}
	return m, nil
}

// session goes through the steps over one connection.
func (f *filler) session(ctx context.Context) error {
	if err := f.begin(ctx); err != nil {
		return err
	}
	if f.cursor == nil && !f.waited && !f.opts.SkipWait {
		if err := f.await(ctx); err != nil {
			return err
		}
	}
	f.waited = true
	for {
		page, err := f.page(ctx)
		if err != nil {
			return fmt.Errorf("reading keys after %s: %w", f.cursor, err)
		}
		if len(page) == 0 {
			return f.finish(ctx)
		}
		if err := f.batch(ctx, page); err != nil {
			return err
		}
		f.tell(Progress{Stage: Filling})
		if analyzeAt(f.batches) {
			if err := f.analyze(ctx); err != nil {
				return err
			}
		}
		if err := sleep(ctx, f.opts.Pause); err != nil {
			return err
		}
	}
}
