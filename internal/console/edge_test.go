package console_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/suoke-life/suoke/internal/console"
	"github.com/suoke-life/suoke/internal/traffic/balance"
)

// maxInFlight requests are let through here.
const maxInFlight = 64

// world is an edge before the Pods of two agents.
type world struct {
	t        *testing.T
	mux      *http.ServeMux
	registry *prometheus.Registry
	agents   map[string]*balance.Set
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, mux: http.NewServeMux(), registry: prometheus.NewRegistry(),
		agents: map[string]*balance.Set{"xiaoai": {}, "soer": {}},
	}
	console.NewEdge(w.agents, maxInFlight, w.registry).Routes(w.mux)
	return w
}

// serve puts Pods behind an agent; one that is nil refuses connections.
func (w *world) serve(agent string, pods ...http.HandlerFunc) {
	w.t.Helper()
	var addresses []balance.Address
	for i, pod := range pods {
		s := httptest.NewServer(pod)
		w.t.Cleanup(s.Close)
		if pod == nil {
			s.Close()
		}
		addresses = append(addresses, balance.Address{Pod: fmt.Sprintf("%s-%d", agent, i), Host: s.Listener.Addr().String()})
	}
	w.agents[agent].Update(addresses)
}

func (w *world) request(method, path string, body io.Reader, header ...string) *http.Request {
	in := httptest.NewRequestWithContext(w.t.Context(), method, path, body)
	for i := 0; i < len(header); i += 2 {
		in.Header.Set(header[i], header[i+1])
	}
	return in
}

func (w *world) answer(in *http.Request) *httptest.ResponseRecorder {
	res := httptest.NewRecorder()
	w.mux.ServeHTTP(res, in)
	return res
}

// wantRefused asks and compares the code and the sentence.
func (w *world) wantRefused(in *http.Request, code int, says string) *httptest.ResponseRecorder {
	w.t.Helper()
	res := w.answer(in)
	var refusal struct{ Error string }
	if err := json.Unmarshal(res.Body.Bytes(), &refusal); err != nil || res.Code != code || !strings.Contains(refusal.Error, says) {
		w.t.Errorf("%s %s: got %d %.200s, want %d with the sentence %q", in.Method, in.URL, res.Code, res.Body, code, says)
	}
	return res
}

func (w *world) wantCounted(agent string, byCode map[int]int) {
	w.t.Helper()
	var want strings.Builder
	want.WriteString("# HELP suoke_edge_requests_total Requests by agent and the code of their answer; 499: the client left.\n# TYPE suoke_edge_requests_total counter\n")
	for code, n := range byCode {
		fmt.Fprintf(&want, "suoke_edge_requests_total{agent=%q,code=\"%d\"} %d\n", agent, code, n)
	}
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want.String()), "suoke_edge_requests_total"); err != nil {
		w.t.Error(err)
	}
}

