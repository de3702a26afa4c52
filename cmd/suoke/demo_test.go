package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/demo"
)

func TestTheDemosTable(t *testing.T) {
	var out strings.Builder
	printReport(&out, demo.Report{Rows: []demo.Row{
		{Chapter: "a. baseline", What: "client requests, failed", Value: "2000, 0", Good: true},
		{Chapter: "d. a version that fails at run time", What: "failed answers of the candidate", Value: "12 of 25", Good: true},
		{Chapter: "d. a version that fails at run time", What: "why", Value: "not told"},
	}})
	want := `
a. baseline
  ✓ client requests, failed  2000, 0

d. a version that fails at run time
  ✓ failed answers of the candidate  12 of 25
  ✗ why                              not told
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheDemoSaysHowAShellFindsTheCluster(t *testing.T) {
	tools := t.TempDir()
	t.Setenv("KUBECONFIG", "")
	t.Setenv("PATH", tools)
	if got := environment(""); got != "" {
		t.Errorf("without a kubeconfig: %q", got)
	}
	t.Setenv("KUBECONFIG", "/k")
	if got := environment(""); got != "export KUBECONFIG=/k" {
		t.Errorf("without kubectl: %q", got)
	}
	if err := os.WriteFile(filepath.Join(tools, "kubectl"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, want := environment("/flag"), "export KUBECONFIG=/flag PATH="+tools+":$PATH"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var out strings.Builder
	printNext(&out, "http://127.0.0.1:3000", "")
	if !strings.Contains(out.String(), "The system is up at http://127.0.0.1:3000. Try next:\n  curl -s http://127.0.0.1:3000/ ") {
		t.Errorf("said %s", out.String())
	}
}
