package router_test

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	streamPath = "/v2/models/m/infer_stream"
	event      = "data: x\n\n"
)

// events sends an event for each value of next, until it is closed or the client has left.
func events(next <-chan struct{}, left chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case _, more := <-next:
				if !more {
					return
				}
			case <-r.Context().Done():
				if left != nil {
					close(left)
				}
				return
			}
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// open asks for a stream, and returns its body once its header has come.
func (w *world) open(ctx context.Context, header ...string) io.Reader {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+streamPath, strings.NewReader("x"))
	if err != nil {
		w.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

func wantEvent(t *testing.T, from io.Reader) {
	t.Helper()
	got := make([]byte, len(event))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != event {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestAStreamIsNotHeldBack(t *testing.T) {
	for sentence, weight := range map[string]int{"of stable": 0, "of a shielded candidate": 100} {
		t.Run(sentence, func(t *testing.T) {
			w, next := newWorld(t), make(chan struct{})
			w.serve(stable, events(next, nil))
			w.serve(candidate, events(next, nil))
			w.split(weight)
			go func() { next <- struct{}{} }()
			body := w.open(t.Context())
			wantEvent(t, body)
			for range 3 {
				next <- struct{}{}
				wantEvent(t, body)
			}
			close(next)
			if rest, err := io.ReadAll(body); err != nil || len(rest) != 0 {
				t.Errorf("at the end: %q, %v", rest, err)
			}
		})
	}
}

func TestAStreamOutlastsTheDeadlineOfItsFirstByte(t *testing.T) {
	w, next := newWorld(t), make(chan struct{})
	w.serve(stable, events(next, nil))
	w.split(0)
	go func() { next <- struct{}{} }()
	const allowed = 500 * time.Millisecond
	began := time.Now()
	body := w.open(t.Context(), "X-Suoke-Timeout", allowed.String())
	for time.Since(began) < 2*allowed {
		wantEvent(t, body)
		next <- struct{}{}
	}
	wantEvent(t, body)
	close(next)
	if _, err := io.ReadAll(body); err != nil {
		t.Error(err)
	}
}

func TestACandidatesStreamIsShieldedUntilItsFirstByte(t *testing.T) {
	breaks := func(events int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			resets(strings.Repeat(event, events))(w, r)
		}
	}
	silent := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		hangs(w, r)
	}
	for sentence, c := range map[string]struct {
		pod    http.HandlerFunc
		want   got
		counts map[string]route.Second
	}{
		"it breaks before": {
			breaks(0),
			got{Code: 200, Version: "v1", Pod: "m-1-pod-0", Reasked: "v2", Body: event},
			map[string]route.Second{candidate: {Requests: 1, Failures: 1, Reasked: 1}, stable: {Requests: 1}},
		},
		"it says nothing": {
			silent,
			got{Code: 200, Version: "v1", Pod: "m-1-pod-0", Reasked: "v2", Body: event},
			map[string]route.Second{candidate: {Requests: 1, Failures: 1, Reasked: 1}, stable: {Requests: 1}},
		},
		"it breaks after": {
			breaks(1),
			got{Code: 200, Version: "v2", Pod: "m-2-pod-0", Body: event, BodyBroken: true},
			map[string]route.Second{candidate: {Requests: 1, Failures: 1}},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.serve(stable, func(rw http.ResponseWriter, _ *http.Request) {
				rw.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(rw, event)
			})
			w.serve(candidate, c.pod)
			w.split(100)
			if diff := cmp.Diff(c.want, w.ask(http.MethodPost, streamPath, "x", "X-Suoke-Timeout", "2s")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			w.idle()
			w.wantCounts(c.counts)
		})
	}
}

func TestAClientThatLeavesAStreamReachesTheModel(t *testing.T) {
	for sentence, weight := range map[string]int{"stable": 0, "a candidate": 100} {
		t.Run(sentence, func(t *testing.T) {
			w, next, left := newWorld(t), make(chan struct{}), make(chan struct{})
			w.serve(stable, events(next, left))
			w.serve(candidate, events(next, left))
			w.split(weight)
			go func() { next <- struct{}{} }()
			ctx, cancel := context.WithCancel(t.Context())
			body := w.open(ctx)
			wantEvent(t, body)
			cancel()
			<-left
			w.idle()
			w.wantCounts(map[string]route.Second{})
		})
	}
}

// idle waits until nothing is under way.
func (w *world) idle() {
	w.t.Helper()
	for {
		inFlight := w.router.Report(time.Now(), 0).Models["m"].InFlight
		if inFlight[stable] == 0 && inFlight[candidate] == 0 {
			return
		}
		if err := w.t.Context().Err(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestTheTimeOfAStreamIsThatOfItsFirstByte(t *testing.T) {
	w, next := newWorld(t), make(chan struct{})
	w.serve(stable, events(next, nil))
	w.split(0)
	go func() { next <- struct{}{} }()
	began := time.Now()
	body := w.open(t.Context())
	wantEvent(t, body)
	first := time.Since(began)
	for time.Since(began) < 2*first+20*time.Millisecond {
		next <- struct{}{}
		wantEvent(t, body)
	}
	close(next)
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	w.idle()
	seconds := w.router.Report(time.Now().Add(time.Second), 0).Models["m"].Seconds
	if len(seconds) != 1 || seconds[0].LatencySum > first.Microseconds()+1 || seconds[0].LatencySum == 0 {
		t.Errorf("reported %+v, want at most %v", seconds, first)
	}
}

// openAI asks as clients of language models do.
func (w *world) openAI(path, host, body string) got {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return got{Code: res.StatusCode, Version: res.Header.Get("X-Suoke-Version"), Body: string(data), BodyBroken: err != nil}
}

func TestLanguageModels(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, func(rw http.ResponseWriter, r *http.Request) {
		// A server of net/http that answers before it has read everything stops reading.
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(rw, r.URL.Path+" "+string(body))
	})
	w.split(0)
	large := `{"model": "m", "prompt": "` + strings.Repeat("x", 1<<20) + `"}`
	for sentence, c := range map[string]struct {
		path, host, body string
		code             int
		want             string
	}{
		"a chat":                          {"/v1/chat/completions", "", `{"model": "m", "messages": []}`, 200, `/v1/chat/completions {"model": "m", "messages": []}`},
		"a completion":                    {"/v1/completions", "", `{"model":"m"}`, 200, `/v1/completions {"model":"m"}`},
		"an embedding":                    {"/v1/embeddings", "", `{"model":"m"}`, 200, `/v1/embeddings {"model":"m"}`},
		"the model by its Service's name": {"/v1/completions", "m.suoke-life.svc:8080", `{"model":"whatever"}`, 200, `/v1/completions {"model":"whatever"}`},
		"the same in full":                {"/v1/completions", "m.suoke-life.svc.cluster.local", `{}`, 200, `/v1/completions {}`},
		"a large body by host":            {"/v1/completions", "m.suoke-life.svc", large, 200, "/v1/completions " + large},
		"a large body":                    {"/v1/completions", "", large, 413, "<model>.suoke-life.svc"},
		"a host of another namespace":     {"/v1/completions", "m.default.svc", `{}`, 400, "names the model"},
		"no model":                        {"/v1/completions", "", `{"prompt": "x"}`, 400, "names the model"},
		"no JSON":                         {"/v1/completions", "", `model=m`, 400, "names the model"},
		"a model without a route":         {"/v1/completions", "", `{"model":"n"}`, 404, "no model"},
		"a path that is not spoken":       {"/v1/models", "", `{"model":"m"}`, 404, "/v1/chat/completions"},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := w.openAI(c.path, c.host, c.body)
			if a.Code != c.code || c.code == 200 && a.Body != c.want || !strings.Contains(a.Body, c.want) {
				t.Errorf("got %d %.200q, want %d %.200q", a.Code, a.Body, c.code, c.want)
			}
		})
	}
	w.wantCounts(map[string]route.Second{stable: {Requests: 6}})
}

func TestAChatThatStreams(t *testing.T) {
	w, next := newWorld(t), make(chan struct{})
	w.serve(stable, events(next, nil))
	w.split(0)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/v1/chat/completions", strings.NewReader(`{"model": "m", "stream": true}`))
	if err != nil {
		t.Fatal(err)
	}
	go func() { next <- struct{}{} }()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	wantEvent(t, res.Body)
	next <- struct{}{}
	wantEvent(t, res.Body)
	close(next)
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("at the end: %q, %v", rest, err)
	}
}