func TestARequestReachesItsAgentAsItIs(t *testing.T) {
	type seen struct {
		Method, Path, Query, Body string
		Header                    map[string]string
	}
	for sentence, c := range map[string]struct {
		method, path, body string
		header             []string
		want               seen
	}{
		"a case": {
			http.MethodPost, "/api/agents/xiaoai/v1/infer?trace=1", `{"inputs": [[1]]}`,
			[]string{"Content-Type", "application/json", "X-Request-Id", "7"},
			seen{"POST", "/v1/infer", "trace=1", `{"inputs": [[1]]}`, map[string]string{"Content-Type": "application/json", "X-Request-Id": "7"}},
		},
		"a session": {
			http.MethodPost, "/api/agents/xiaoai/v1/infer", `{}`,
			[]string{"X-Session-Id", "a", "Cookie", "suoke-session=b"},
			seen{"POST", "/v1/infer", "", `{}`, map[string]string{"X-Session-Id": "a", "Cookie": "suoke-session=b"}},
		},
		"nothing but a path": {
			http.MethodGet, "/api/agents/xiaoai/v1/models", "", nil, seen{"GET", "/v1/models", "", "", map[string]string{}},
		},
		"a POST of nothing": {
			http.MethodPost, "/api/agents/xiaoai/v1/infer", "", nil, seen{"POST", "/v1/infer", "", "", map[string]string{}},
		},
		"headers of the connection, and those that steer our own processes, are left out": {
			http.MethodPost, "/api/agents/xiaoai/v1/infer", "x",
			[]string{"Connection", "X-Hop", "X-Hop", "1", "Upgrade", "websocket", "X-Suoke-Retry", "never", "X-Suoke-Timeout", "1ms", "Accept", "text/plain"},
			seen{"POST", "/v1/infer", "", "x", map[string]string{"Accept": "text/plain"}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			var got seen
			w.serve("xiaoai", func(_ http.ResponseWriter, in *http.Request) {
				body, _ := io.ReadAll(in.Body)
				got = seen{in.Method, in.URL.Path, in.URL.RawQuery, string(body), map[string]string{}}
				if in.ContentLength != int64(len(body)) || len(in.TransferEncoding) > 0 {
					t.Errorf("a body of %d bytes was announced as %d %v", len(body), in.ContentLength, in.TransferEncoding)
				}
				for name := range in.Header {
					if name != "User-Agent" && name != "Content-Length" {
						got.Header[name] = in.Header.Get(name)
					}
				}
			})
			if res := w.answer(w.request(c.method, c.path, strings.NewReader(c.body), c.header...)); res.Code != 200 {
				t.Fatalf("got %d %s", res.Code, res.Body)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("the agent saw (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAnswerReachesTheClientAsItIs(t *testing.T) {
	w := newWorld(t)
	w.serve("xiaoai", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Retry-After", "1")
		rw.Header().Set("Connection", "close")
		rw.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(rw, `{"error": "later"}`)
	})
	res := w.answer(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("x")))
	if res.Code != 429 || res.Body.String() != `{"error": "later"}` {
		t.Errorf("got %d %s", res.Code, res.Body)
	}
	got := map[string]string{}
	for _, name := range []string{"Content-Type", "Retry-After", "Connection"} {
		got[name] = res.Header().Get(name)
	}
	if diff := cmp.Diff(map[string]string{"Content-Type": "application/json", "Retry-After": "1", "Connection": ""}, got); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	w.wantCounted("xiaoai", map[int]int{429: 1})
}

func TestWhereThereIsNothing(t *testing.T) {
	w := newWorld(t)
	w.wantRefused(w.request(http.MethodPost, "/api/agents/xiaowu/v1/infer", strings.NewReader("x")), 404, `there is no agent "xiaowu"; write one of soer, xiaoai`)
	w.wantRefused(w.request(http.MethodGet, "/api/models", http.NoBody), 404, "there is no /api/models; ask /api/agents/<agent>/v1/infer of one of soer, xiaoai")
	w.wantRefused(w.request(http.MethodPost, "/", http.NoBody), 404, "there is no /")
	w.serve("xiaoai", func(http.ResponseWriter, *http.Request) { t.Error("a path that is not public reached the agent") })
	for _, private := range []string{"metrics", "health", "v1", "v1/%2e%2e/metrics", "v1%2F..%2Fmetrics"} {
		w.wantRefused(w.request(http.MethodGet, "/api/agents/xiaoai/"+private, http.NoBody), 404, "ask /api/agents/xiaoai/v1/infer")
	}
	w.wantCounted("nobody", nil) // a name that a client made up is no label
}

func TestTheIndexSaysHowToAsk(t *testing.T) {
	w := newWorld(t)
	res := w.answer(w.request(http.MethodGet, "/", http.NoBody))
	for _, want := range []string{"soer, xiaoai", "http://example.com/api/agents/<agent>/v1/infer"} {
		if res.Code != 200 || !strings.Contains(res.Body.String(), want) {
			t.Errorf("got %d %s, want %s in it", res.Code, res.Body, want)
		}
	}
}

func TestWhatIsTooLarge(t *testing.T) {
	w := newWorld(t)
	asked := false
	w.serve("xiaoai", func(rw http.ResponseWriter, in *http.Request) {
		asked = true
		_, _ = io.Copy(io.Discard, in.Body)
		_, _ = io.WriteString(rw, strings.Repeat("x", 16<<20+1))
	})
	large := strings.Repeat("x", console.MaxBody+1)
	w.wantRefused(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader(large)), 413, "send at most 1048576 bytes")
	if asked {
		t.Error("a request that was refused reached the agent")
	}
	w.wantRefused(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader(large[1:])), 502, "the agent's answer is larger than 16777216 bytes")
	w.wantCounted("xiaoai", map[int]int{413: 1, 502: 1})
}

func TestABodyThatBreaksOffIsNotAnswered200(t *testing.T) {
	for sentence, c := range map[string]struct {
		err  error
		code int
	}{
		"the client left":        {io.ErrUnexpectedEOF, 499},
		"a body of wrong chunks": {errors.New("invalid byte in chunk length"), 400},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.serve("xiaoai", func(http.ResponseWriter, *http.Request) { t.Error("half a request reached the agent") })
			body := io.MultiReader(strings.NewReader("half"), errReader{c.err})
			w.wantRefused(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", body), c.code, "")
			w.wantCounted("xiaoai", map[int]int{c.code: 1})
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestWhenNoAgentAnswers(t *testing.T) {
	hangs := func(_ http.ResponseWriter, in *http.Request) { <-in.Context().Done() }
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	breaks := func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(rw, "half of it")
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	for sentence, c := range map[string]struct {
		pods []http.HandlerFunc
		ctx  context.Context //nolint:containedctx // one column of the table
		code int
		says string
	}{
		"no Pod is ready":               {nil, t.Context(), 503, "no Pod of xiaoai is ready; ask again in a moment"},
		"every Pod refuses":             {[]http.HandlerFunc{nil, nil}, t.Context(), 502, "the connection to xiaoai broke; ask again"},
		"the connection breaks":         {[]http.HandlerFunc{reset, reset}, t.Context(), 502, "the connection to xiaoai broke; ask again"},
		"the answer breaks off":         {[]http.HandlerFunc{breaks}, t.Context(), 502, "the connection to xiaoai broke; ask again"},
		"a client whose own time is up": {[]http.HandlerFunc{hangs}, late, 499, "the client left"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.serve("xiaoai", c.pods...)
			res := w.wantRefused(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("x")).WithContext(c.ctx), c.code, c.says)
			if got := res.Header().Get("Retry-After"); (got != "") != (c.code == 503) {
				t.Errorf("Retry-After %q", got)
			}
			w.wantCounted("xiaoai", map[int]int{c.code: 1})
		})
	}
}

func TestAClientThatLeavesIsCountedAsSuch(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	w.serve("xiaoai", func(_ http.ResponseWriter, in *http.Request) {
		_, _ = io.Copy(io.Discard, in.Body)
		leave()
		<-in.Context().Done() // and the agent learns of it
	})
	w.answer(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("x")).WithContext(ctx))
	w.wantCounted("xiaoai", map[int]int{499: 1})
}

func TestAPodThatIsGoneCostsNoRequest(t *testing.T) {
	w := newWorld(t)
	alive := func(rw http.ResponseWriter, in *http.Request) { _, _ = io.Copy(rw, in.Body) }
	w.serve("xiaoai", nil, alive, nil)
	for range 20 {
		if res := w.answer(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("hello"))); res.Code != 200 || res.Body.String() != "hello" {
			t.Fatalf("got %d %s", res.Code, res.Body)
		}
	}
	w.wantCounted("xiaoai", map[int]int{200: 20})
}

