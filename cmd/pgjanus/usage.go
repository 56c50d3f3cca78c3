package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/admin"
	"github.com/pgjanus/pgjanus/internal/usage"
)

func newUsageCommand(g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "usage MIGRATION",
		Short: "List the statements that touch a migration, and what becomes of them",
		Long: `Lists what the running serve has seen of a migration: each statement without its
constants, how often it was executed, by which applications and users, and its
outcome; while the migration is off, what its outcome would be in dualwrite.
Exits 0 when none is refused, 1 when some were seen within usage.window that are
refused or would be, 2 when serve does not answer.`,
		Args: one("MIGRATION", "run it once for each"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			seen, err := adminClient(settings).Statements(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := g.print(seen, func(w io.Writer) { listUsage(w, seen, time.Now()) }); err != nil || len(seen.Refused) == 0 {
				return err
			}
			return errNo
		},
	}
}

func listUsage(w io.Writer, s *admin.Statements, now time.Time) {
	_, _ = fmt.Fprintf(w, "%s: phase %s, %s in %s, on %s pid %d\n",
		s.Migration, s.Phase, count(len(s.Statements), "statement"), now.Sub(s.Since).Round(time.Second), s.Process.Host, s.Process.PID)
	if s.Evicted > 0 {
		_, _ = fmt.Fprintf(w, "not complete: %s, of all migrations, made room for others (usage.entries is %d)\n", count(int(s.Evicted), "statement"), s.Limit)
	}
	if len(s.Refused) > 0 {
		_, _ = fmt.Fprintf(w, "\nrefused in dualwrite, and seen within the last %s:\n", time.Duration(s.WindowSeconds)*time.Second)
	}
	for _, r := range s.Refused {
		_, _ = fmt.Fprintf(w, "  %s, %s, the last %s ago: %s\n", r.Kind, count(int(r.Count), "time"), ago(now, r.LastSeen), printable(r.Reason))
	}
	if len(s.Statements) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nOUTCOME\tKIND\tCOUNT\tFIRST SEEN\tLAST SEEN\tBY\tSTATEMENT")
	for _, st := range s.Statements {
		outcome := st.Outcome
		if st.Forecast && outcome != "unknown" {
			outcome = "would " + outcome
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%s ago\t%s ago\t%s\t%s\n", outcome, st.Kind, st.Count, ago(now, st.FirstSeen), ago(now, st.LastSeen), users(&st), printable(st.Text))
		if st.Reason != "" {
			_, _ = fmt.Fprintf(table, "\t\t\t\t\t\t  because %s\n", printable(st.Reason))
		}
	}
	_ = table.Flush() // w is stdout
}

// users names the clients with the most executions.
func users(s *usage.Statement) string {
	const named = 3
	names := make([]string, 0, named+1)
	for i, c := range s.Clients {
		if i == named {
			names = append(names, "..")
			break
		}
		application := c.Application
		if application == "" {
			application = "-"
		}
		names = append(names, printable(c.User+"@"+application))
	}
	if len(names) == 0 {
		return "-" // only prepared
	}
	return strings.Join(names, ", ")
}

func ago(now, then time.Time) time.Duration { return now.Sub(then).Round(time.Second) }

// printable keeps what clients have chosen from moving the cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
