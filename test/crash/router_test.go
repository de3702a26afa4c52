package crash_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

// load is the requests of each second.
const load = 400

// router is the one router of a namespace: it applies the route as soon as it sees it, and counts each second what its
// split makes of the load.
type router struct {
	space *space
	port  int

	mu      sync.Mutex
	split   route.Route
	counted []route.Second
	// until is the last second that was counted.
	until int64
}

func newRouter(t *testing.T, s *space) *router {
	t.Helper()
	r := &router{space: s, until: time.Now().Unix()}
	server := httptest.NewServer(http.HandlerFunc(r.report))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if r.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return r
}

// apply serves by a route from now on. One that is deleted is served on: the requests must go somewhere.
func (r *router) apply(object *corev1.ConfigMap, gone bool) {
	split, err := route.Parse([]byte(object.Data[route.Key]))
	if err != nil || gone {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(time.Now().Unix())
	r.split = split
}

// count closes the seconds before now.
func (r *router) count(now int64) {
	for ; r.until < now-1; r.until++ {
		for _, v := range r.split.Versions {
			n := int64(v.Weight) * load / 100
			if n == 0 {
				continue
			}
			failed := int64(0)
			if from := r.space.story.failsFrom; v.Version == "v2" && from > 0 && v.Weight >= from {
				failed = n * 4 / 5
			}
			r.counted = append(r.counted, route.Second{
				Unix: r.until + 1, ID: v.ID, Pod: v.ID + "-0", Requests: n, Failures: failed, LatencySum: n * 2000,
				Latencies: map[int]int64{route.Bucket(2 * time.Millisecond): n},
			})
		}
	}
}

func (r *router) report(w http.ResponseWriter, req *http.Request) {
	since, _ := strconv.ParseInt(req.URL.Query().Get("since"), 10, 64) // none is 0
	now := time.Now().Unix()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count(now)
	m := route.ModelReport{AppliedRevision: r.split.Revision, InFlight: map[string]int{}}
	for _, s := range r.counted {
		if s.Unix > since {
			m.Seconds = append(m.Seconds, s)
		}
	}
	_ = json.NewEncoder(w).Encode(route.Report{
		Router: "model-router-0", Process: "1", Now: now, Models: map[string]route.ModelReport{modelName: m},
	})
}
