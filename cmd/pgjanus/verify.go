package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/migrate"
)

func newVerifyCommand(g *global) *cobra.Command {
	var opts migrate.VerifyOptions
	cmd := &cobra.Command{
		Use:   "verify MIGRATION",
		Short: "Compare both shapes in one snapshot and name the keys that drift",
		Long: `Compares the old and the new shape of every key in one snapshot of the
database, while applications go on. Exits 0 when they are equal, 1 when a key
drifts, 2 when that could not be told.`,
		Args: one("MIGRATION", "run it once for each"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			opts.Migration = args[0]
			return g.verify(cmd.Context(), settings, opts)
		},
	}
	cmd.Flags().IntVar(&opts.Limit, "limit", 20, "how many drifting keys to name")
	return cmd
}

type verifyReport struct {
	Migration string     `json:"migration"`
	Equal     bool       `json:"equal"`
	Compared  int64      `json:"compared"` // old rows
	Drift     int64      `json:"drift"`    // keys
	Keys      []driftKey `json:"keys"`     // the first of them
	Snapshot  string     `json:"snapshot"`
}

type driftKey struct {
	Key    []string `json:"key"`
	Reason string   `json:"reason"`
}

func (r *verifyReport) text(w io.Writer) {
	for _, k := range r.Keys {
		_, _ = fmt.Fprintf(w, "drift at key %s: %s\n", strings.Join(k.Key, ", "), k.Reason)
	}
	if more := r.Drift - int64(len(r.Keys)); more > 0 {
		_, _ = fmt.Fprintf(w, "and %d more\n", more)
	}
	outcome := "equal"
	if !r.Equal {
		outcome = count(int(r.Drift), "key") + " drifting"
	}
	_, _ = fmt.Fprintf(w, "%s: %s, %s compared in one snapshot\n", r.Migration, outcome, count(int(r.Compared), "row"))
}

func (g *global) verify(ctx context.Context, settings *config.Settings, opts migrate.VerifyOptions) error {
	conn, bye, err := connect(ctx, settings, "verify "+opts.Migration)
	if err != nil {
		return err
	}
	defer bye()
	if opts.Planner, err = plan(ctx, conn, settings); err != nil {
		return err
	}
	if _, err := find(opts.Planner.Set(), opts.Migration); err != nil {
		return err
	}
	bar := newProgress(g.err, opts.Migration)
	defer bar.end()
	opts.Progress = func(p migrate.VerifyProgress) { bar.show(p.Compared, p.Estimate, p.Rate, p.ETA) }
	result, err := migrate.Verify(ctx, conn, opts)
	if err != nil {
		return err
	}
	bar.end()
	report := &verifyReport{
		Migration: result.Migration,
		Equal:     result.Drift == 0,
		Compared:  result.Compared,
		Drift:     result.Drift,
		Keys:      []driftKey{},
		Snapshot:  result.Snapshot,
	}
	for _, k := range result.Keys {
		report.Keys = append(report.Keys, driftKey{k.Key, k.Reason})
	}
	if err := g.print(report, report.text); err != nil || report.Equal {
		return err
	}
	return errNo
}
