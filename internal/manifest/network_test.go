package manifest_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/suoke-life/suoke/internal/manifest"
)

// A policy that lets in Pods which nobody makes keeps out those that it was written for.
func TestPoliciesNameComponentsThatThereAre(t *testing.T) {
	const label = "app.kubernetes.io/component"
	for size := range committed() {
		made := map[string]bool{}
		for _, d := range deployments(t, size) {
			made[d.Spec.Template.Labels[label]] = true
		}
		version := aVersion(t)
		made[version.Deployment("n", new(int32(1))).Spec.Template.Labels[label]] = true
		made[version.Job("n", manifest.Evaluation{}).Spec.Template.Labels[label]] = true
		for _, object := range kind(t, size, manifest.DeploymentFile, "NetworkPolicy") {
			var policy networkingv1.NetworkPolicy
			convert(t, object, &policy)
			selectors := []map[string]string{policy.Spec.PodSelector.MatchLabels}
			for _, rule := range policy.Spec.Ingress {
				for _, from := range rule.From {
					if from.PodSelector != nil {
						selectors = append(selectors, from.PodSelector.MatchLabels)
					}
				}
			}
			for _, labels := range selectors {
				if component, named := labels[label]; named && !made[component] {
					t.Errorf("%s: NetworkPolicy %s names the component %s, which no Pod is", size, policy.Name, component)
				}
			}
		}
	}
}
