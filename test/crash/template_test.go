package crash_test

import (
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

var served struct {
	once    sync.Once
	objects []client.Object
}

// v1Served is what stands once v1 was released, but for Pods. The first test to ask for it has it brought about.
func v1Served(t *testing.T) []client.Object {
	t.Helper()
	served.once.Do(func() {
		s := earth.tell(t, firstVersion)
		s.start(t, &process{name: "operator"})
		if !s.mustEnd(t) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, o := range s.objects {
			switch o := o.(type) {
			case *suokev1.AIModel, *suokev1.ModelVersion, *appsv1.Deployment, *appsv1.ControllerRevision, *corev1.Service:
				served.objects = append(served.objects, o)
			case *corev1.ConfigMap:
				if o.Labels[route.Label] != "" {
					served.objects = append(served.objects, o)
				}
			}
		}
	})
	if served.objects == nil {
		t.Fatal("v1 is not served")
	}
	return served.objects
}
