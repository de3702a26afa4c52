package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// refuseUnknownVerbs has each command that only leads to others name a verb that it does not know, and fail. Left to itself,
// cobra does so at the root alone: below it, any verb shows the help and succeeds. Without a verb all of them show it.
func refuseUnknownVerbs(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = noVerb
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		cmd.DisableFlagsInUseLine = true
	}
	for _, sub := range cmd.Commands() {
		refuseUnknownVerbs(sub)
	}
}

// noVerb refuses what is left after the verbs that are known.
func noVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // cobra's own, which it sets only where it refuses a verb itself
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("unknown command %q for %q; did you mean %s?", args[0], cmd.CommandPath(), strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q for %q; `%s --help` shows those there are", args[0], cmd.CommandPath(), cmd.CommandPath())
}
