package test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
)

// backfill fills the migrations of p one after the other.
func backfill(ctx context.Context, t testing.TB, dsn string, p *rewrite.Planner, restart bool) error {
	t.Helper()
	conn := pgtest.Connect(t, dsn)
	defer conn.Close(context.WithoutCancel(ctx))
	for _, m := range p.Migrations() {
		_, err := migrate.Backfill(ctx, conn, migrate.BackfillOptions{
			Planner: p, Migration: m.Rule.Name, Batch: 200, Pause: time.Millisecond, Restart: restart,
		})
		if err != nil {
			return fmt.Errorf("backfilling %s: %w", m.Rule.Name, err)
		}
	}
	return nil
}

// history is how many rows the tables have that no backfill has seen.
const history = 3000

func TestBackfillUnderLoadLeavesNoDrift(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, history)
			arena(t, g.direct)
			g.phase("dualwrite")
			l := &load{dsn: g.dsn, level: level, movesKeys: true}
			d := raceTime(t)
			commits, conflicts := 10*int64(d/time.Second), int64(d/time.Second)
			ctx := lasting(t, d, l.enough(commits, conflicts))
			l.start(ctx)
			runs := 0
			for ; ctx.Err() == nil || runs == 0; runs++ {
				// A run that has begun is finished: drift is looked for behind it.
				if err := backfill(context.WithoutCancel(ctx), t, g.direct, g.planner, runs > 0); err != nil {
					t.Error(err)
					break
				}
			}
			if err := l.wait(); err != nil {
				t.Error(err)
			}
			l.log(t)
			t.Logf("%d backfills of each migration", runs)
			l.proves(t, commits, conflicts)
			pgtest.Agree(t, g.direct)
		})
	}
}