func TestASessionStaysAtItsVersion(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.serve(candidate, says("candidate"))
	at := func(session string) string {
		byHeader := w.ask(http.MethodPost, inferPath, "x", "X-Session-ID", session).Version
		byCookie := w.ask(http.MethodPost, inferPath, "x", "Cookie", "suoke-session="+session).Version
		if byHeader != byCookie {
			t.Fatalf("session %s is at %s by header and at %s by cookie", session, byHeader, byCookie)
		}
		return byHeader
	}
	names := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	var reached []string
	for _, weight := range []int{0, 30, 60, 100, 0} {
		w.split(weight)
		var there []string
		for _, session := range names {
			if at(session) == "v2" {
				there = append(there, session)
			}
		}
		for _, session := range reached {
			if weight > 0 && !slices.Contains(there, session) {
				t.Errorf("session %s left the candidate as the weight rose to %d", session, weight)
			}
		}
		if weight == 0 && there != nil || weight == 100 && len(there) != len(names) {
			t.Errorf("at weight %d the candidate has %v", weight, there)
		}
		reached = there
	}
}

func TestOneClientThatAlwaysFailsIsCountedOnce(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.serve(candidate, code(500))
	w.split(100)
	for range 3 {
		w.ask(http.MethodPost, inferPath, "x", "X-Session-ID", "a")
	}
	w.ask(http.MethodPost, inferPath, "x", "X-Session-ID", "b")
	w.ask(http.MethodPost, inferPath, "x")
	w.wantCounts(map[string]route.Second{
		candidate: {Requests: 5, Failures: 5, Reasked: 5, RepeatRequests: 2, RepeatFailures: 2}, stable: {Requests: 5},
	})
	w.split(100, func(r *route.Route) { r.Revision = 8 })
	w.ask(http.MethodPost, inferPath, "x", "X-Session-ID", "a")
	w.wantCounts(map[string]route.Second{
		candidate: {Requests: 6, Failures: 6, Reasked: 6, RepeatRequests: 3, RepeatFailures: 3}, stable: {Requests: 6},
	})
	w.split(100, func(r *route.Route) { r.Candidate, r.Revision = "", 9 })
	w.split(100, func(r *route.Route) { r.Revision = 10 })
	w.ask(http.MethodPost, inferPath, "x", "X-Session-ID", "a")
	w.wantCounts(map[string]route.Second{
		candidate: {Requests: 7, Failures: 7, Reasked: 7, RepeatRequests: 3, RepeatFailures: 3}, stable: {Requests: 7},
	})
}

