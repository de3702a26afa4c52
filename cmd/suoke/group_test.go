package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// leading are the commands that lead to others, as a person writes them after suoke.
func leading(cmd *cobra.Command, path ...string) [][]string {
	if !cmd.HasSubCommands() {
		return nil
	}
	all := [][]string{path}
	for _, sub := range cmd.Commands() {
		all = append(all, leading(sub, append(slices.Clip(path), sub.Name())...)...)
	}
	return all
}

func TestAMistypedVerbIsRefused(t *testing.T) {
	for _, group := range leading(newRootCommand()) {
		_, err := runSuoke(t, append(group, "abrot", "digits")...)
		want := `unknown command "abrot" for "` + strings.Join(append([]string{"suoke"}, group...), " ") + `"`
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestARefusalNamesWhatWasMeant(t *testing.T) {
	for name, c := range map[string]struct {
		called string
		args   []string
		want   string
	}{
		"by its own name": {"suoke", []string{"rollout", "abrot", "digits"}, `unknown command "abrot" for "suoke rollout"; did you mean abort?`},
		"by kubectl":      {"kubectl-suoke", []string{"rollout", "abrot", "digits"}, `unknown command "abrot" for "kubectl suoke rollout"; did you mean abort?`},
		"at the root":     {"suoke", []string{"rollot"}, `unknown command "rollot" for "suoke"; did you mean rollout?`},
		"one of several":  {"suoke", []string{"rollout", "ret"}, "; did you mean get or retry?"},
		"one like none":   {"suoke", []string{"bench", "abrot"}, "; `suoke bench --help` shows those there are"},
	} {
		t.Run(name, func(t *testing.T) {
			root := newRootCommand()
			root.SetArgs(calledAs(root, append([]string{c.called}, c.args...)))
			if err := root.ExecuteContext(t.Context()); err == nil || !strings.HasSuffix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestAMistypedVerbEndsTheProgramWithAStatus(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "rollout", "abrot", "digits")
	cmd.Env = append(os.Environ(), asProgram+"=1")
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), "suoke: unknown command") {
		t.Errorf("got %v and\n%s", err, out)
	}
}

func TestAGroupByItselfShowsItsHelp(t *testing.T) {
	for _, group := range []string{"", "rollout", "model", "image", "bench", "completion"} {
		out, err := runSuoke(t, strings.Fields(group)...)
		if want := strings.TrimSpace("suoke "+group) + " [command]"; err != nil || !strings.Contains(out, want) {
			t.Errorf("suoke %s: got %v and\n%s\nwant %s in it", group, err, out, want)
		}
	}
}
