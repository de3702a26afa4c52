package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// sharesWithNewPods scales an agent up under load and, from ten seconds after the new Pod is ready, compares what its
// Pods were asked: within 20 % of equal. Deploying again under that load takes none of them away.
func sharesWithNewPods(t *testing.T, s *system) {
	const agent, rate = "laoke", 40.0 // twice laoke's target of 20 a Pod, and it runs at one
	flow := s.ask(t, map[string]float64{agent: rate})
	defer flow.stop()
	eventually(t, 4*time.Minute, func(ctx context.Context) string {
		if n := len(s.readyAgents(ctx, t, agent)); n < 2 {
			return fmt.Sprintf("%s has %d ready Pods", agent, n)
		}
		return ""
	})
	settle(t, 10*time.Second)
	before := s.requests(t, agent)
	settle(t, 20*time.Second)
	after := s.requests(t, agent)
	total, shares := 0.0, map[string]float64{}
	for pod, n := range after {
		if _, old := before[pod]; old {
			shares[pod] = n - before[pod]
			total += n - before[pod]
		}
	}
	equal := total / float64(len(shares))
	for pod, n := range shares {
		t.Logf("%s: %.0f requests in 20 s, equal would be %.0f", pod, n, equal)
		if n < 0.8*equal || n > 1.2*equal {
			t.Errorf("%s got %.0f requests, which is not within 20 %% of %.0f", pod, n, equal)
		}
	}
	s.script(t, "deploy")
	if n := len(s.readyAgents(t.Context(), t, agent)); n < len(shares) {
		t.Errorf("deploying again under load left %d of %d ready Pods", n, len(shares))
	}
}

// shrinks waits for an agent without load to return to its minimum, after its own window.
func shrinks(t *testing.T, s *system) {
	eventually(t, 15*time.Minute, func(ctx context.Context) string {
		if n := len(s.readyAgents(ctx, t, "xiaoai")); n != 2 {
			return fmt.Sprintf("xiaoai has %d ready Pods", n)
		}
		return ""
	})
}

func (s *system) readyAgents(ctx context.Context, t *testing.T, agent string) []corev1.Pod {
	t.Helper()
	return s.ready(ctx, t, client.MatchingLabels{"suoke.life/agent": agent})
}

// ready are the Pods that are ready and not on their way out.
func (s *system) ready(ctx context.Context, t *testing.T, of client.MatchingLabels) []corev1.Pod {
	t.Helper()
	var ready []corev1.Pod
	for _, pod := range s.pods(ctx, t, of) {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				ready = append(ready, pod)
			}
		}
	}
	return ready
}

// requests reads the counter of every ready Pod of an agent through the API server's proxy.
func (s *system) requests(t *testing.T, agent string) map[string]float64 {
	t.Helper()
	counts := map[string]float64{}
	for _, pod := range s.readyAgents(t.Context(), t, agent) {
		path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s:8080/proxy/metrics", namespace, pod.Name)
		counts[pod.Name] = sum(t, s.run(t, "kubectl", "get", "--raw", path), "tcm_diagnosis_requests_total")
	}
	return counts
}

// sum adds the samples of one metric in the text exposition format.
func sum(t *testing.T, exposition, metric string) float64 {
	t.Helper()
	total := 0.0
	for lines := bufio.NewScanner(strings.NewReader(exposition)); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(name, "{"); !found || base != metric {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

// settle lets measured time pass: the share of a new Pod is defined from ten seconds after it is ready.
func settle(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
