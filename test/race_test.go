package test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// raceTime is how long each race lasts: PGJANUS_RACE, or 5 s.
func raceTime(t *testing.T) time.Duration { return setting(t, "PGJANUS_RACE", 5*time.Second) }

var levels = [...]pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}

func TestConcurrentWritersLeaveNoDrift(t *testing.T) {
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			arena(t, g.direct)
			g.phase("dualwrite")
			l := &load{dsn: g.dsn, level: level, movesKeys: true}
			d := raceTime(t)
			l.run(t, d)
			l.proves(t, 20*int64(d/time.Second), int64(d/time.Second))
			pgtest.Agree(t, g.direct)
		})
	}
}
