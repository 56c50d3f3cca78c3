package test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgtest"
)

// raceTime is how long each race lasts: PGJANUS_RACE, or 3 s.
func raceTime(t *testing.T) time.Duration { return setting(t, "PGJANUS_RACE", 3*time.Second) }

var levels = [...]pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}

// audit is a trigger of the user. With it syncs run behind the statements,
// since it might write the row again; without it they run inside them.
const audit = `
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER audit AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION audit();`

func TestConcurrentWritersLeaveNoDrift(t *testing.T) { race(t, "") }

func TestConcurrentWritersBehindATriggerLeaveNoDrift(t *testing.T) { race(t, audit) }

func race(t *testing.T, ddl string) {
	t.Parallel()
	for _, level := range levels {
		t.Run(string(level), func(t *testing.T) {
			g := newGate(t, 0)
			pgtest.Exec(t, g.direct, ddl)
			arena(t, g.direct)
			g.phase("dualwrite")
			l := &load{dsn: g.dsn, level: level, movesKeys: true}
			d := raceTime(t)
			l.run(t, d, 20*int64(d/time.Second), int64(d/time.Second))
			pgtest.Agree(t, g.direct)
		})
	}
}
