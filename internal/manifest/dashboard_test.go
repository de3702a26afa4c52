package manifest_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/test/promql"
)

// dashboard is what the test needs of Grafana's model.
type dashboard struct {
	Panels []struct {
		ID      int                            `json:"id"`
		Type    string                         `json:"type"`
		Title   string                         `json:"title"`
		GridPos struct{ X, Y, W, H int }       `json:"gridPos"`
		Targets []struct{ Expr, RefID string } `json:"targets"`
	} `json:"panels"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	maps := kind(t, profile.Production, manifest.DashboardFile, "ConfigMap")
	if len(maps) != 1 || maps[0].GetName() != "suoke-agents-dashboard" || maps[0].GetLabels()["grafana_dashboard"] != "1" {
		t.Fatalf("ConfigMaps: %v", maps)
	}
	data := maps[0].Object["data"].(map[string]any)
	var d dashboard
	if err := json.Unmarshal([]byte(data["suoke-agents.json"].(string)), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboardHasItsFourParts(t *testing.T) {
	var rows []string
	ids := map[int]bool{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] {
			t.Errorf("panel %q: its id stands twice", p.Title)
		}
		ids[p.ID] = true
		if p.Type == "row" {
			rows = append(rows, p.Title)
		} else if len(p.Targets) == 0 {
			t.Errorf("panel %q asks nothing", p.Title)
		}
	}
	want := "Agent resource use, HPA scaling history, Model performance, System health"
	if got := strings.Join(rows, ", "); got != want {
		t.Errorf("parts: %s; want %s", got, want)
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	type cell struct{ x, y int }
	taken := map[cell]string{}
	for _, p := range readDashboard(t).Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, found := taken[cell{x, y}]; found {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				taken[cell{x, y}] = p.Title
			}
		}
	}
}

// Every metric that a query reads is one that docs/contracts.md promises of our own processes.
func TestQueriesReadOnlyMetricsThatWeExport(t *testing.T) {
	promised := promisedMetrics(t)
	queries := 0
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			queries++
			metrics, err := promql.Metrics(target.Expr)
			if err != nil || len(metrics) == 0 {
				t.Errorf("panel %q: %s reads no metric: %v", p.Title, target.Expr, err)
			}
			for _, m := range metrics {
				base := m
				if b, found := strings.CutSuffix(m, "_bucket"); found {
					base = b
				}
				if !promised[base] {
					t.Errorf("panel %q reads %s, which no process promises", p.Title, m)
				}
			}
		}
	}
	if queries < 20 {
		t.Errorf("only %d queries", queries)
	}
}

// promisedMetrics reads the names in the contracts' part on metrics.
func promisedMetrics(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/contracts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "## Metrics of our own processes")
	if !found {
		t.Fatal("docs/contracts.md has no part on metrics")
	}
	names := map[string]bool{}
	for _, match := range regexp.MustCompile("`([a-z][a-z0-9_]+)(\\{[^`]*\\})?`").FindAllStringSubmatch(part, -1) {
		names[match[1]] = true
	}
	return names
}
