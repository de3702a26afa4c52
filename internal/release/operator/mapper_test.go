package operator

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// countingMapper counts how often it is asked where a kind is served.
type countingMapper struct {
	meta.RESTMapper

	asked int
}

func (c *countingMapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	c.asked++
	return c.RESTMapper.RESTMapping(kind, versions...)
}

// TestWhereAKindIsServedIsAskedOnce, but again for one that was not found: it may be registered later.
func TestWhereAKindIsServedIsAskedOnce(t *testing.T) {
	t.Parallel()
	group := schema.GroupVersion{Group: "suoke.life", Version: "v1"}
	below := meta.NewDefaultRESTMapper([]schema.GroupVersion{group})
	counts := &countingMapper{RESTMapper: below}
	m := &mapper{RESTMapper: counts}
	kind := group.WithKind("AIModel")
	for range 2 {
		if _, err := m.RESTMapping(kind.GroupKind(), kind.Version); !meta.IsNoMatchError(err) {
			t.Fatalf("a kind that is not registered: %v", err)
		}
	}
	below.Add(kind, meta.RESTScopeNamespace)
	for range 3 {
		mapping, err := m.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil || mapping.GroupVersionKind != kind {
			t.Fatalf("%v, %v", mapping, err)
		}
	}
	if _, err := m.RESTMapping(kind.GroupKind()); err != nil {
		t.Errorf("any version: %v", err)
	}
	if counts.asked != 4 {
		t.Errorf("it is asked %d times, want twice before it is there, once then, and once for any version", counts.asked)
	}
}
