package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// backfill runs pgjanus backfill for every migration while the application
// goes on.
func (d *demo) backfill(ctx context.Context) error {
	for _, m := range d.report.Migrations {
		start, before := time.Now(), d.tally.requests.Load()
		stop := d.heartbeat()
		out, complaint, code, err := runVerb(ctx, d.opts.Binary, "backfill", m.Name, "--config", d.config(), "--output", "json",
			"--batch", strconv.Itoa(d.opts.Scale.Batch), "--pause", d.opts.Scale.Pause.String())
		stop()
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("pgjanus backfill %s: exit code %d: %s", m.Name, code, complaint)
		}
		var result struct {
			Filled int64 `json:"filled"`
		}
		if err := json.Unmarshal(out, &result); err != nil {
			return fmt.Errorf("reading what pgjanus backfill %s prints: %w", m.Name, err)
		}
		m.Backfilled, m.BackfillSeconds = result.Filled, time.Since(start).Seconds()
		d.story.say("pgjanus backfill %s: %s rows in %.1f s, while the application made %s requests",
			m.Name, thousands(m.Backfilled), m.BackfillSeconds, thousands(d.tally.requests.Load()-before))
	}
	return nil
}

// heartbeat says every few seconds what the application does, until the
// function that it returns is called.
func (d *demo) heartbeat() (stop func()) {
	const interval = 5 * time.Second
	done, ended := make(chan struct{}), make(chan struct{})
	go d.beat(interval, done, ended)
	return func() {
		close(done)
		<-ended
	}
}

func (d *demo) beat(interval time.Duration, done <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for before := d.tally.requests.Load(); ; before = d.tally.requests.Load() {
		select {
		case <-done:
			return
		case <-tick.C:
			d.sayLoad(float64(d.tally.requests.Load()-before) / interval.Seconds())
		}
	}
}

// verifyUnderLoad compares in one snapshot while the application writes.
func (d *demo) verifyUnderLoad(ctx context.Context) error {
	for _, m := range d.report.Migrations {
		compared, drift, err := d.verify(ctx, m.Name)
		if err != nil {
			return err
		}
		m.DriftUnderLoad = drift
		d.story.say("pgjanus verify %s, under load: %s keys compared in one snapshot, %d drift", m.Name, thousands(compared), drift)
	}
	return nil
}

// verifyAtRest compares once more when nothing moves, by pgjanus, by a query
// of the demo's own, and with the memory of the application.
func (d *demo) verifyAtRest(ctx context.Context) error {
	for _, m := range d.report.Migrations {
		var err error
		if m.Compared, m.Drift, err = d.verify(ctx, m.Name); err != nil {
			return err
		}
		if m.CrossCheckDrift, err = crossCheck(ctx, d.direct, m.Name); err != nil {
			return err
		}
		d.story.say("pgjanus verify %s, at rest: %s keys, %d drift; by a query of our own: %d", m.Name, thousands(m.Compared), m.Drift, m.CrossCheckDrift)
	}
	return nil
}

// verify runs pgjanus verify; drift is an answer, not an error.
func (d *demo) verify(ctx context.Context, migration string) (compared, drift int64, err error) {
	out, complaint, code, err := runVerb(ctx, d.opts.Binary, "verify", migration, "--config", d.config(), "--output", "json")
	if err != nil {
		return 0, 0, err
	}
	if code != 0 && code != 1 {
		return 0, 0, fmt.Errorf("pgjanus verify %s: exit code %d: %s", migration, code, complaint)
	}
	var result struct {
		Compared int64             `json:"compared"`
		Drift    int64             `json:"drift"`
		Keys     []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return 0, 0, fmt.Errorf("reading what pgjanus verify %s prints: %w", migration, err)
	}
	if (result.Drift != 0) != (code == 1) {
		return 0, 0, fmt.Errorf("pgjanus verify %s: %d drift but exit code %d", migration, result.Drift, code)
	}
	for i, key := range result.Keys {
		if i == 5 {
			break
		}
		d.story.say("    drift: %s", key)
	}
	return result.Compared, result.Drift, nil
}
