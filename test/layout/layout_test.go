// Package layout_test holds docs/layout.md against the code: the arrows drawn there are all the imports there may be.
package layout_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/suoke-life/suoke/"

// TestImportsAreDrawn fails on an import between packages of this module that docs/layout.md does not draw, and on an
// arrow that no import needs any more.
func TestImportsAreDrawn(t *testing.T) {
	drawn := arrows(t, "../../docs/layout.md")
	used := map[string]bool{}
	for from, imports := range imports(t) {
		for _, to := range imports {
			arrow := from + " -> " + to
			used[arrow] = true
			if !drawn[arrow] && !strings.HasPrefix(from, "cmd/") && !strings.HasPrefix(from, "test/") {
				t.Errorf("%s: not drawn in docs/layout.md", arrow)
			}
		}
	}
	for arrow := range drawn {
		if !used[arrow] {
			t.Errorf("%s: drawn in docs/layout.md, but no import needs it", arrow)
		}
	}
}

// arrows reads the lines "from -> to, to" of the document's block fenced by ```imports.
func arrows(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	drawn, inside := map[string]bool{}, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") {
			inside = line == "```imports"
			continue
		}
		from, to, found := strings.Cut(line, "->")
		if !inside || !found {
			continue
		}
		for target := range strings.SplitSeq(to, ",") {
			drawn[strings.TrimSpace(from)+" -> "+strings.TrimSpace(target)] = true
		}
	}
	if len(drawn) == 0 {
		t.Fatalf("%s draws no arrows", file)
	}
	return drawn
}

// imports lists, for every package of the module, the packages of the module that its non-test files import.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], module)
		for _, path := range fields[1:] {
			if to, ours := strings.CutPrefix(path, module); ours {
				all[from] = append(all[from], to)
			}
		}
	}
	return all
}
