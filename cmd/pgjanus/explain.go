package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/rewrite"
)

func newExplainCommand(g *global) *cobra.Command {
	var simple bool
	cmd := &cobra.Command{
		Use:   `explain "SQL"`,
		Short: "Show what becomes of a statement",
		Long: `Prints what serve would do with the text under the rules file and the catalog
of now: pass, rewrite (with the edited text and the syncs behind it) or refuse
(with the reason and the way out). Nothing is executed.`,
		Args: one(`"SQL"`, "quote it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			settings, err := g.settings(cmd)
			if err != nil {
				return err
			}
			conn, bye, err := connect(cmd.Context(), settings, "explain")
			if err != nil {
				return err
			}
			defer bye()
			planner, err := plan(cmd.Context(), conn, settings)
			if err != nil {
				return err
			}
			env := rewrite.Env{MaxBytes: settings.Limits.MaxStatementBytes}
			p := planner.Plan([]byte(args[0]), env)
			asks := p.Ask != nil
			if asks {
				env.Names = p.Ask.Ours()
				p = planner.Plan([]byte(args[0]), env)
			}
			result := explain(p)
			result.NamesDecide = asks
			return g.print(result, func(w io.Writer) {
				if asks {
					_, _ = fmt.Fprintln(w, "where its unqualified names stand for migrating tables, which serve asks the server:")
				}
				_, _ = io.WriteString(w, p.String())
				if simple && p.Outcome == rewrite.Rewrite {
					_, _ = fmt.Fprintf(w, "query: %s\n", p.Simple().Text)
				}
			})
		},
	}
	cmd.Flags().BoolVar(&simple, "simple", false, "also print the text of the simple protocol, with the syncs in full")
	return cmd
}

type explained struct {
	Outcome    string               `json:"outcome"`
	Text       string               `json:"text,omitempty"`   // extended protocol
	Simple     string               `json:"simple,omitempty"` // simple protocol
	Statements []explainedStatement `json:"statements"`
	// NamesDecide: it is so where unqualified names stand for migrating tables, which
	// depends on the session.
	NamesDecide bool              `json:"names_decide,omitempty"`
	Refusal     *explainedRefusal `json:"refusal,omitempty"`
}

type explainedStatement struct {
	Kind       string          `json:"kind"`
	Outcome    string          `json:"outcome"`
	Migrations []string        `json:"migrations"`
	Syncs      []explainedSync `json:"syncs"`
}

type explainedSync struct {
	Migration string `json:"migration"`
	SQL       string `json:"sql"`
}

type explainedRefusal struct {
	Migration string `json:"migration"`
	Message   string `json:"message"`
	Hint      string `json:"hint"`
	Position  int    `json:"position"` // in characters from 1; 0 for none
}

func explain(p *rewrite.Plan) explained {
	e := explained{Outcome: p.Outcome.String(), Statements: []explainedStatement{}}
	if r := p.Refusal; r != nil {
		e.Refusal = &explainedRefusal{r.Migration, r.Error(), r.Hint, r.Position()}
	}
	if p.Outcome == rewrite.Rewrite {
		e.Text, e.Simple = p.Extended.Text, p.Simple().Text
	}
	for _, s := range p.Statements {
		st := explainedStatement{s.Kind, s.Outcome.String(), append([]string{}, s.Migrations...), []explainedSync{}}
		for _, sync := range s.Syncs {
			st.Syncs = append(st.Syncs, explainedSync{sync.Migration, sync.SQL})
		}
		e.Statements = append(e.Statements, st)
	}
	return e
}
