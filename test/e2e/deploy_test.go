package e2e_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// examples are the example models with the versions that they begin at.
func examples() map[string]string {
	return map[string]string{
		"xiaoai-llm-model": "v2.1.0", "xiaoke-health-analysis": "v1.5.2",
		"laoke-tcm-diagnosis": "v3.0.1", "soer-wellness-recommender": "v1.3.0",
	}
}

// deploys runs the script, twice: it must find its own work done.
func deploys(t *testing.T, s *system) {
	s.script(t, "deploy")
	s.run(t, "bin/suoke", "model", "push", "--all", "build/models", "--datasets", "build/datasets", "--registry", registry)
	s.run(t, "kubectl", "label", "--overwrite", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
	out := s.script(t, "deploy")
	if strings.Contains(out, "violate") {
		t.Errorf("a Pod does not pass the restricted Pod Security level:\n%s", out)
	}
}

// deploysByHand goes the way without the script, on a cluster that cleanup left empty: the user's own commands and the two that
// k8s/README.md adds.
func deploysByHand(t *testing.T, s *system) {
	file := func(name string) string { return filepath.Join("k8s", "local", name) }
	for range 2 {
		if out, err := s.try(t, "kubectl", "create", "namespace", namespace); err != nil && !strings.Contains(out, "AlreadyExists") {
			t.Fatal(out)
		}
		s.run(t, "kubectl", "apply", "-f", file("ai-model-version-crd.yaml"))
		s.run(t, "kubectl", "wait", "--for=condition=Established", "--timeout=60s", "-f", file("ai-model-version-crd.yaml"))
		s.run(t, "kubectl", "apply", "-f", file("deployment.yaml"), "-f", file("service.yaml"))
		s.run(t, "kubectl", "apply", "-n", namespace, "-f", file("ai-model-examples.yaml"))
		s.run(t, "kubectl", "apply", "-f", file("hpa-agents.yaml"))
	}
	s.run(t, "kubectl", "wait", "--for=condition=Available", "--timeout=180s", "-n", namespace, "deployment", "--all")
	s.script(t, "cleanup", "--yes")
	s.run(t, "kubectl", "delete", "namespace", namespace, "--timeout=120s") // made by hand, so it is not the script's to remove
}

// servesExamples waits for the four models, then asks each agent and has the script verify everything.
func servesExamples(t *testing.T, s *system) {
	for name, version := range examples() {
		eventually(t, 5*time.Minute, func(context.Context) string {
			var model suokev1.AIModel
			s.get(t, name, &model)
			if model.Status.Phase != suokev1.ModelReady || model.Status.StableVersion != version {
				return fmt.Sprintf("%s is %s at %q: %s", name, model.Status.Phase, model.Status.StableVersion, model.Status.Message)
			}
			return ""
		})
	}
	for _, registry := range []string{"suoke-model-registry"} {
		eventually(t, 2*time.Minute, func(context.Context) string {
			var object suokev1.ModelRegistry
			s.get(t, registry, &object)
			if !object.Status.Connected || object.Status.ModelCount != int32(len(examples())) {
				return fmt.Sprintf("%s: connected %t, %d models, %v", registry, object.Status.Connected, object.Status.ModelCount, object.Status.Errors)
			}
			return ""
		})
	}
	eventually(t, 2*time.Minute, func(context.Context) string {
		if out, err := s.try(t, "k8s/deploy-agents-autoscaling.sh", "verify", "--profile", "local"); err != nil {
			return out
		}
		return ""
	})
}

// showsMetrics waits until no HPA says <unknown>.
func showsMetrics(t *testing.T, s *system) {
	eventually(t, 3*time.Minute, func(context.Context) string {
		out := s.run(t, "kubectl", "get", "hpa", "-n", namespace)
		if strings.Contains(out, "<unknown>") || strings.Count(out, "-agent") < 4 {
			return out
		}
		return ""
	})
}

// cleansUp lets the script remove everything and looks for what stayed.
func cleansUp(t *testing.T, s *system) {
	s.script(t, "cleanup", "--yes")
	s.script(t, "cleanup", "--yes")
	for _, args := range [][]string{
		{"get", "namespace", namespace, "--ignore-not-found"},
		{"get", "crd", "-o", "name"},
		{"get", "apiservices", "-o", "name"},
		{"get", "clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/part-of=suoke", "-o", "name"},
		{"get", "rolebindings", "-n", "kube-system", "-l", "app.kubernetes.io/part-of=suoke", "-o", "name"},
	} {
		out := s.run(t, "kubectl", args...)
		for line := range strings.Lines(out) {
			if strings.Contains(line, "suoke") || strings.Contains(line, "custom.metrics") {
				t.Errorf("kubectl %s: %s stayed", strings.Join(args, " "), strings.TrimSpace(line))
			}
		}
	}
}