// TestAPodThatDiesCostsNoRequest: what an agent is asked changes nothing, so another may be asked too.
func TestAPodThatDiesCostsNoRequest(t *testing.T) {
	w := newWorld(t)
	dies := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	w.serve("xiaoai", dies, func(rw http.ResponseWriter, in *http.Request) { _, _ = io.Copy(rw, in.Body) })
	for range 8 {
		if res := w.answer(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("hello"))); res.Code != 200 || res.Body.String() != "hello" {
			t.Fatalf("got %d %s", res.Code, res.Body)
		}
	}
	w.wantCounted("xiaoai", map[int]int{200: 8})
}

// TestAPodThatRestartsCostsNoRequest asks while a Pod closes the connections that are kept to it, as one that drains does.
func TestAPodThatRestartsCostsNoRequest(t *testing.T) {
	w := newWorld(t)
	var closing atomic.Bool
	w.serve("xiaoai", func(rw http.ResponseWriter, in *http.Request) {
		_, _ = io.Copy(io.Discard, in.Body)
		if !closing.Swap(false) {
			return
		}
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}, func(_ http.ResponseWriter, in *http.Request) { _, _ = io.Copy(io.Discard, in.Body) })
	ask := func() int {
		return w.answer(w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("x"))).Code
	}
	for range 8 {
		ask() // connections to both are kept now
	}
	for range 10 {
		closing.Store(true)
		for closing.Load() {
			if code := ask(); code != 200 {
				t.Fatalf("a client got %d", code)
			}
		}
		ask()
	}
}

