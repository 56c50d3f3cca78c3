package migrate

import "time"

// Stage is where a backfill is.
type Stage int

const (
	// Waiting is for transactions that are older than the backfill.
	Waiting Stage = iota + 1
	// Filling goes batch by batch.
	Filling
	// Done means that the new shape of all history is there.
	Done
)

// String returns the name used in progress lines and JSON.
func (s Stage) String() string {
	switch s {
	case Waiting:
		return "waiting"
	case Filling:
		return "filling"
	case Done:
		return "done"
	}
	return "starting"
}

// Progress is what a backfill tells while it runs.
type Progress struct {
	Stage Stage
	// Filled counts rows since the run began, those before a resume included.
	Filled int64
	// Estimate is about how many rows there are in all; it may be below Filled.
	Estimate int64
	Rate     float64 // rows a second, of this call
	ETA      time.Duration
	LastKey  []string
	// WaitingFor names the sessions, prepared transactions or keys that the
	// backfill is waiting for, oldest first.
	WaitingFor []string
	// Trouble is what the step that is being tried again failed with.
	Trouble string
}

// tracker computes rates.
type tracker struct {
	start    time.Time
	at       int64 // filled when this call began
	estimate int64
}

func (t *tracker) rate(filled int64) (perSecond float64, eta time.Duration) {
	elapsed := time.Since(t.start).Seconds()
	if elapsed <= 0 || filled <= t.at {
		return 0, 0
	}
	perSecond = float64(filled-t.at) / elapsed
	left := max(0, t.estimate-filled)
	return perSecond, time.Duration(float64(left) / perSecond * float64(time.Second)).Round(time.Second)
}

// estimateRows is about how many rows a table has: what ANALYZE saw, or a count
// where it never ran, up to a bound.
const estimateRows = `
SELECT CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint ELSE (SELECT pg_catalog.count(*) FROM (SELECT 1 FROM %s LIMIT 1000000) s) END
FROM pg_catalog.pg_class c WHERE c.oid = $1`
