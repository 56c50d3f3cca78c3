package demo

import (
	"errors"
	"io"
	"time"
)

// Options says where the demo runs and how much it does.
type Options struct {
	Stdout io.Writer // the story and the table
	Stderr io.Writer // what went wrong, with the end of the proxy's log
	// Binary is the pgjanus executable whose verbs are run as child processes.
	Binary string
	// DSN is an existing server; the demo creates two databases there and
	// drops them at the end. Empty: a throw-away Postgres is started.
	DSN string
	// Keep leaves everything up after the table until the context ends.
	Keep bool
	// Report is the path of the JSON report; empty: none is written.
	Report string
	Scale  Scale
}

// Scale is the size of the tables and the length of each part.
type Scale struct {
	Orders   int // rows; at least 100
	Users    int // rows; at least 100
	Counters int // rows; at least 100

	Steady  time.Duration // load alone, before anything changes and at the end
	Between time.Duration // load alone between two phase changes
	Round   time.Duration // one round of the latency measurement
	Rounds  int           // rounds per side
	Think   time.Duration // mean pause of a connection between two requests
	Batch   int           // rows in a backfill batch
	Pause   time.Duration // between two backfill batches
}

// FullScale is what "pgjanus demo" shows: under two minutes on two cores.
func FullScale() Scale {
	return Scale{
		Orders: 200_000, Users: 100_000, Counters: 100_000,
		Steady: 4 * time.Second, Between: 2 * time.Second,
		Round: 1500 * time.Millisecond, Rounds: 3,
		Think: 4 * time.Millisecond, Batch: 5000, Pause: 20 * time.Millisecond,
	}
}

// SmallScale does the same in seconds; for tests.
func SmallScale() Scale {
	return Scale{
		Orders: 2000, Users: 1000, Counters: 1000,
		Steady: time.Second, Between: 300 * time.Millisecond,
		Round: 300 * time.Millisecond, Rounds: 2,
		Think: 2 * time.Millisecond, Batch: 250, Pause: 10 * time.Millisecond,
	}
}

func (o *Options) validate() error {
	if o.Binary == "" {
		return errors.New("demo: no pgjanus binary given")
	}
	if min(o.Scale.Orders, o.Scale.Users, o.Scale.Counters) < 100 {
		return errors.New("demo: every table needs at least 100 rows")
	}
	if o.Scale.Rounds < 1 || o.Scale.Round <= 0 {
		return errors.New("demo: the latency measurement needs at least one round")
	}
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	return nil
}
