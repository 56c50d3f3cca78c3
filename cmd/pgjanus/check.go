package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/internal/live"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rules"
)

func newCheckCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Validate settings and rules against the live catalog",
		Long: `Validates the settings, the rules file by itself, the rules against the live
catalog and the privileges of the roles, and the step from the phases that the
database has recorded; lets Postgres parse what serve would create, and takes it
back; and warns of what may write an old table where no statement shows it, and of
triggers that a backfill fires. Changes nothing. Exits 0 when serve would take the
rules, 1 when it would not, 2 when that could not be told.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			report, err := check(cmd.Context(), settings)
			if err != nil {
				return err
			}
			if err := g.print(report, report.text); err != nil || report.OK {
				return err
			}
			return errNo
		},
	}
}

type checkReport struct {
	OK         bool     `json:"ok"`
	RulesFile  string   `json:"rules_file"`
	Migrations int      `json:"migrations"`
	Problems   []string `json:"problems"`
	Warnings   []string `json:"warnings"`
}

func (r *checkReport) text(w io.Writer) {
	for _, p := range r.Problems {
		_, _ = fmt.Fprintln(w, p)
	}
	for _, p := range r.Warnings {
		_, _ = fmt.Fprintln(w, "warning:", p)
	}
	if r.OK {
		_, _ = fmt.Fprintf(w, "ok: %s, %s\n", r.RulesFile, count(r.Migrations, "migration"))
	}
}

// check returns an error only when it could not be told.
func check(ctx context.Context, settings *config.Settings) (*checkReport, error) {
	r := &checkReport{RulesFile: settings.Rules, Problems: []string{}, Warnings: []string{}}
	err := r.fill(ctx, settings)
	problems := rules.AsProblems(err)
	if err != nil && problems == nil {
		return nil, err
	}
	for _, p := range problems {
		r.Problems = append(r.Problems, p.String())
	}
	r.OK = len(problems) == 0
	return r, nil
}

func (r *checkReport) fill(ctx context.Context, settings *config.Settings) error {
	set, err := rules.Load(settings.Rules)
	if err != nil {
		return err
	}
	r.Migrations = len(set.Migrations)
	conn, bye, err := connect(ctx, settings, "check")
	if err != nil {
		return err
	}
	defer bye()
	recorded, err := migrate.RecordedPhases(ctx, conn)
	if err != nil {
		return err
	}
	steps := rules.Transition(live.RecordedSet(settings.Rules, recorded), set)
	planner, err := migrate.Load(ctx, conn, set, 1)
	if err != nil {
		problems := rules.AsProblems(err)
		if problems == nil {
			return err
		}
		return append(steps, problems...).Err()
	}
	r.Warnings = append(r.Warnings, planner.Warnings()...)
	for _, m := range planner.Migrations() {
		unseen, err := migrate.Unseen(ctx, conn, planner, m)
		if err != nil {
			return err
		}
		r.Warnings = append(r.Warnings, unseen...)
		fired, err := migrate.Fired(ctx, conn, m)
		if err != nil {
			return err
		}
		if fired != "" {
			r.Warnings = append(r.Warnings, fired)
		}
	}
	lacking, undone, err := migrate.Lacking(ctx, conn, settings.Rules, planner)
	if err != nil {
		return err
	}
	r.Warnings = append(r.Warnings, undone...)
	problems := append(steps, lacking...)
	if len(problems) > 0 || len(recorded) == 0 && !live.AnyActive(set) {
		return problems.Err()
	}
	return migrate.Rehearse(ctx, conn, planner)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
