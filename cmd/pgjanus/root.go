package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/pgjanus/pgjanus/config"
)

// stdio is where a verb writes: results to out, everything else to err.
type stdio struct {
	out io.Writer
	err io.Writer
}

// global is what every verb takes.
type global struct {
	stdio
	configFile string
	output     format
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	g := &global{stdio: std, output: text}
	root := newRootCommand(g)
	root.SetArgs(args)
	root.SetOut(std.out)
	root.SetErr(std.err)
	return g.conclude(root.ExecuteContext(ctx))
}

func newRootCommand(g *global) *cobra.Command {
	root := &cobra.Command{
		Use:           "pgjanus",
		Short:         "A Postgres proxy that keeps two shapes of data equal while a migration is under way",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&g.configFile, "config", "", "settings file (default "+config.DefaultFile+")")
	flags.Var(&g.output, "output", "text or json")
	root.AddCommand(
		newServeCommand(g),
		newCheckCommand(g),
		newExplainCommand(g),
		newBackfillCommand(g),
		newVerifyCommand(g),
		newStatusCommand(g),
		newUsageCommand(g),
		newReloadCommand(g),
		newVersionCommand(g),
		newDemoCommand(),
	)
	return root
}

// settings reads the settings; cmd's own flags outrank the file.
func (g *global) settings(cmd *cobra.Command) (*config.Settings, error) {
	s, err := config.Load(config.Options{File: g.configFile, Flags: cmd.Flags()})
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	return s, nil
}