func TestManyAtOnce(t *testing.T) {
	w := newWorld(t)
	echo := func(rw http.ResponseWriter, in *http.Request) { _, _ = io.Copy(rw, in.Body) }
	w.serve("xiaoai", echo, echo)
	w.serve("soer", echo)
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			for n := range 20 {
				agent, body := []string{"xiaoai", "soer"}[n%2], fmt.Sprint(i, n)
				res := w.answer(w.request(http.MethodPost, "/api/agents/"+agent+"/v1/infer", strings.NewReader(body)))
				if res.Code != 200 || res.Body.String() != body {
					t.Errorf("asked %q, got %d %q", body, res.Code, res.Body)
				}
			}
		})
	}
	clients.Wait()
}

func TestMoreThanTheEdgeHoldsIsShed(t *testing.T) {
	w := newWorld(t)
	arrived, release := make(chan struct{}, maxInFlight), make(chan struct{})
	w.serve("xiaoai", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	ask := func() *http.Request {
		return w.request(http.MethodPost, "/api/agents/xiaoai/v1/infer", strings.NewReader("x"))
	}
	var clients sync.WaitGroup
	for range maxInFlight {
		clients.Go(func() { w.answer(ask()) })
	}
	for range maxInFlight {
		<-arrived
	}
	res := w.wantRefused(ask(), 429, "64 requests are under way; ask again in a second")
	if got := res.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After %q", got)
	}
	close(release)
	clients.Wait()
	if res := w.answer(ask()); res.Code != 200 {
		t.Errorf("once there is room: %d %s", res.Code, res.Body)
	}
	w.wantCounted("xiaoai", map[int]int{200: maxInFlight + 1, 429: 1})
}

func TestMetricsAreNotForThePublic(t *testing.T) {
	w := newWorld(t)
	w.mux.HandleFunc("GET /metrics", func(http.ResponseWriter, *http.Request) {})
	for sentence, c := range map[string]struct {
		path   string
		header []string
		code   int
	}{
		"Prometheus":               {"/metrics", nil, 200},
		"the API server's proxy":   {"/metrics", []string{"X-Forwarded-For", "10.0.0.1", "X-Forwarded-Uri", "/api/v1/namespaces/n/pods/p/proxy/metrics"}, 200},
		"the Ingress":              {"/metrics", []string{"X-Forwarded-For", "10.0.0.1", "X-Forwarded-Host", "suoke.life"}, 404},
		"an Ingress without hosts": {"/metrics", []string{"X-Forwarded-For", "10.0.0.1", "X-Forwarded-Proto", "https"}, 404},
		"the Ingress, for the API": {"/", []string{"X-Forwarded-Host", "suoke.life"}, 200},
	} {
		t.Run(sentence, func(t *testing.T) {
			res := httptest.NewRecorder()
			console.KeepMetrics(w.mux).ServeHTTP(res, w.request(http.MethodGet, c.path, http.NoBody, c.header...))
			if res.Code != c.code {
				t.Errorf("got %d %s, want %d", res.Code, res.Body, c.code)
			}
		})
	}
}
