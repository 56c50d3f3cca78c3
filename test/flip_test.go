package test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// flipEvery is how long a phase lasts while phases flip.
const flipEvery = 200 * time.Millisecond

// Sessions and their prepared statements live through all flips. While the
// migrations are off the shapes drift apart, so the claim is about what
// follows: a settled phase and a backfill, with the load going on.
func TestFlipsUnderLoadEndWithoutDrift(t *testing.T) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, history/10)
			arena(t, g.direct)
			d := raceTime(t)
			// Keys do not move: what id_big keeps of a key that moved while the
			// migration was off would be in the way of the next one to have it.
			l := &load{dsn: g.dsn, level: level}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			l.start(ctx)
			enough := int(d / flipEvery / 4)
			flips := flip(g, d, enough)
			epoch := g.phase("dualwrite")
			waitUntil(t, "the phase is settled", func() bool { return g.server.Settled(epoch) })
			before := l.commits.Load()
			if err := backfill(context.Background(), t, g.direct, g.planner, false); err != nil {
				t.Error(err)
			}
			waitUntil(t, "there was load behind the backfill", func() bool { return l.commits.Load() > before+clients || len(l.failed) > 0 })
			stop()
			if err := l.wait(); err != nil {
				t.Error(err)
			}
			l.log(t)
			t.Logf("%d flips", flips)
			l.proves(t, 20*int64(d/time.Second), int64(d/time.Second))
			if flips < enough {
				t.Errorf("only %d flips; with fewer than %d the test shows nothing", flips, enough)
			}
			pgtest.Agree(t, g.direct)
		})
	}
}

// flip changes the phase of everything again and again, for that long and at
// least so often, if it can in 8 d. It does not wait for anyone. It returns how often.
func flip(g *gate, d time.Duration, enough int) (flips int) {
	phases := [...]string{"dualwrite", "off"}
	tick := time.NewTicker(flipEvery)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < d || flips < enough && time.Since(begun) < 8*d; flips++ {
		<-tick.C
		g.phase(phases[flips%len(phases)])
	}
	return flips
}

// The batch in which a statement was to be prepared anew fails ahead of that, and the
// next one, which executes it, is on its way already.
func TestAPipelineThatFailsBehindAFlip(t *testing.T) {
	g := newGate(t, 6)
	g.phase("dualwrite")
	g.refill()
	for _, name := range []string{"", "s"} {
		g.phase("off")
		w := dialWire(t, g.dsn)
		w.say(&pgproto3.Parse{Name: name, Query: "UPDATE users SET is_active = NOT is_active"}, &pgproto3.Sync{})
		g.phase("dualwrite")
		bind := &pgproto3.Bind{PreparedStatement: name}
		w.say(&pgproto3.Execute{Portal: "nosuch"}, bind, &pgproto3.Execute{}, &pgproto3.Sync{}, bind, &pgproto3.Execute{}, &pgproto3.Sync{})
		g.noDrift(t, "the pipeline")
	}
}
