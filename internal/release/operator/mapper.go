package operator

import (
	"net/http"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// mapper remembers where kinds are served. A cache of one namespace asks that for every object and list that is read of it,
// and the mapper below works it out anew each time: with many models that was half of all that the operator allocated.
type mapper struct {
	meta.RESTMapper

	known sync.Map // by group, version and kind; where a version is served does not change
}

func newMapper(c *rest.Config, to *http.Client) (meta.RESTMapper, error) {
	below, err := apiutil.NewDynamicRESTMapper(c, to)
	return &mapper{RESTMapper: below}, err
}

// RESTMapping says where a kind is served.
func (m *mapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if len(versions) != 1 {
		return m.RESTMapper.RESTMapping(kind, versions...) //nolint:wrapcheck // it passes on what is asked
	}
	key := kind.WithVersion(versions[0])
	if found, is := m.known.Load(key); is {
		if mapping, is := found.(*meta.RESTMapping); is {
			return mapping, nil
		}
	}
	mapping, err := m.RESTMapper.RESTMapping(kind, versions...)
	if err == nil {
		m.known.Store(key, mapping)
	}
	return mapping, err //nolint:wrapcheck // it passes on what is asked
}
