package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/test/promql"
)

// adviceMetric is there only where the Vertical Pod Autoscaler is; its panels have a line besides.
const adviceMetric = "suoke_vpa_recommendation"

// showsDashboard looks for every metric that the dashboard asks for in what the running Pods export.
func showsDashboard(t *testing.T, s *system) {
	var object corev1.ConfigMap
	s.get(t, "suoke-agents-dashboard", &object)
	var dashboard struct {
		Panels []struct {
			Title   string `json:"title"`
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal([]byte(object.Data["suoke-agents.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, func(ctx context.Context) string {
		exported := s.exported(ctx, t)
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				names, err := promql.Metrics(target.Expr)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					if !exported[name] && name != adviceMetric {
						return fmt.Sprintf("panel %q asks for %s, which no Pod exports", panel.Title, name)
					}
				}
			}
		}
		return ""
	})
}

// exported are the names of all samples that Prometheus would find by the Pods' annotations.
func (s *system) exported(ctx context.Context, t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pod := range s.pods(ctx, t, client.MatchingLabels{"app.kubernetes.io/part-of": "suoke"}) {
		port := pod.Annotations["prometheus.io/port"]
		if pod.Status.Phase != corev1.PodRunning || port == "" {
			continue
		}
		path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:%s/proxy/metrics", namespace, pod.Name, port)
		out, err := s.try(t, "kubectl", "get", "--raw", path)
		if err != nil {
			t.Logf("%s: %s", pod.Name, out)
			continue
		}
		for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
			name, _, _ := strings.Cut(lines.Text(), " ")
			name, _, _ = strings.Cut(name, "{")
			names[name] = true
		}
	}
	return names
}
