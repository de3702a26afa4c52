package scale_test

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

// rate of the requests of one model that a router counts, in one second.
const rate = 50

// routerAddresses are where routers listen, on one port.
var routerAddresses = []string{"127.0.0.1", "127.0.0.2"}

// routers are the played ones: they apply a route when they see it, and count requests as it says.
type routers struct {
	*world
	port int

	mu      sync.Mutex
	applied map[string]applied
	// idle is the version whose candidates are not asked before they are in trouble.
	idle    string
	trouble map[string]*trouble
	times   map[int64]map[int]int64
	// seed of what differs from second to second.
	seed maphash.Seed
}

// moment is a version's second.
type moment struct {
	id   string
	unix int64
}

// applied is a route as the routers saw it, and when.
type applied struct {
	route.Route
	at time.Time
}

// trouble is that a model's candidate fails all requests from a simulated second on.
type trouble struct {
	since int64
	// told is when a router first served a report with that second, by router.
	told map[string]time.Time
}

func newRouters(w *world) *routers {
	w.tb.Helper()
	r := &routers{world: w, applied: map[string]applied{}, trouble: map[string]*trouble{}, times: answerTimes(), seed: maphash.MakeSeed()}
	for i, address := range routerAddresses {
		listener, err := (&net.ListenConfig{}).Listen(w.tb.Context(), "tcp", net.JoinHostPort(address, strconv.Itoa(r.port)))
		if err != nil {
			w.tb.Fatal(err)
		}
		if tcp, ok := listener.Addr().(*net.TCPAddr); ok {
			r.port = tcp.Port
		}
		name := fmt.Sprintf("%s-%d", routerService, i)
		server := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) { r.report(name, out, req) })}
		go func() { _ = server.Serve(listener) }() // it ends when it is closed
		w.tb.Cleanup(func() { _ = server.Close() })
		labels := map[string]string{"app.kubernetes.io/name": routerService, "app.kubernetes.io/part-of": "suoke"}
		if err := w.runPod(w.tb.Context(), name, labels, nil, address); err != nil {
			w.tb.Fatal(err)
		}
	}
	return r
}

func (r *routers) see(object *corev1.ConfigMap, at time.Time) {
	parsed, err := route.Parse([]byte(object.Data[route.Key]))
	if err != nil {
		r.tb.Errorf("ConfigMap %s: %v", object.Name, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.applied[parsed.Model].Revision != parsed.Revision { // the same route is written again with what was judged since
		r.applied[parsed.Model] = applied{Route: parsed, at: at}
	}
}

// await waits until the routes of all models are so.
func (r *routers) await(what string, holds func(route.Route) bool) {
	r.tb.Helper()
	r.until(what, func() (bool, string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		n := 0
		for _, a := range r.applied {
			if holds(a.Route) {
				n++
			}
		}
		return n == r.models, fmt.Sprintf("%d of %d", n, r.models)
	})
}

// report is what a router answers.
func (r *routers) report(name string, out http.ResponseWriter, req *http.Request) {
	asked := req.URL.Query()
	now := r.clock.now().Unix()
	since, _ := strconv.ParseInt(asked.Get("since"), 10, 64) // none means all
	since = min(max(since, now-120), now)
	answer := route.Report{Router: name, Process: "1", Now: now, Models: map[string]route.ModelReport{}}
	r.mu.Lock()
	about := slices.Values(asked["model"])
	if !asked.Has("model") {
		about = maps.Keys(r.applied)
	}
	for model := range about {
		a, bad := r.applied[model], r.trouble[model]
		m := route.ModelReport{AppliedRevision: a.Revision}
		for unix := since + 1; unix < now; unix++ {
			m.Seconds = r.count(m.Seconds, a.Route, bad, unix)
		}
		if bad != nil && since < bad.since && bad.since < now && bad.told[name].IsZero() {
			bad.told[name] = time.Now()
		}
		answer.Models[model] = m
	}
	r.mu.Unlock()
	_ = json.NewEncoder(out).Encode(answer) // the operator may have given up
}

// count adds what a router counted of one model in one second: about as many requests, of which one of stable's fails now and then.
func (r *routers) count(to []route.Second, a route.Route, bad *trouble, unix int64) []route.Second {
	for _, v := range a.Versions {
		fails := v.ID == a.Candidate && bad != nil && unix >= bad.since
		n := int64(rate * v.Weight / 100)
		if n == 0 || v.ID == a.Candidate && v.Version == r.idle && !fails {
			continue
		}
		chance := maphash.Comparable(r.seed, moment{v.ID, unix})
		n -= min(n, int64(chance%4))
		s := route.Second{Unix: unix, ID: v.ID, Pod: podName(v.ID, 0), Requests: n, LatencySum: n * 2000, Latencies: r.times[n]}
		switch {
		case fails:
			s.Failures = n
		case v.ID != a.Candidate && chance%256 == 255:
			s.Failures = min(n, 1)
		}
		to = append(to, s)
	}
	return to
}

// answerTimes of every number of requests that a router counts in a second: around 2 ms, a few twice that.
func answerTimes() map[int64]map[int]int64 {
	all := map[int64]map[int]int64{}
	for n := range int64(rate + 1) {
		all[n] = map[int]int64{
			route.Bucket(2 * time.Millisecond): n - n/2 - n/5, route.Bucket(2100 * time.Microsecond): n / 2, route.Bucket(4 * time.Millisecond): n / 5,
		}
	}
	return all
}

// fail makes the candidates of models fail from the next simulated second on, and returns how long it took from the last
// router's report of that second to the route of each model that gives all to stable.
func (r *routers) fail(models []string) []time.Duration {
	r.tb.Helper()
	r.mu.Lock()
	from := r.clock.now().Unix() + 1
	for _, model := range models {
		r.trouble[model] = &trouble{since: from, told: map[string]time.Time{}}
	}
	r.mu.Unlock()
	r.until("everything to be returned to stable", func() (bool, string) {
		n := len(r.returned(models))
		return n == len(models), fmt.Sprintf("%d of %d", n, len(models))
	})
	return r.returned(models)
}

func (r *routers) returned(models []string) []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for _, model := range models {
		a, bad := r.applied[model], r.trouble[model]
		if a.Candidate != "" || len(bad.told) < len(routerAddresses) {
			continue
		}
		last := time.Time{}
		for at := range maps.Values(bad.told) {
			if at.After(last) {
				last = at
			}
		}
		all = append(all, a.at.Sub(last))
	}
	return all
}

// begin has candidates of that version idle until they fail, and forgets the trouble with others.
func (r *routers) begin(idle string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = idle
	clear(r.trouble)
}
