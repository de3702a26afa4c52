package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	"github.com/suoke-life/suoke/internal/traffic/agent"
	"github.com/suoke-life/suoke/internal/traffic/balance"
)

const (
	counter = "ai_inference_requests_total"
	// maxInFlight requests are let through here.
	maxInFlight = 64
)

// past is a moment whose deadline has passed.
var past = time.Unix(1, 0)

// version is what one version of the model says of itself and answers.
type version struct {
	features, labels []string
	output           string
	// answers are the numbers of one row's answer.
	answers []float64
}

// world is an agent before a router that is played here.
type world struct {
	t        *testing.T
	agent    *agent.Agent
	registry *prometheus.Registry
	routers  *balance.Set
	// serving is the version that answers; versions are all that can be asked what they are.
	serving  atomic.Value
	versions map[string]version
	// infer, if not nil, answers in place of the version.
	infer http.HandlerFunc
	mu    sync.Mutex
	asked []string
	// sessions of the requests to the router.
	sessions []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, registry: prometheus.NewRegistry(), routers: &balance.Set{}, versions: map[string]version{
		"v1": {[]string{"age", "bmi"}, []string{"low", "high"}, "probabilities", []float64{0.25, 0.75}},
	}}
	w.serving.Store("v1")
	router := httptest.NewServer(http.HandlerFunc(w.route))
	t.Cleanup(router.Close)
	w.routers.Update([]balance.Address{{Pod: "router-0", Host: router.Listener.Addr().String()}})
	w.agent = agent.New(agent.Config{Name: "xiaoai", Model: "m", Counter: counter, Routers: w.routers, MaxInFlight: maxInFlight}, w.registry)
	return w
}

func (w *world) route(rw http.ResponseWriter, in *http.Request) {
	body, _ := io.ReadAll(in.Body)
	w.mu.Lock()
	w.asked = append(w.asked, strings.TrimSpace(in.Method+" "+in.URL.Path+" "+string(body)))
	w.sessions = append(w.sessions, in.Header.Get("X-Session-ID"))
	w.mu.Unlock()
	name, _ := w.serving.Load().(string)
	pinned, isPinned := strings.CutPrefix(in.URL.Path, "/v2/models/m/versions/")
	if isPinned {
		name = pinned
	}
	v, known := w.versions[name]
	switch {
	case strings.HasPrefix(in.URL.Path, "/v2/models/m/infer") && w.infer != nil:
		w.infer(rw, in)
	case in.URL.Path == "/v2/models/m/infer":
		var q struct{ Inputs []struct{ Shape []int } }
		if err := json.Unmarshal(body, &q); err != nil || len(q.Inputs) != 1 {
			http.Error(rw, "no question", http.StatusTeapot)
			return
		}
		var data []float64
		for range q.Inputs[0].Shape[0] {
			data = append(data, v.answers...)
		}
		reply(rw, map[string]any{"model_version": name, "outputs": []any{map[string]any{"name": v.output, "data": data}}})
	case !known:
		http.Error(rw, `{"error": "there is no such version"}`, http.StatusNotFound)
	default:
		reply(rw, map[string]any{
			"versions": []string{name}, "inputs": []any{map[string]any{"name": "x"}},
			"parameters": map[string]any{"features": v.features, "labels": v.labels},
		})
	}
}

func reply(w http.ResponseWriter, body any) { _ = json.NewEncoder(w).Encode(body) }

// answers with a code and a body.
func answers(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// ask returns the answer's code, and its body without the newline.
func (w *world) ask(body string) (int, string) {
	w.t.Helper()
	res := w.answer(httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/v1/infer", strings.NewReader(body)))
	return res.Code, strings.TrimSpace(res.Body.String())
}

func (w *world) answer(in *http.Request) *httptest.ResponseRecorder {
	res := httptest.NewRecorder()
	w.agent.ServeHTTP(res, in)
	return res
}

// wantCounted compares the counter that the HPA goes by, and the requests by the code of their answer.
func (w *world) wantCounted(taken int, byCode map[int]int) {
	w.t.Helper()
	var want strings.Builder
	fmt.Fprintf(&want, "# HELP %[1]s Requests that the agent took, whatever became of them.\n# TYPE %[1]s counter\n%[1]s %d\n", counter, taken)
	want.WriteString("# HELP suoke_agent_requests_total Requests by the code of their answer; 499: the client left.\n# TYPE suoke_agent_requests_total counter\n")
	for code, n := range byCode {
		fmt.Fprintf(&want, "suoke_agent_requests_total{agent=\"xiaoai\",code=\"%d\"} %d\n", code, n)
	}
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want.String()), counter, "suoke_agent_requests_total"); err != nil {
		w.t.Error(err)
	}
}

