package router_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/internal/traffic/router"
)

const (
	stable    = "m-1"
	candidate = "m-2"
	inferPath = "/v2/models/m/infer"
)

// world is a router before the Pods of a stable version and a candidate.
type world struct {
	t       testing.TB
	router  *router.Router
	metrics *prometheus.Registry
	url     string
	// reports so far; each tells of a second more.
	reports time.Duration
	mu      sync.Mutex
	pods    map[string]*balance.Set
}

func newWorld(t *testing.T, change ...func(*router.Config)) *world {
	t.Helper()
	w := &world{t: t, metrics: prometheus.NewRegistry(), pods: map[string]*balance.Set{}}
	config := router.Config{
		Name:        "router-0",
		Namespace:   "suoke-life",
		Pods:        func(id string, _ int) *balance.Set { return w.set(id) },
		Forget:      func(id string, _ int) { w.mu.Lock(); defer w.mu.Unlock(); delete(w.pods, id) },
		MaxInFlight: 100,
		MaxBuffered: 64 << 20,
	}
	for _, c := range change {
		c(&config)
	}
	w.router = router.New(config, w.metrics)
	front := httptest.NewServer(w.router)
	t.Cleanup(front.Close)
	w.url = front.URL
	return w
}

func (w *world) set(id string) *balance.Set {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods[id] == nil {
		w.pods[id] = &balance.Set{}
	}
	return w.pods[id]
}

// serve puts Pods behind a version.
func (w *world) serve(id string, pods ...http.HandlerFunc) {
	w.t.Helper()
	var addresses []balance.Address
	for i, pod := range pods {
		s := httptest.NewServer(pod)
		w.t.Cleanup(s.Close)
		if pod == nil {
			s.Close()
		}
		addresses = append(addresses, balance.Address{Pod: fmt.Sprintf("%s-pod-%d", id, i), Host: s.Listener.Addr().String()})
	}
	w.set(id).Update(addresses)
}

// split applies a route with this much weight on the candidate.
func (w *world) split(weight int, change ...func(*route.Route)) {
	w.t.Helper()
	r := route.Route{Model: "m", Revision: 7, Stable: stable, Candidate: candidate, Versions: []route.Version{
		{ID: stable, Version: "v1", Weight: 100 - weight, Port: 1, MayReask: true},
		{ID: candidate, Version: "v2", Weight: weight, Port: 1, MayReask: true},
	}}
	for _, c := range change {
		c(&r)
	}
	if err := r.Validate(); err != nil {
		w.t.Fatal(err)
	}
	w.router.Apply(r)
}

// got is what a client sees of an answer.
type got struct {
	Code                   int
	Version, Pod, Reasked  string
	Body                   string
	RetryAfter, BodyBroken bool
}

func (w *world) ask(method, path, body string, header ...string) got {
	w.t.Helper()
	return w.askWith(w.t.Context(), method, path, strings.NewReader(body), header...)
}

func (w *world) askWith(ctx context.Context, method, path string, body io.Reader, header ...string) got {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return got{BodyBroken: true}
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return got{
		Code: res.StatusCode, Version: res.Header.Get("X-Suoke-Version"), Pod: res.Header.Get("X-Suoke-Pod"),
		Reasked: res.Header.Get("X-Suoke-Reasked"), Body: string(data),
		RetryAfter: res.Header.Get("Retry-After") != "", BodyBroken: err != nil,
	}
}

// counts sums what the router reports, by version; the second under way is reported as if it were over.
func (w *world) counts() map[string]route.Second {
	sums := map[string]route.Second{}
	w.reports++
	for _, s := range w.router.Report(time.Now().Add(w.reports*time.Second), 0).Models["m"].Seconds {
		sum := sums[s.ID]
		sum.Requests += s.Requests
		sum.Failures += s.Failures
		sum.Reasked += s.Reasked
		sum.RepeatRequests += s.RepeatRequests
		sum.RepeatFailures += s.RepeatFailures
		sum.Mirrored += s.Mirrored
		sum.Disagreed += s.Disagreed
		sums[s.ID] = sum
	}
	return sums
}

func (w *world) wantCounts(want map[string]route.Second) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.counts()); diff != "" {
		w.t.Errorf("report (-want +got):\n%s", diff)
	}
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s", text, body)
	}
}

func code(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
}

