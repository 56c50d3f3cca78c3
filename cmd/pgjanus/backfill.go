package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

func newBackfillCommand(g *global) *cobra.Command {
	var opts migrate.BackfillOptions
	cmd := &cobra.Command{
		Use:   "backfill MIGRATION",
		Short: "Make the new shape of all history, in small batches",
		Long: `Waits until the phase of the migration is settled in the running serve, then
makes the new shape of every old row, batch by batch, while applications go on.
It can be stopped at any time and goes on where it stood.`,
		Args: one("MIGRATION", "run it once for each"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			opts.Migration = args[0]
			return g.backfill(cmd.Context(), settings, opts)
		},
	}
	cmd.Flags().IntVar(&opts.Batch, "batch", 2000, "rows per batch")
	cmd.Flags().DurationVar(&opts.Pause, "pause", 50*time.Millisecond, "pause between two batches")
	cmd.Flags().BoolVar(&opts.Restart, "restart", false, "begin anew, not where the last backfill stood")
	return cmd
}

type backfillReport struct {
	Migration string  `json:"migration"`
	Filled    int64   `json:"filled"` // rows, since the backfill was begun
	Batches   int64   `json:"batches"`
	Resumed   bool    `json:"resumed"`
	Dirty     int64   `json:"dirty,omitempty"` // keys whose new shape could not be written
	Seconds   float64 `json:"seconds"`
}

func (r *backfillReport) text(w io.Writer) {
	if r.Dirty > 0 {
		defer func() {
			_, _ = fmt.Fprintf(w, "%s: %s dirty, pgjanus verify %[1]s names them\n", r.Migration, count(int(r.Dirty), "key"))
		}()
	}
	how := ""
	switch {
	case r.Resumed && r.Batches == 0:
		_, _ = fmt.Fprintf(w, "%s: complete already, %s were filled; --restart fills again\n", r.Migration, count(int(r.Filled), "row"))
		return
	case r.Resumed:
		how = ", resumed"
	}
	_, _ = fmt.Fprintf(w, "%s: %s filled in %.1f s%s\n", r.Migration, count(int(r.Filled), "row"), r.Seconds, how)
}

func (g *global) backfill(ctx context.Context, settings *config.Settings, opts migrate.BackfillOptions) error {
	if opts.Batch < 1 || opts.Pause < 0 {
		return fmt.Errorf("--batch must be at least 1 and --pause must not be negative")
	}
	set, err := rules.Load(settings.Rules)
	if err != nil {
		return err
	}
	m, err := find(set, opts.Migration)
	if err != nil {
		return err
	}
	bar := newProgress(g.err, opts.Migration)
	defer bar.end()
	if err := waitSettled(ctx, settings, m, bar.say); err != nil {
		return err
	}
	conn, bye, err := connect(ctx, settings, "backfill "+opts.Migration)
	if err != nil {
		return err
	}
	defer bye()
	if opts.Planner, err = migrate.Load(ctx, conn, set, 1); err != nil {
		return err
	}
	opts.Progress = func(p migrate.Progress) {
		switch {
		case p.Trouble != "":
			bar.say("trying again: " + p.Trouble)
		case len(p.WaitingFor) > 0:
			bar.say("waiting for " + firstOf(p.WaitingFor))
		default:
			bar.show(p.Filled, p.Estimate, p.Rate, p.ETA)
		}
	}
	result, err := migrate.Backfill(ctx, conn, opts)
	if err != nil {
		return err
	}
	bar.end()
	report := &backfillReport{result.Migration, result.Filled, result.Batches, result.Resumed, result.Dirty, result.Duration.Seconds()}
	return g.print(report, report.text)
}

// firstOf fits on one line: the oldest is what holds everything up.
func firstOf(waiting []string) string {
	if len(waiting) == 1 {
		return waiting[0]
	}
	return fmt.Sprintf("%s and %d more", waiting[0], len(waiting)-1)
}
