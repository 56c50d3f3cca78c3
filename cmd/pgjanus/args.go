package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// one takes exactly one argument, which the usage of the verb calls name.
func one(name, otherwise string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return fmt.Errorf("%s is missing (%s)", name, cmd.UseLine())
		case 1:
			return nil
		}
		return fmt.Errorf("%s takes one %s, not %d (%s)", cmd.Name(), name, len(args), otherwise)
	}
}
