package demo

import (
	"context"
	"fmt"
)

// measureLatency compares the two paths, audits what the applications
// remember, and closes their connections.
func (d *demo) measureLatency(ctx context.Context) error {
	d.story.say("Measuring the same requests directly, on a copy that does not migrate, and through pgjanus, in turns")
	if _, err := d.direct.Exec(ctx, `VACUUM (ANALYZE) orders, order_items, users, counters`); err != nil {
		return fmt.Errorf("vacuuming: %w", err)
	}
	copied, err := d.host.connect(ctx, directDatabase)
	if err != nil {
		return err
	}
	defer closeConn(ctx, copied)
	direct, err := openSide(ctx, copied.Config(), d.opts.Scale)
	if err != nil {
		return err
	}
	defer direct.app.close(ctx)
	proxy, err := openSide(ctx, d.proxy, d.opts.Scale)
	if err != nil {
		return err
	}
	defer proxy.app.close(ctx)
	if err := measure(ctx, direct, proxy, d.opts.Scale); err != nil {
		return err
	}
	d.report.LatencyMS = Latencies{Direct: direct.quantiles(), Proxy: proxy.quantiles()}
	d.settle(direct.tally, false)
	d.settle(proxy.tally, true)
	d.settle(d.tally, true)
	return d.audit(ctx, d.app, proxy.app)
}

// settle adds a tally to the report.
func (d *demo) settle(t *tally, throughProxy bool) {
	if throughProxy {
		d.report.Requests += t.requests.Load()
		d.report.Retries += t.retries.Load()
	}
	d.report.Errors += t.errors.Load()
	d.report.ErrorSamples = append(d.report.ErrorSamples, t.errorSamples()...)
}

// audit counts each row that is not as the application has left it as an error.
func (d *demo) audit(ctx context.Context, apps ...*application) error {
	for _, app := range apps {
		compared, wrong, err := app.audit(ctx, d.direct)
		if err != nil {
			return err
		}
		d.report.Audited += compared
		d.report.Errors += int64(len(wrong))
		d.report.ErrorSamples = append(d.report.ErrorSamples, wrong[:min(len(wrong), samplesKept)]...)
	}
	wrong, err := d.app.auditHot(ctx, d.direct)
	if err != nil {
		return err
	}
	d.report.Errors += int64(len(wrong))
	d.report.ErrorSamples = append(d.report.ErrorSamples, wrong...)
	d.story.say("The application's own memory of %s rows was compared with the tables", thousands(int64(d.report.Audited)))
	return nil
}
