package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// fetchesWithCredentials lets Pods fetch a model with a Secret: one that is missing is waited for, and another one takes its
// place under load, Pod by Pod and without a release. The registry asks nobody who they are; that the Secret is there and can be
// read is what Pods do not start without.
func fetchesWithCredentials(t *testing.T, p *play) {
	access := func(name string) *corev1.Secret {
		return &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: p.model.Name + "-" + name, Namespace: namespace, Labels: map[string]string{"suoke.life/model": p.model.Name}},
			StringData: map[string]string{"username": "suoke", "password": "no secret"},
		}
	}
	t.Cleanup(func() {
		p.run(t, "kubectl", "delete", "secrets", "-n", namespace, "-l", "suoke.life/model="+p.model.Name, "--ignore-not-found")
	})
	first, second := access("first"), access("second")
	p.model.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: first.Name}
	p.model.Spec.Version = "v1"
	p.describe(t, "v1")
	p.create(t, p.model)
	p.await(t, "reason", "a Secret that is missing", func(v view) bool { return v.reason == suokev1.ReasonSecretNotFound })
	p.create(t, first)
	p.await(t, "stable", "v1 serves", func(v view) bool { return v.stable == "v1" && v.reason == suokev1.ReasonPromoted })
	p.ask(t, p.calm)

	p.create(t, second)
	p.edit(t, func(spec *suokev1.AIModelSpec) { spec.Repository.SecretRef.Name = second.Name })
	eventually(t, 2*time.Minute, func(ctx context.Context) string {
		pods := p.ready(ctx, t, client.MatchingLabels{"suoke.life/version": p.id("v1")})
		for _, pod := range pods {
			for _, volume := range pod.Spec.Volumes {
				if volume.Secret != nil && volume.Secret.SecretName == second.Name && len(pods) == 1 {
					return ""
				}
			}
		}
		return fmt.Sprintf("%d Pods are ready, and not one with the second Secret alone", len(pods))
	})
	var model suokev1.AIModel
	p.get(t, p.model.Name, &model)
	if c := meta.FindStatusCondition(model.Status.Conditions, suokev1.ConditionReady); c == nil || c.Status != metav1.ConditionTrue {
		t.Errorf("the model is %+v", model.Status)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.state.Attempts["v1"]; n != 1 {
		t.Errorf("v1 was released %d times", n)
	}
}