const (
	classified = `{"agent":"xiaoai","model":"m","version":"v1","outputs":[{"label":"high","index":1,"score":0.75}]}`
	regressed  = `{"agent":"xiaoai","model":"m","version":"v1","outputs":[{"value":151.2}]}`
)

func TestWhatAClientGets(t *testing.T) {
	regression := version{features: []string{"age", "bmi"}, output: "value", answers: []float64{151.2}}
	unnamed := version{output: "probabilities", answers: []float64{0.25, 0.75}}
	for sentence, c := range map[string]struct {
		version *version
		body    string
		want    string
	}{
		"one row":                          {nil, `{"inputs": [[52, 27.5]]}`, classified},
		"one case by name, in any order":   {nil, `{"inputs": {"bmi": 27.5, "age": 52}}`, classified},
		"fields that nobody asked for":     {nil, `{"inputs": [[52, 27.5]], "note": null}`, classified},
		"two rows":                         {nil, `{"inputs": [[1, 2], [3, 4]]}`, strings.Replace(classified, "]", `,{"label":"high","index":1,"score":0.75}]`, 1)},
		"a regression":                     {&regression, `{"inputs": [[52, 27.5]]}`, regressed},
		"a model that does not say more":   {&unnamed, `{"inputs": [[1, 2, 3]]}`, strings.Replace(classified, "high", "1", 1)},
		"a row of zeros by name is a case": {nil, `{"inputs": {"bmi": 0, "age": 0}}`, classified},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			if c.version != nil {
				w.versions["v1"] = *c.version
			}
			if code, body := w.ask(c.body); code != http.StatusOK || body != c.want {
				t.Errorf("got %d %s\nwant 200 %s", code, body, c.want)
			}
			w.wantCounted(1, map[int]int{200: 1})
		})
	}
}

func TestACaseByNameIsAskedInTheModelsOrder(t *testing.T) {
	w := newWorld(t)
	w.ask(`{"inputs": {"bmi": 27.5, "age": 52}}`)
	want := []string{
		"GET /v2/models/m",
		`POST /v2/models/m/infer {"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[52,27.5]}]}`,
	}
	if diff := cmp.Diff(want, w.asked); diff != "" {
		t.Errorf("the router was asked (-want +got):\n%s", diff)
	}
}

