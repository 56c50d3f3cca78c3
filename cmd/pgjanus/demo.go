package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/internal/demo"
)

// newDemoCommand plays the three canonical migrations on a throw-away
// Postgres, under load. It reads no settings file: it writes its own.
func newDemoCommand() *cobra.Command {
	var opts demo.Options
	var scale string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Take three migrations from off to dualwrite on a throw-away Postgres, under load",
		Long: `Starts a throw-away Postgres (or makes two databases of its own on the server
of PGJANUS_DEMO_DSN), fills three tables, starts pgjanus, and lets an unmodified
application write through it while the three migrations go from off to
dualwrite, are backfilled and verified. Exits 0 only when the application saw no
error and no key drifts.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			switch scale {
			case "full":
				opts.Scale = demo.FullScale()
			case "small":
				opts.Scale = demo.SmallScale()
			default:
				return fmt.Errorf("unknown scale %q: use full or small", scale)
			}
			if opts.Binary, err = os.Executable(); err != nil {
				return fmt.Errorf("finding the running executable: %w", err)
			}
			opts.DSN = os.Getenv("PGJANUS_DEMO_DSN")
			opts.Stdout, opts.Stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			wantJSON := cmd.Flag("output").Value.String() == string(asJSON)
			if wantJSON {
				opts.Stdout = opts.Stderr // the story; stdout is for the report
			}
			report, err := demo.Run(cmd.Context(), opts)
			if err != nil {
				return err
			}
			if wantJSON {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(report); err != nil {
					return fmt.Errorf("writing the report: %w", err)
				}
			}
			if report.Problem() != "" {
				return errNo
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&opts.Keep, "keep", false, "leave Postgres and pgjanus up until Ctrl-C and say what to try")
	cmd.Flags().StringVar(&opts.Report, "report", "demo-report.json", "where to write the report; empty for nowhere")
	cmd.Flags().StringVar(&scale, "scale", "full", "size of the tables and length of the run: full or small")
	return cmd
}
