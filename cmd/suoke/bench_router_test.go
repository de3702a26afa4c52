package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/traffic/routerbench"
)

// benchRouter runs the command in a process of its own, because it moves to one core, and returns what it prints and what
// it says meanwhile.
func benchRouter(t *testing.T, args ...string) (out, notes string) {
	t.Helper()
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		t.Skip("each proxy is alone on a core: this needs two cores, and taskset of util-linux")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var printed, said strings.Builder
	cmd := exec.CommandContext(t.Context(), self, append([]string{"bench", "router", "--duration", "50ms", "--repeat", "1"}, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdout, cmd.Stderr = &printed, &said
	// Interrupted, it ends the proxies too.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	return printed.String(), said.String()
}

// installed are the proxies that there are to measure, the direct way first.
func installed() (there []string, missing int) {
	there = []string{routerbench.Direct, routerbench.Suoke}
	for _, name := range []string{"haproxy", "nginx"} {
		if _, err := exec.LookPath(name); err != nil {
			missing++
			continue
		}
		there = append(there, name)
	}
	return there, missing
}

func TestBenchRouterMeasuresEveryProxyThatIsThere(t *testing.T) {
	out, _ := benchRouter(t, "-o", "json")
	var report routerbench.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	there, missing := installed()
	if len(report.Missing) != missing {
		t.Errorf("it misses %q, of two that can be missed %d are", report.Missing, missing)
	}
	var scenarios []string
	for _, s := range report.Scenarios {
		scenarios = append(scenarios, s.Name)
		var proxies []string
		for _, f := range s.Proxies {
			proxies = append(proxies, f.Proxy)
			if f.PerSecond <= 0 || f.P50 <= 0 || f.P99 < f.P50 {
				t.Errorf("%s, %s: %+v", s.Name, f.Proxy, f)
			}
		}
		if diff := cmp.Diff(there, proxies); diff != "" {
			t.Errorf("%s: proxies (-want +got):\n%s", s.Name, diff)
		}
	}
	if diff := cmp.Diff(routerbench.Names(), scenarios); diff != "" {
		t.Errorf("scenarios (-want +got):\n%s", diff)
	}
}

func TestBenchRouterPrintsATable(t *testing.T) {
	out, notes := benchRouter(t, "--only", "small")
	there, _ := installed()
	_, table, found := strings.Cut(out, "\nsmall: POST of 300 B, answer of 130 B, 32 connections; added at 2000 requests a second\n\n")
	if !found {
		t.Fatalf("it prints\n%s", out)
	}
	lines := strings.Split(table, "\n")
	var first []string
	for _, line := range lines[1 : 1+len(there)] {
		first = append(first, strings.Fields(line)[0])
	}
	if diff := cmp.Diff(there, first); diff != "" {
		t.Errorf("lines (-want +got):\n%s\n%s", diff, out)
	}
	want := "small, " + strings.Join(there, ", 1 of 1\nsmall, ") + ", 1 of 1\n"
	if diff := cmp.Diff(want, notes); diff != "" {
		t.Errorf("meanwhile it says (-want +got):\n%s", diff)
	}
}

func TestBenchRouterSaysWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown output":             {[]string{"-o", "yaml"}, "--output yaml: write json, or leave it out"},
		"an unknown scenario":           {[]string{"--only", "huge"}, `bench router: there is no scenario "huge"; write one of small, large, stream`},
		"no time":                       {[]string{"--duration", "0s"}, "--duration: write more than 0 and at most 10m, not 0s"},
		"no repetition":                 {[]string{"--repeat", "0"}, "--repeat: write 1 or more, not 0"},
		"a router without addresses":    {[]string{"serve"}, "write --listen ADDRESS and --backend ADDRESS"},
		"an address that nobody can be": {[]string{"serve", "--listen", "nowhere", "--backend", "127.0.0.1:1"}, "listening: "},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := newBenchCommand()
			cmd.SetOut(t.Output())
			cmd.SetErr(t.Output())
			cmd.SetArgs(append([]string{"router"}, c.args...))
			if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("it says %v; want %s", err, c.want)
			}
		})
	}
}
