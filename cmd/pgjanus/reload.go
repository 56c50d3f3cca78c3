package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/admin"
	"github.com/pgjanus/pgjanus/internal/live"
)

func newReloadCommand(g *global) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running serve load the rules file now",
		Long: `Asks the running serve to load its rules file, and prints what changed. A step
from off to dualwrite is held against the statements that were seen lately and
that dualwrite refuses: it is warned of, or with --strict refused; without the
flag the setting strict_flips decides. Exits 0 when the rules are in force, 1
when they are rejected, 2 when serve does not answer.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			strictness := live.AsSet
			if cmd.Flags().Changed("strict") {
				strictness = live.Lenient
				if strict {
					strictness = live.Strict
				}
			}
			report, err := adminClient(settings).Reload(cmd.Context(), strictness)
			var rejected *admin.RejectedError
			if errors.As(err, &rejected) {
				err := g.print(admin.Rejected{Problems: rejected.Problems}, func(w io.Writer) {
					for _, p := range rejected.Problems {
						_, _ = fmt.Fprintln(w, "problem:", p)
					}
				})
				return errors.Join(err, errNo)
			}
			if err != nil {
				return err
			}
			return g.print(report, func(w io.Writer) { reloaded(w, report) })
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "refuse a step to dualwrite while statements that it refuses were seen lately; =false goes on with a warning")
	return cmd
}

func reloaded(w io.Writer, r *admin.Reloaded) {
	for _, c := range r.Changes {
		_, _ = fmt.Fprintln(w, c)
	}
	for _, warning := range r.Warnings {
		_, _ = fmt.Fprintln(w, "warning:", warning)
	}
	if len(r.Changes) == 0 {
		_, _ = fmt.Fprintln(w, "no change")
	}
	_, _ = fmt.Fprintf(w, "epoch %d\n", r.Epoch)
}