func TestAWrongRequestIsToldWhatToWrite(t *testing.T) {
	for sentence, c := range map[string]struct{ body, want string }{
		"no JSON":                    {`inputs`, `write JSON such as {"inputs": [[1, 2, 3]]}: invalid character`},
		"no body":                    {``, `write JSON such as`},
		"no object":                  {`[[1, 2]]`, `write {"inputs": [[1, 2, 3]]} with one row`},
		"null":                       {`null`, `write {"inputs": [[1, 2, 3]]} with one row`},
		"no inputs":                  {`{"rows": [[1, 2]]}`, `write {"inputs": [[1, 2, 3]]} with one row`},
		"inputs that are null":       {`{"inputs": null}`, "write at least one row"},
		"no rows":                    {`{"inputs": []}`, "write at least one row"},
		"no names":                   {`{"inputs": {}}`, "write at least one row"},
		"a number":                   {`{"inputs": 5}`, "write rows of numbers such as [[1, 2, 3]], or numbers by feature name"},
		"a row that is not in rows":  {`{"inputs": [1, 2]}`, "write rows of numbers such as [[1, 2, 3]], or numbers by feature name"},
		"a text among the numbers":   {`{"inputs": [["52", 27.5]]}`, "write numbers only; a value is of the type string"},
		"a text by name":             {`{"inputs": {"age": "52", "bmi": 1}}`, "write numbers only; a value is of the type string"},
		"null among the numbers":     {`{"inputs": [[null, 27.5]]}`, "write numbers only; a value is null"},
		"null by name":               {`{"inputs": {"age": null, "bmi": 1}}`, "write a number for each of age"},
		"a number beyond all bounds": {`{"inputs": [[1e999, 1]]}`, "number 1e999 is too large"},
		"too few numbers":            {`{"inputs": [[1]]}`, "inputs[0]: write 2 numbers, not 1 (age, bmi)"},
		"too many in the second row": {`{"inputs": [[1, 2], [1, 2, 3]]}`, "inputs[1]: write 2 numbers, not 3 (age, bmi)"},
		"an empty row":               {`{"inputs": [[]]}`, "inputs[0]: write 2 numbers, not 0 (age, bmi)"},
		"a feature that is missing":  {`{"inputs": {"age": 52}}`, "write a number for each of bmi"},
		"a feature there is not":     {`{"inputs": {"age": 52, "bmi": 1, "shoe": 43}}`, `the model has no feature \"shoe\" (age, bmi)`},
		"more rows than are allowed": {`{"inputs": [` + strings.Repeat("[1,2],", 1024) + `[1,2]]}`, "write at most 1024 rows at a time, not 1025"},
		"a body beyond the limit":    {`{"inputs": [[` + strings.Repeat("1,", agent.MaxBody/2) + `1]]}`, "send at most 1048576 bytes; split the rows over several requests"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			code, body := w.ask(c.body)
			var refusal struct{ Error string }
			if err := json.Unmarshal([]byte(body), &refusal); err != nil || refusal.Error == "" {
				t.Errorf("answered without a sentence: %s", body)
			}
			if code != http.StatusBadRequest || !strings.Contains(body, strings.ReplaceAll(c.want, `"inputs"`, `\"inputs\"`)) {
				t.Errorf("got %d %.200s\nwant 400 %s", code, body, c.want)
			}
			for _, asked := range w.asked {
				if strings.Contains(asked, "/infer") {
					t.Errorf("the model was asked a wrong request: %.100s", asked)
				}
			}
			w.wantCounted(1, map[int]int{400: 1})
		})
	}
}

func TestAModelThatNamesNoFeatures(t *testing.T) {
	w := newWorld(t)
	w.versions["v1"] = version{output: "value", answers: []float64{1}}
	for body, want := range map[string]string{
		`{"inputs": {"age": 52}}`:          "the model does not name its features; write rows of numbers",
		`{"inputs": [[]]}`:                 "inputs[0]: write at least one number",
		`{"inputs": [[1, 2], [3, 4], []]}`: "inputs[2]: write 2 numbers, not 0",
	} {
		if code, got := w.ask(body); code != http.StatusBadRequest || !strings.Contains(got, want) {
			t.Errorf("%s: got %d %s, want 400 %s", body, code, got, want)
		}
	}
}

func TestWhatBecomesOfTheModelsFailures(t *testing.T) {
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for sentence, c := range map[string]struct {
		infer      http.HandlerFunc
		code       int
		says       string
		retryAfter string
	}{
		"what the model finds wrong with the input": {answers(400, `{"error": "data[3] is beyond FP32"}`), 400, "data[3] is beyond FP32", ""},
		"a router whose queue is full":              {answers(429, `{"error": "m has 1000 requests under way"}`, "Retry-After", "1"), 429, "m has 1000 requests under way", "1"},
		"no Pod of the model":                       {answers(503, `{"error": "no Pod of m is ready"}`), 503, "no Pod of m is ready", ""},
		"a deadline that passed":                    {answers(504, `{"error": "the model did not answer before the deadline"}`), 504, "the model did not answer before the deadline", ""},
		"a model that breaks":                       {answers(500, `{"error": "out of bounds"}`), 502, "out of bounds", ""},
		"a model without a route":                   {answers(404, `{"error": "no model \"m\" has a route"}`), 502, "has a route", ""},
		"an error that is no JSON":                  {answers(500, "<html>"), 502, "the model answered 500", ""},
		"an answer that is no JSON":                 {answers(200, "<html>"), 502, "no JSON of the Open Inference Protocol", ""},
		"an answer without numbers":                 {answers(200, `{"model_version": "v1", "outputs": [{"name": "value", "data": []}]}`), 502, "the model gave 0 numbers for 1 rows", ""},
		"an answer of another kind":                 {answers(200, `{"model_version": "v1", "outputs": [{"name": "logits", "data": [1]}]}`), 502, `neither \"probabilities\" nor \"value\"`, ""},
		"an answer larger than is read":             {answers(200, strings.Repeat(" ", 8<<20+1)), 502, "larger than 8388608 bytes; send fewer rows", ""},
		"a connection that breaks":                  {reset, 502, "the connection to the model broke", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.infer = c.infer
			res := w.answer(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/infer", strings.NewReader(`{"inputs": [[52, 27.5]]}`)))
			if body := res.Body.String(); res.Code != c.code || !strings.Contains(body, c.says) {
				t.Errorf("got %d %s, want %d %s", res.Code, body, c.code, c.says)
			}
			if got := res.Header().Get("Retry-After"); got != c.retryAfter {
				t.Errorf("Retry-After %q, want %q", got, c.retryAfter)
			}
			w.wantCounted(1, map[int]int{c.code: 1})
		})
	}
}

