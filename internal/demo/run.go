package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// errServeEnded says that pgjanus ended by itself.
var errServeEnded = errors.New("pgjanus has ended by itself")

// demo is one run. Fields are set by the step that is named behind them.
type demo struct {
	opts   Options
	story  *narrator
	report *Report
	dir    string             // Run
	host   *host              // prepareHost
	direct *pgx.Conn          // prepareHost; past pgjanus, to the migrated database
	phases phases             // startJanus
	serve  *child             // startJanus
	admin  *adminClient       // startJanus
	proxy  *pgx.ConnConfig    // startJanus; the application's changed DSN
	tally  *tally             // startApplication
	app    *application       // startApplication
	giveUp context.CancelFunc // Run

	watch sync.WaitGroup // of watchServe
}

// Run plays the demo and returns its report. The report of a run that went
// through is complete and was printed even when Report.Problem is not empty;
// an error means that it did not go through. When Run returns, nothing that it
// started is left: not on errors, and not when ctx ends.
func Run(ctx context.Context, opts Options) (*Report, error) {
	return run(ctx, &demo{}, opts)
}

// run is Run with a demo that a test can look into.
func run(ctx context.Context, d *demo, opts Options) (_ *Report, err error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	d.opts, d.story, d.report = opts, &narrator{w: opts.Stdout, start: time.Now()}, &Report{}
	if d.dir, err = os.MkdirTemp("", "pgjanus-demo-"); err != nil {
		return nil, fmt.Errorf("making a directory for the demo: %w", err)
	}
	outer := ctx
	ctx, cancel := context.WithCancelCause(outer)
	d.giveUp = func() { cancel(errServeEnded) }
	defer func() {
		cancel(nil)
		if err != nil && d.serve != nil && outer.Err() == nil {
			_, _ = fmt.Fprintf(opts.Stderr, "the last lines of pgjanus:\n%s\n", d.serve.tail(15)) // as narrator.say
		}
		err = errors.Join(err, d.close())
	}()
	for _, step := range []func(context.Context) error{
		d.prepareHost,
		d.startJanus,
		d.startApplication,
		d.expand,
		d.dualwrite,
		d.backfill,
		d.verifyUnderLoad,
		d.slip,
		d.stopApplication,
		d.measureLatency,
		d.verifyAtRest,
		d.finish,
		d.keep,
	} {
		if err := step(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				err = cause // what came of it is noise
			}
			return d.report, err
		}
	}
	return d.report, nil
}

// close ends everything in the reverse order of its making.
func (d *demo) close() error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if d.app != nil {
		d.app.close(ctx)
	}
	if d.direct != nil {
		closeConn(ctx, d.direct)
	}
	if d.admin != nil {
		d.admin.http.CloseIdleConnections()
	}
	if d.serve != nil {
		errs = append(errs, d.serve.stop())
		d.watch.Wait()
	}
	if d.host != nil {
		errs = append(errs, d.host.close())
	}
	return errors.Join(append(errs, os.RemoveAll(d.dir))...)
}

// finish prints the table and writes the report.
func (d *demo) finish(context.Context) error {
	r := d.report
	r.Seconds = time.Since(d.story.start).Seconds()
	r.print(d.opts.Stdout)
	if problem := r.Problem(); problem != "" {
		d.story.say("FAILED: %s", problem)
	} else {
		d.story.say("No error, no drift.")
	}
	if d.opts.Report == "" {
		return nil
	}
	if err := r.write(d.opts.Report); err != nil {
		return err
	}
	d.story.say("The report is in %s", d.opts.Report)
	return nil
}