// shadowed is a world whose candidate is asked all that stable answers.
func shadowed(t *testing.T, stables, candidates http.HandlerFunc) *world {
	t.Helper()
	w := newWorld(t)
	w.serve(stable, stables)
	w.serve(candidate, candidates)
	w.split(0, func(r *route.Route) { r.Versions[1].ShadowPercentage = 100 })
	return w
}

// wantMirrored waits for the mirrors under way, and compares what the candidate's Pod was counted.
func (w *world) wantMirrored(mirrored, disagreed int64) {
	w.t.Helper()
	w.idle()
	if diff := cmp.Diff(route.Second{Mirrored: mirrored, Disagreed: disagreed}, w.counts()[candidate]); diff != "" {
		w.t.Errorf("the candidate's counts (-want +got):\n%s", diff)
	}
}

func TestAMirrorIsComparedAndNeverSeen(t *testing.T) {
	answer := func(data string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"outputs": [{"name": "value", "shape": [1,1], "data": [`+data+`]}]}`)
		}
	}
	for sentence, c := range map[string]struct {
		candidate http.HandlerFunc
		disagreed int64
	}{
		"the same answer":     {answer("1.001"), 0},
		"another answer":      {answer("2"), 1},
		"a failure":           {code(500), 1},
		"a broken connection": {resets(""), 1},
		"no connection":       {nil, 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := shadowed(t, answer("1"), c.candidate)
			a := w.ask(http.MethodPost, inferPath, "x", "X-Session-ID", "a")
			if a.Code != 200 || a.Version != "v1" || a.Reasked != "" {
				t.Errorf("the client got %+v", a)
			}
			w.wantMirrored(1, c.disagreed)
			w.idle()
			if s := w.counts()[stable]; s.Requests != 1 || s.Failures != 0 || s.Mirrored != 0 {
				t.Errorf("stable's counts: %+v", s)
			}
		})
	}
}

func TestTheMirrorIsAskedTheSame(t *testing.T) {
	asked := make(chan string, 1)
	w := shadowed(t, says("stable"), func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.Method + " " + r.URL.RequestURI() + " " + r.Header.Get("X-Own") + " " + string(body)
		_, _ = io.WriteString(rw, "stable hello")
	})
	w.ask(http.MethodPost, inferPath+"?a=b", "hello", "X-Own", "7")
	if got, want := <-asked, "POST /v2/models/m/infer?a=b 7 hello"; got != want {
		t.Errorf("the candidate was asked %q, want %q", got, want)
	}
	w.wantMirrored(1, 0)
}

func TestAMirrorDoesNotDelayTheAnswer(t *testing.T) {
	release := make(chan struct{})
	const most = 8 // at one Pod
	w := shadowed(t, says("stable"), func(rw http.ResponseWriter, r *http.Request) {
		<-release
		says("stable")(rw, r)
	})
	for range most + 3 {
		if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 200 || a.Version != "v1" {
			t.Fatalf("the client got %+v", a)
		}
	}
	if c := w.counts()[candidate]; c.Mirrored != 0 {
		t.Errorf("compared before the candidate answered: %+v", c)
	}
	close(release)
	w.wantMirrored(most, 0)
	w.idle()
	w.ask(http.MethodPost, inferPath, "x")
	w.wantMirrored(most+1, 0)
}

func TestWhatIsNotMirrored(t *testing.T) {
	for sentence, c := range map[string]struct {
		stable http.HandlerFunc
		ask    func(w *world)
		change func(*route.Route)
	}{
		"a failure of stable":            {stable: code(500)},
		"an answer that breaks off":      {stable: resets("half")},
		"an answer too large to compare": {stable: says(strings.Repeat("x", 256<<10))},
		"a stream":                       {ask: func(w *world) { w.ask(http.MethodPost, streamPath, "x") }},
		"an answer that turns out to be one": {stable: func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(rw, event)
		}},
		"metadata":                              {ask: func(w *world) { w.ask(http.MethodGet, "/v2/models/m", "") }},
		"a body too large to keep":              {ask: func(w *world) { w.ask(http.MethodPost, inferPath, strings.Repeat("x", 1<<20+1)) }},
		"what the client forbids to repeat":     {ask: func(w *world) { w.ask(http.MethodPost, inferPath, "x", "X-Suoke-Retry", "never") }},
		"a runtime that may not be asked twice": {change: func(r *route.Route) { r.Versions[1].MayReask = false }},
		"nothing is shadowed":                   {change: func(r *route.Route) { r.Versions[1].ShadowPercentage = 0 }},
		"no candidate":                          {change: func(r *route.Route) { r.Candidate = "" }},
		"the candidate's own answers": {change: func(r *route.Route) {
			r.Versions[0].Weight, r.Versions[1].Weight = 0, 100
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if c.stable == nil {
				c.stable = says("stable")
			}
			w := shadowed(t, c.stable, says("candidate"))
			if c.change != nil {
				w.split(0, func(r *route.Route) {
					r.Versions[1].ShadowPercentage = 100
					c.change(r)
				})
			}
			if c.ask == nil {
				c.ask = func(w *world) { w.ask(http.MethodPost, inferPath, "x") }
			}
			c.ask(w)
			w.idle()
			if m := w.counts()[candidate].Mirrored; m != 0 {
				t.Errorf("%d answers were compared", m)
			}
		})
	}
}

func TestTheRouteSaysHowManyAreMirrored(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.serve(candidate, says("stable"))
	w.split(0, func(r *route.Route) { r.Versions[1].ShadowPercentage = 30 })
	const asked = 400
	for range asked {
		if a := w.ask(http.MethodPost, inferPath, "x"); a.Code != 200 {
			t.Fatalf("the client got %+v", a)
		}
		w.idle()
	}
	// 30 % of 400 is 120, with a standard deviation of 9.2.
	if c := w.counts()[candidate]; c.Mirrored < 60 || c.Mirrored > 180 || c.Disagreed != 0 {
		t.Errorf("%+v, want about 120 mirrored", c)
	}
}
