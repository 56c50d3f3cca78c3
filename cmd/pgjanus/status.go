package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/admin"
	"github.com/pgjanus/pgjanus/config"
)

func newStatusCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show on one screen where every migration stands",
		Long: `Shows what the running serve says and what the database has recorded. Exits 0
when serve lets sessions in, 1 when it does not, 2 when it does not answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			return g.status(cmd.Context(), settings)
		},
	}
}

// statusReport is what serve says, and beside each migration what the
// database has recorded of its backfill.
type statusReport struct {
	*admin.Status
	Backfills     map[string]backfillState `json:"backfills"`
	DatabaseError string                   `json:"database_error,omitempty"`
}

func (g *global) status(ctx context.Context, settings *config.Settings) error {
	status, err := adminClient(settings).Status(ctx)
	if err != nil {
		return err
	}
	report := &statusReport{Status: status}
	if report.Backfills, err = backfillStates(ctx, settings); err != nil {
		report.DatabaseError = err.Error() // serve's half is still worth showing
	}
	if err := g.print(report, report.text); err != nil || status.Ready {
		return err
	}
	return errNo
}

func (r *statusReport) text(w io.Writer) {
	ready := "ready"
	if !r.Ready {
		ready = "NOT READY"
	}
	_, _ = fmt.Fprintf(w, "pgjanus %s, up %s, %s\n", r.Version, time.Duration(r.UptimeSeconds)*time.Second, ready)
	_, _ = fmt.Fprintf(w, "rules %s, epoch %d, %s\n", r.RulesFile, r.Epoch, count(r.Sessions.Open, "session"))
	if !r.ControlConnected && r.Epoch > 0 { // it is made when the first rules file is good
		_, _ = fmt.Fprintln(w, "the control connection is lost")
	}
	for _, p := range r.Problems {
		_, _ = fmt.Fprintln(w, "problem:", p)
	}
	if r.DatabaseError != "" {
		_, _ = fmt.Fprintln(w, "backfills are not known:", r.DatabaseError)
	}
	if len(r.Migrations) == 0 {
		_, _ = fmt.Fprintln(w, "no migrations")
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nMIGRATION\tKIND\tPHASE\tSETTLED\tBACKFILL\tOLD\tNEW")
	for _, m := range r.Migrations {
		settled := "yes"
		if !m.Settled {
			settled = "no"
		}
		backfill := r.Backfills[m.Name].String()
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.Kind, m.Phase, settled, backfill, m.Old, m.New)
	}
	_ = table.Flush() // w is stdout
	for _, m := range r.Migrations {
		b := r.Backfills[m.Name]
		if b.Dirty > 0 {
			_, _ = fmt.Fprintf(w, "%s: %s dirty, pgjanus verify %[1]s names them\n", m.Name, count(int(b.Dirty), "key"))
		}
		if b.Bypassed != nil {
			_, _ = fmt.Fprintf(w, "%s: written past pgjanus, last noticed at %s\n", m.Name, b.Bypassed.UTC().Format(time.RFC3339))
		}
	}
}
