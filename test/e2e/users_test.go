package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// answersTheUsersFile applies a file like the user's own in place of our examples. Each object gets a sane answer: the
// API server's, or the condition Accepted.
func answersTheUsersFile(t *testing.T, s *system) {
	s.run(t, "kubectl", "delete", "aimodels,modelversions,modelregistries", "--all", "-n", namespace, "--timeout=60s")
	out, err := s.try(t, "kubectl", "apply", "-f", "test/e2e/testdata/users-examples.yaml")
	const half = "GPUs are whole, request = limit"
	if err == nil || !strings.Contains(out, half) || strings.Count(out, "created") != 6 {
		t.Errorf("half a GPU must be refused with %q, and all others created:\n%s", half, out)
	}
	for _, c := range []struct {
		object client.Object
		name   string
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		{&suokev1.AIModel{}, "xiaoai-llm-model", metav1.ConditionFalse, suokev1.ReasonSourceNotSupported, "git"},
		{&suokev1.AIModel{}, "xiaoke-health-analysis", metav1.ConditionFalse, suokev1.ReasonSourceNotSupported, "suoke model push"},
		{&suokev1.AIModel{}, "soer-wellness-recommender", metav1.ConditionFalse, suokev1.ReasonSourceNotSupported, "oci://"},
		{&suokev1.ModelVersion{}, "xiaoai-llm-v2-1-0", metav1.ConditionTrue, suokev1.ReasonAccepted, ""},
		{&suokev1.ModelRegistry{}, "suoke-model-registry", metav1.ConditionFalse, suokev1.ReasonInvalid, "s3 is not supported yet"},
		{&suokev1.ModelRegistry{}, "huggingface-registry", metav1.ConditionFalse, suokev1.ReasonSourceNotSupported, "OCI registries"},
	} {
		t.Run(c.name, func(t *testing.T) {
			eventually(t, time.Minute, func(context.Context) string {
				s.get(t, c.name, c.object)
				accepted := meta.FindStatusCondition(conditions(c.object), suokev1.ConditionAccepted)
				if accepted == nil || accepted.Status != c.status || accepted.Reason != c.reason || !strings.Contains(accepted.Message, c.says) {
					return fmt.Sprintf("Accepted is %+v, want %s, %s, saying %q", accepted, c.status, c.reason, c.says)
				}
				return ""
			})
		})
	}
}

func conditions(object client.Object) []metav1.Condition {
	switch o := object.(type) {
	case *suokev1.AIModel:
		return o.Status.Conditions
	case *suokev1.ModelVersion:
		return o.Status.Conditions
	case *suokev1.ModelRegistry:
		return o.Status.Conditions
	}
	return nil
}
