package crash_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestAnyWriteMeetsAConflict refuses each write in turn, as if somebody had written first.
func TestAnyWriteMeetsAConflict(t *testing.T) {
	breakStories(t, write, map[string]way{
		"conflict": refusing(apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "it", errors.New("somebody wrote first"))),
	})
}

// TestAnyCallFails lets each call in turn, reads included, time out or be answered by an error of the server.
func TestAnyCallFails(t *testing.T) {
	breakStories(t, call, map[string]way{
		"time-out": func(_ *life, req *http.Request) (*http.Response, error) { return nil, unsent(req, errTimeout) },
		"error":    refusing(apierrors.NewInternalError(errors.New("etcd has no leader"))),
	})
}

// refusing is a call that the API server answers by an error without carrying it out.
func refusing(why *apierrors.StatusError) way {
	return func(_ *life, req *http.Request) (*http.Response, error) {
		status := why.Status()
		status.Kind, status.APIVersion = "Status", "v1"
		text, err := json.Marshal(status)
		if err != nil {
			return nil, unsent(req, err)
		}
		_ = unsent(req, nil)
		return &http.Response{
			StatusCode: int(status.Code), Header: http.Header{"Content-Type": {"application/json"}},
			Body: io.NopCloser(bytes.NewReader(text)), Request: req,
		}, nil
	}
}