func hangs(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// resets breaks the connection, after part of an answer or before any.
func resets(part string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if part != "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(part)+100))
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func TestAFailingCandidateIsNotSeen(t *testing.T) {
	for sentence, c := range map[string]struct {
		pod    http.HandlerFunc
		header []string
	}{
		"a server error":                        {code(500), nil},
		"a server that is not there":            {code(503), nil},
		"a refused connection":                  {nil, nil},
		"a reset before the answer":             {resets(""), nil},
		"a reset in the middle of the answer":   {resets("half of it"), nil},
		"no answer within half of the deadline": {hangs, []string{"X-Suoke-Timeout", "2s"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.serve(stable, says("stable"))
			w.serve(candidate, c.pod)
			w.split(100)
			want := got{Code: 200, Version: "v1", Pod: "m-1-pod-0", Reasked: "v2", Body: "stable hello"}
			if diff := cmp.Diff(want, w.ask(http.MethodPost, inferPath, "hello", c.header...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			w.wantCounts(map[string]route.Second{
				candidate: {Requests: 1, Failures: 1, Reasked: 1}, stable: {Requests: 1},
			})
		})
	}
}

func TestWhatIsPassedOnAsItIs(t *testing.T) {
	never := []string{"X-Suoke-Retry", "never"}
	unsafe := func(r *route.Route) { r.Versions[1].MayReask = false }
	large := strings.Repeat("x", 1<<20+1)
	for sentence, c := range map[string]struct {
		stable, candidate http.HandlerFunc
		body              io.Reader
		header            []string
		change            func(*route.Route)
		want              got
		counts            map[string]route.Second
	}{
		"a client's own error is no failure": {
			candidate: code(400), body: strings.NewReader("x"),
			want:   got{Code: 400, Version: "v2", Pod: "m-2-pod-0", Body: "no\n"},
			counts: map[string]route.Second{candidate: {Requests: 1}},
		},
		"a failure that the client does not want repeated": {
			candidate: code(500), body: strings.NewReader("x"), header: never,
			want:   got{Code: 500, Version: "v2", Pod: "m-2-pod-0", Body: "no\n"},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
		"a failure of a runtime that may not be re-asked": {
			candidate: code(500), body: strings.NewReader("x"), change: unsafe,
			want:   got{Code: 500, Version: "v2", Pod: "m-2-pod-0", Body: "no\n"},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
		"a failure on a body that is too large to keep": {
			candidate: code(500), body: strings.NewReader(large),
			want:   got{Code: 500, Version: "v2", Pod: "m-2-pod-0", Body: "no\n"},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
		"the same of unknown length": {
			candidate: code(500), body: io.MultiReader(strings.NewReader(large)),
			want:   got{Code: 500, Version: "v2", Pod: "m-2-pod-0", Body: "no\n"},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
		"stable's failure after the candidate's": {
			stable: code(500), candidate: code(503), body: strings.NewReader("x"),
			want:   got{Code: 500, Version: "v1", Pod: "m-1-pod-0", Reasked: "v2", Body: "no\n"},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1, Reasked: 1}, stable: {Requests: 1, Failures: 1}},
		},
		"an answer that breaks off, where nobody is left to ask": {
			candidate: resets("half of it"), body: strings.NewReader("x"), header: never,
			want:   got{Code: 200, Version: "v2", Pod: "m-2-pod-0", Body: "half of it", BodyBroken: true},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
		"a passed deadline": {
			candidate: hangs, body: strings.NewReader("x"), header: append(never, "X-Suoke-Timeout", "50ms"),
			want:   got{Code: 504, Body: `{"error":"the model did not answer before the deadline"}` + "\n"},
			counts: map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			if c.stable == nil {
				c.stable = says("stable")
			}
			w.serve(stable, c.stable)
			w.serve(candidate, c.candidate)
			if c.change == nil {
				c.change = func(*route.Route) {}
			}
			w.split(100, c.change)
			if diff := cmp.Diff(c.want, w.askWith(t.Context(), http.MethodPost, inferPath, c.body, c.header...)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			w.wantCounts(c.counts)
		})
	}
}

func TestHalfOfACandidatesAnswersFail(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	n := 0
	w.serve(stable, says("stable"), says("stable"))
	w.serve(candidate, func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n++
		fail := n%2 == 0
		mu.Unlock()
		if fail {
			code(500)(rw, r)
			return
		}
		says("candidate")(rw, r)
	})
	w.split(20)
	for range 500 {
		if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 200 {
			t.Fatalf("a client saw %+v", a)
		}
	}
	w.wantCounts(map[string]route.Second{
		candidate: {Requests: 100, Failures: 50, Reasked: 50}, stable: {Requests: 450},
	})
}

func TestAVersionWithoutPodsGetsNothing(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.split(100)
	if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 200 || a.Version != "v1" || a.Reasked != "" {
		t.Errorf("with no Pod of the candidate: %+v, want stable's answer", a)
	}
	w.serve(stable)
	if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 503 {
		t.Errorf("with no Pod at all: %+v, want 503", a)
	}
}

func TestARefusingPodIsPassedOver(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, nil, says("stable"))
	w.split(0)
	for range 20 {
		if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 200 || a.Pod != "m-1-pod-1" {
			t.Fatalf("got %+v, want the answer of the Pod that listens", a)
		}
	}
	if failures := w.counts()[stable].Failures; failures != 1 {
		t.Errorf("%d refused connections, want one: the Pod should have rested afterwards", failures)
	}
}

func TestAClientThatLeavesIsNoFailure(t *testing.T) {
	w := newWorld(t)
	arrived, left := make(chan struct{}), make(chan struct{})
	w.serve(stable, says("stable"))
	w.serve(candidate, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(left)
	})
	w.split(100)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	w.askWith(ctx, http.MethodPost, inferPath, strings.NewReader("x"))
	<-left
	w.idle()
	w.wantCounts(map[string]route.Second{})
}

func TestMoreThanTheQueueHoldsIsShed(t *testing.T) {
	w := newWorld(t, func(c *router.Config) { c.MaxInFlight = 1 })
	arrived, release := make(chan struct{}), make(chan struct{})
	w.serve(stable, func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		says("stable")(rw, r)
	})
	w.split(0)
	first := make(chan got)
	go func() { first <- w.ask(http.MethodPost, inferPath, "x") }()
	<-arrived
	if inFlight := w.router.Report(time.Now(), 0, "m").Models["m"].InFlight[stable]; inFlight != 1 {
		t.Errorf("%d requests reported in flight, want 1", inFlight)
	}
	if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 429 || !a.RetryAfter {
		t.Errorf("got %+v, want 429 with Retry-After", a)
	}
	close(release)
	if a := <-first; a.Code != 200 {
		t.Errorf("the first request got %+v", a)
	}
	w.wantCounts(map[string]route.Second{stable: {Requests: 1}})
}

func TestReaskingStaysWithinItsBudget(t *testing.T) {
	const most = 32 // of one Pod of stable
	w := newWorld(t)
	arrived, release := make(chan struct{}, most), make(chan struct{})
	w.serve(stable, func(rw http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		says("stable")(rw, r)
	})
	w.serve(candidate, code(500))
	w.split(100)
	codes := make(chan int, most)
	for range most {
		go func() { codes <- w.ask(http.MethodPost, inferPath, "x").Code }()
	}
	for range most {
		<-arrived
	}
	if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 500 || a.Version != "v2" {
		t.Errorf("beyond the budget: %+v, want the candidate's own failure", a)
	}
	close(release)
	for range most {
		if c := <-codes; c != 200 {
			t.Errorf("within the budget: %d", c)
		}
	}
}

func TestPaths(t *testing.T) {
	path := func(rw http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(rw, r.Method, " ", r.URL.RequestURI())
	}
	w := newWorld(t)
	w.serve(stable, path)
	w.serve(candidate, path)
	w.split(0)
	for _, c := range []struct {
		method, path, body string
		code               int
		version, want      string
	}{
		{"POST", "/v2/models/m/infer", "x", 200, "v1", "POST /v2/models/m/infer"},
		{"POST", "/v2/models/m/infer?a=b", "x", 200, "v1", "POST /v2/models/m/infer?a=b"},
		{"GET", "/v2/models/m", "", 200, "v1", "GET /v2/models/m"},
		{"GET", "/v2/models/m/ready", "", 200, "v1", "GET /v2/models/m/ready"},
		{"GET", "/v2/models/m/versions/v2", "", 200, "v2", "GET /v2/models/m/versions/v2"},
		{"GET", "/v2/models/m/versions/v2/ready", "", 200, "v2", "GET /v2/models/m/versions/v2/ready"},
		{"GET", "/v2/models/m/versions/v3", "", 404, "", ""},
		{"POST", "/v2/models/m/infer_stream", "x", 200, "v1", "POST /v2/models/m/infer_stream"},
		{"POST", "/v2/models/m/versions/v2/infer_stream", "x", 400, "", ""},
		{"GET", "/v2/models/m/infer_stream", "", 405, "", ""},
		{"POST", "/v2/models/m/versions/v2/infer", "x", 400, "", ""},
		{"POST", "/v2/models/other/infer", "x", 404, "", ""},
		{"GET", "/v2/models/m/infer", "", 405, "", ""},
		{"POST", "/v2/models/m", "x", 405, "", ""},
		{"GET", "/v2/models/m/secret", "", 404, "", ""},
		{"GET", "/v2/models/", "", 404, "", ""},
		{"GET", "/", "", 404, "", ""},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := w.ask(c.method, c.path, c.body)
			if a.Code != c.code || a.Version != c.version || c.want != "" && a.Body != c.want {
				t.Errorf("got %+v, want %d of %q saying %q", a, c.code, c.version, c.want)
			}
			var refusal struct{ Error string }
			if c.code != 200 && (json.Unmarshal([]byte(a.Body), &refusal) != nil || refusal.Error == "") {
				t.Errorf("refused without a sentence: %q", a.Body)
			}
		})
	}
	w.wantCounts(map[string]route.Second{stable: {Requests: 3}})
}

func TestBadHeadersAndBodies(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.split(0)
	if a := w.ask(http.MethodPost, inferPath, "x", "X-Suoke-Timeout", "soon"); a.Code != 400 || !strings.Contains(a.Body, "500ms") {
		t.Errorf("a timeout that is none: %+v", a)
	}
	large := bytes.Repeat([]byte("x"), router.MaxBody+1)
	if a := w.askWith(t.Context(), http.MethodPost, inferPath, bytes.NewReader(large)); a.Code != 413 {
		t.Errorf("a body beyond the limit: %d", a.Code)
	}
	if a := w.askWith(t.Context(), http.MethodPost, inferPath, io.MultiReader(bytes.NewReader(large))); a.Code != 413 {
		t.Errorf("a body of unknown length beyond the limit: %d", a.Code)
	}
	w.wantCounts(map[string]route.Second{})
	whole := strings.Repeat("y", 2<<20)
	if a := w.askWith(t.Context(), http.MethodPost, inferPath, io.MultiReader(strings.NewReader(whole))); a.Body != "stable "+whole {
		t.Errorf("a streamed body of 2 MiB came back as %d bytes", len(a.Body))
	}
}

func TestAModelThatIsRemovedIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.split(0)
	w.router.Remove("m")
	if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 404 {
		t.Errorf("got %+v, want 404", a)
	}
	if len(w.pods) != 0 {
		t.Errorf("the endpoints of %d versions were kept", len(w.pods))
	}
}

