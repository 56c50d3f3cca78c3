package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// startApplication sets ten connections to work, and lets them for a while.
func (d *demo) startApplication(ctx context.Context) (err error) {
	d.tally = newTally()
	d.app, err = connectApplication(ctx, d.proxy, &world{scale: d.opts.Scale}, d.tally, requests())
	if err != nil {
		return err
	}
	d.report.Connections = len(d.app.clients)
	d.app.Start(ctx)
	d.story.say("The application runs: %d connections, simple and extended protocol, old shape only", len(d.app.clients))
	return d.watchLoad(ctx, d.opts.Scale.Steady)
}

// watchLoad lets the application work for a while and says what it did.
func (d *demo) watchLoad(ctx context.Context, length time.Duration) error {
	start, before := time.Now(), d.tally.requests.Load()
	if err := pause(ctx, length); err != nil {
		return err
	}
	d.sayLoad(float64(d.tally.requests.Load()-before) / time.Since(start).Seconds())
	return nil
}

func (d *demo) sayLoad(rate float64) {
	d.story.say("    %s requests so far, %.0f/s now, %d errors, %d retries",
		thousands(d.tally.requests.Load()), rate, d.tally.errors.Load(), d.tally.retries.Load())
}

// expand adds the new shape, directly on the server and under load.
func (d *demo) expand(ctx context.Context) error {
	d.story.say("Expand: adding the new shape to the live tables (indexes concurrently, short lock timeouts)")
	if _, err := d.direct.Exec(ctx, `SET lock_timeout = '500ms'`); err != nil {
		return fmt.Errorf("expanding: %w", err)
	}
	for _, sql := range expansion {
		if err := d.execPatiently(ctx, sql); err != nil {
			return fmt.Errorf("expanding: %w", err)
		}
	}
	if _, err := d.direct.Exec(ctx, `RESET lock_timeout`); err != nil {
		return fmt.Errorf("expanding: %w", err)
	}
	return d.watchLoad(ctx, d.opts.Scale.Between)
}

// execPatiently runs DDL again when it did not get its lock in time: waiting
// longer would hold up everybody behind it.
func (d *demo) execPatiently(ctx context.Context, sql string) error {
	for attempt := 1; ; attempt++ {
		_, err := d.direct.Exec(ctx, sql)
		var pg *pgconn.PgError
		if err == nil || !errors.As(err, &pg) || pg.Code != "55P03" || strings.Contains(sql, "CONCURRENTLY") || attempt == attempts {
			return err
		}
		d.story.say("    a lock was not to be had in time; trying again")
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// dualwrite takes one migration after the other from off to dualwrite, each
// by another way to reload.
func (d *demo) dualwrite(ctx context.Context) error {
	reloads := []struct {
		how    string
		reload func(context.Context) error
	}{
		{"pgjanus sees that the file has changed", func(context.Context) error { return nil }},
		{"POST /api/reload", d.reload},
		{"SIGHUP", func(context.Context) error { return d.serve.signal(syscall.SIGHUP) }},
	}
	for i, name := range migrations() {
		how := reloads[i%len(reloads)]
		d.phases[name] = "dualwrite"
		if err := replaceFile(d.rules(), rulesText(d.phases)); err != nil {
			return err
		}
		if err := how.reload(ctx); err != nil {
			return fmt.Errorf("moving %s to dualwrite: %w", name, err)
		}
		if err := d.admin.waitSettled(ctx, d.serve.done, name, "dualwrite"); err != nil {
			return err
		}
		d.story.say("rules.yaml: %s goes from off to dualwrite (%s); settled", name, how.how)
		d.report.Migrations = append(d.report.Migrations, &MigrationReport{Name: name, Phase: "dualwrite"})
		if err := d.watchLoad(ctx, d.opts.Scale.Between); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) reload(ctx context.Context) error {
	problems, err := d.admin.reload(ctx)
	if err == nil && len(problems) > 0 {
		err = errors.New("pgjanus refused the rules: " + strings.Join(problems, "; "))
	}
	return err
}

// slip makes a typing error in rules.yaml: nothing may come of it.
func (d *demo) slip(ctx context.Context) error {
	good := rulesText(d.phases)
	if err := replaceFile(d.rules(), strings.Replace(good, "columns: [is_active]", "colums: [is_active]", 1)); err != nil {
		return err
	}
	problems, err := d.admin.reload(ctx)
	if err != nil {
		return err
	}
	if len(problems) == 0 {
		return errors.New("pgjanus took a rules file with a typing error")
	}
	d.story.say("The operator mistypes a key; pgjanus goes on with the last good rules and says:")
	for _, problem := range problems {
		d.story.say("    %s", problem)
	}
	if err := replaceFile(d.rules(), good); err != nil {
		return err
	}
	if err := d.reload(ctx); err != nil {
		return err
	}
	return d.watchLoad(ctx, d.opts.Scale.Steady)
}

// stopApplication lets every connection finish what it is at and closes it.
func (d *demo) stopApplication(ctx context.Context) error {
	d.app.close(ctx)
	d.story.say("The application stops after %s requests", thousands(d.tally.requests.Load()))
	return nil
}