func TestNoRouterIsReady(t *testing.T) {
	w := newWorld(t)
	w.routers.Update(nil)
	code, body := w.ask(`{"inputs": [[52, 27.5]]}`)
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "no router is ready") {
		t.Errorf("got %d %s", code, body)
	}
	w.wantCounted(1, map[int]int{503: 1})
}

func TestARouterThatDiesCostsNoRequest(t *testing.T) {
	w := newWorld(t)
	dying := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer dying.Close()
	living := httptest.NewServer(http.HandlerFunc(w.route))
	defer living.Close()
	w.routers.Update([]balance.Address{{Pod: "router-0", Host: dying.Listener.Addr().String()}, {Pod: "router-1", Host: living.Listener.Addr().String()}})
	for range 8 {
		if code, body := w.ask(`{"inputs": [[52, 27.5]]}`); code != http.StatusOK {
			t.Fatalf("got %d %s", code, body)
		}
	}
}

func TestARouterThatDoesNotAnswerInTime(t *testing.T) {
	w := newWorld(t)
	w.infer = func(_ http.ResponseWriter, in *http.Request) { <-in.Context().Done() }
	w.ask(`{"inputs": [[1]]}`) // the agent knows the model now
	ctx, cancel := context.WithDeadline(t.Context(), past)
	defer cancel()
	in := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/infer", strings.NewReader(`{"inputs": [[52, 27.5]]}`))
	if res := w.answer(in); res.Code != http.StatusGatewayTimeout || !strings.Contains(res.Body.String(), "did not answer in time") {
		t.Errorf("got %d %s", res.Code, res.Body)
	}
}

func TestAClientThatLeavesIsCountedAsSuch(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancel(t.Context())
	w.infer = func(_ http.ResponseWriter, in *http.Request) {
		leave()
		<-in.Context().Done()
	}
	in := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/infer", strings.NewReader(`{"inputs": [[52, 27.5]]}`))
	if res := w.answer(in); res.Code != 499 {
		t.Errorf("a client that left would have got %d", res.Code)
	}
	w.wantCounted(1, map[int]int{499: 1})
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
			body := io.MultiReader(strings.NewReader(`{"inputs": `), errReader{c.err})
			if res := w.answer(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/infer", body)); res.Code != c.code {
				t.Errorf("got %d %s, want %d", res.Code, res.Body, c.code)
			}
			w.wantCounted(1, map[int]int{c.code: 1})
		})
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

func TestTheVersionThatAnsweredIsReadByItsOwnLabels(t *testing.T) {
	w := newWorld(t)
	w.versions["v2"] = version{[]string{"age", "bmi"}, []string{"small", "large"}, "probabilities", []float64{0.9, 0.1}}
	w.ask(`{"inputs": [[52, 27.5]]}`)
	w.serving.Store("v2")
	want := `{"agent":"xiaoai","model":"m","version":"v2","outputs":[{"label":"small","index":0,"score":0.9}]}`
	if code, body := w.ask(`{"inputs": [[52, 27.5]]}`); code != 200 || body != want {
		t.Errorf("got %d %s\nwant 200 %s", code, body, want)
	}
	w.mu.Lock()
	before := len(w.asked)
	w.mu.Unlock()
	w.ask(`{"inputs": [[52, 27.5]]}`)
	if diff := cmp.Diff(1, len(w.asked)-before); diff != "" {
		t.Errorf("a version that is known was asked what it is again: %v", w.asked[before:])
	}
}