func TestManyAtOnceWhileTheRouteChanges(t *testing.T) {
	w := newWorld(t, func(c *router.Config) { c.MaxInFlight = 1000 })
	w.serve(stable, says("stable"), says("stable"))
	w.serve(candidate, says("candidate"), resets(""))
	w.split(0)
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for range 50 {
				if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 200 {
					t.Errorf("a client saw %+v", a)
				}
			}
		})
	}
	for i := range 50 {
		w.split(i*37%101, func(r *route.Route) { r.Revision = int64(i + 10) })
	}
	clients.Wait()
	report := w.router.Report(time.Now(), 0).Models["m"]
	if report.AppliedRevision != 59 || report.InFlight[stable] != 0 || report.InFlight[candidate] != 0 {
		t.Errorf("at the end: %+v", report)
	}
}

// TestBodiesKeepApart asks with large bodies at once, of Pods that fail and break off, while a mirror asks too: memory
// that one request has given back another one writes.
func TestBodiesKeepApart(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"), says("stable"))
	var asked atomic.Int64
	w.serve(candidate, func(rw http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) % 4 {
		case 0:
			code(500)(rw, r)
		case 1:
			resets("half of it")(rw, r)
		default:
			body, _ := io.ReadAll(r.Body)
			rw.Header().Set("Content-Length", strconv.Itoa(len("candidate ")+len(body)))
			_, _ = fmt.Fprintf(rw, "candidate %s", body)
		}
	})
	w.split(50, func(r *route.Route) { r.Versions[1].ShadowPercentage = 50 })
	var clients sync.WaitGroup
	for client := range 8 {
		clients.Go(func() {
			for n, length := range []int{5_000, 40_000, 66_000, 300_000, 1 << 20, 64 << 10, 5_000} {
				body := strings.Repeat(fmt.Sprintf("%d of %d, ", n, client), length/8)[:length]
				a := w.ask(http.MethodPost, inferPath, body)
				if version, echoed, _ := strings.Cut(a.Body, " "); a.Code != 200 || echoed != body {
					t.Errorf("%d bytes: %d of %s, and not the same bytes", length, a.Code, version)
				}
			}
		})
	}
	clients.Wait()
}