func TestAVersionThatHasGoneIsReadWithoutLabels(t *testing.T) {
	w := newWorld(t)
	w.infer = answers(200, `{"model_version": "v0", "outputs": [{"name": "probabilities", "data": [0.1, 0.9]}]}`)
	want := `{"agent":"xiaoai","model":"m","version":"v0","outputs":[{"label":"1","index":1,"score":0.9}]}`
	for _, request := range []string{`{"inputs": [[52, 27.5]]}`, `{"inputs": {"age": 52, "bmi": 27.5}}`} {
		if code, body := w.ask(request); code != 200 || body != want {
			t.Errorf("%s: got %d %s\nwant 200 %s", request, code, body, want)
		}
	}
}

func TestAVersionWithOtherFeatures(t *testing.T) {
	w := newWorld(t)
	w.versions["v2"] = version{[]string{"bmi", "age", "sex"}, []string{"low", "high"}, "probabilities", []float64{0.25, 0.75}}
	w.ask(`{"inputs": [[52, 27.5]]}`)
	w.serving.Store("v2")
	if code, body := w.ask(`{"inputs": [[52, 27.5]]}`); code != 200 {
		t.Fatalf("the played model takes any row, and answered %d %s", code, body)
	}
	// What is remembered is v2's now.
	w.serving.Store("v1")
	if code, body := w.ask(`{"inputs": [[52, 27.5]]}`); code != 200 {
		t.Errorf("a request as the version that serves again wants it: %d %s", code, body)
	}
	w.serving.Store("v2")
	if code, body := w.ask(`{"inputs": [[27.5, 52, 1]]}`); code != 200 {
		t.Errorf("a request as the version that serves wants it: %d %s", code, body)
	}
	if code, body := w.ask(`{"inputs": [[27.5]]}`); code != 400 || !strings.Contains(body, "write 3 numbers, not 1 (bmi, age, sex)") {
		t.Errorf("a wrong one is told what the version that serves wants: %d %s", code, body)
	}
}

func TestANamedCaseIsNotAnsweredInAnotherVersionsOrder(t *testing.T) {
	w := newWorld(t)
	w.versions["v2"] = version{[]string{"bmi", "age"}, []string{"low", "high"}, "probabilities", []float64{0.25, 0.75}}
	w.ask(`{"inputs": [[52, 27.5]]}`)
	w.serving.Store("v2")
	code, body := w.ask(`{"inputs": {"age": 52, "bmi": 27.5}}`)
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "the model is changing its features; ask again") {
		t.Errorf("numbers in v1's order were answered by v2: %d %s", code, body)
	}
	if code, body := w.ask(`{"inputs": {"age": 52, "bmi": 27.5}}`); code != 200 {
		t.Errorf("asked again: %d %s", code, body)
	}
}

func TestManyAtOnceWhileVersionsChange(t *testing.T) {
	w := newWorld(t)
	for i := range 20 {
		w.versions[fmt.Sprintf("v%d", i)] = w.versions["v1"]
	}
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() {
			for n := range 20 {
				w.serving.Store(fmt.Sprintf("v%d", (i+n)%20))
				if code, body := w.ask(`{"inputs": [[52, 27.5]]}`); code != 200 || !strings.Contains(body, `"label":"high"`) {
					t.Errorf("got %d %s", code, body)
				}
			}
		})
	}
	clients.Wait()
	w.wantCounted(160, map[int]int{200: 160})
}

func TestMoreThanAnAgentHoldsIsShedAndCounted(t *testing.T) {
	w := newWorld(t)
	arrived, release := make(chan struct{}, maxInFlight), make(chan struct{})
	w.infer = func(rw http.ResponseWriter, in *http.Request) {
		arrived <- struct{}{}
		<-release
		answers(http.StatusServiceUnavailable, `{"error": "later"}`)(rw, in)
	}
	const body = `{"inputs": [[1, 2]]}`
	var clients sync.WaitGroup
	for range maxInFlight {
		clients.Go(func() { w.ask(body) })
	}
	for range maxInFlight {
		<-arrived
	}
	res := w.answer(httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/infer", strings.NewReader(body)))
	if says := "xiaoai has 64 requests under way; ask again in a second"; res.Code != 429 || res.Header().Get("Retry-After") != "1" || !strings.Contains(res.Body.String(), says) {
		t.Errorf("got %d %s, Retry-After %q", res.Code, res.Body, res.Header().Get("Retry-After"))
	}
	close(release)
	clients.Wait()
	if code, _ := w.ask(body); code != 503 {
		t.Errorf("once there is room: %d", code)
	}
	w.wantCounted(maxInFlight+2, map[int]int{503: maxInFlight + 1, 429: 1})
}
