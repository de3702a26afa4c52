package agent_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// row is the model's event for one row.
func row(probability float64) string {
	return fmt.Sprintf("data: {\"model_version\": \"v1\", \"outputs\": [{\"name\": \"probabilities\", \"shape\": [1,2], \"data\": [%v, %v]}]}\n\n", 1-probability, probability)
}

const (
	twoRows = `{"inputs": [[1, 2], [3, 4]]}`
	first   = `data: {"agent":"xiaoai","model":"m","version":"v1","outputs":[{"label":"high","index":1,"score":0.75}]}` + "\n\n"
	second  = `data: {"agent":"xiaoai","model":"m","version":"v1","outputs":[{"label":"low","index":0,"score":0.75}]}` + "\n\n"
	last    = "data: [DONE]\n\n"
)

// streams answers with events.
func streams(events ...string) http.HandlerFunc {
	return answers(http.StatusOK, strings.Join(events, ""), "Content-Type", "text/event-stream")
}

func (w *world) stream(body string) *httptest.ResponseRecorder {
	w.t.Helper()
	in := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/v1/infer", strings.NewReader(body))
	in.Header.Set("Accept", "text/event-stream")
	return w.answer(in)
}

func TestAStreamOfTypedAnswers(t *testing.T) {
	w := newWorld(t)
	w.infer = streams(row(0.75), ": a comment\n\n", row(0.25), last)
	res := w.stream(twoRows)
	if diff := cmp.Diff(first+second+last, res.Body.String()); res.Code != http.StatusOK || diff != "" {
		t.Errorf("%d (-want +got):\n%s", res.Code, diff)
	}
	if kind := res.Header().Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("Content-Type is %q", kind)
	}
	want := `POST /v2/models/m/infer_stream {"inputs":[{"name":"x","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}`
	if asked := w.asked[len(w.asked)-1]; asked != want {
		t.Errorf("the router was asked %s, want %s", asked, want)
	}
	w.wantCounted(1, map[int]int{200: 1})
}

func TestAStreamThatCannotBegin(t *testing.T) {
	for sentence, c := range map[string]struct {
		infer http.HandlerFunc
		body  string
		code  int
		want  string
	}{
		"a wrong request":                 {nil, `{"inputs": [[1]]}`, 400, "write 2 numbers"},
		"a model that sheds":              {answers(429, `{"error": "full"}`, "Retry-After", "1"), twoRows, 429, "full"},
		"a model that knows no streams":   {answers(200, `{"outputs": []}`), twoRows, 502, "leave out Accept: text/event-stream"},
		"a stream of nothing":             {streams(), twoRows, 502, "the connection to the model broke"},
		"a first event that is no answer": {streams("data: hello\n\n"), twoRows, 502, "no JSON of the Open Inference Protocol"},
		"a first event without an output": {streams("data: {}\n\n"), twoRows, 502, "neither"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.infer = c.infer
			res := w.stream(c.body)
			if res.Code != c.code || !strings.Contains(res.Body.String(), c.want) || !strings.Contains(res.Body.String(), `{"error":`) {
				t.Errorf("got %d %s, want %d with %q", res.Code, res.Body, c.code, c.want)
			}
			w.wantCounted(1, map[int]int{c.code: 1})
		})
	}
}

// front serves the agent on a socket, so that a connection can break.
func (w *world) front() string {
	s := httptest.NewServer(w.agent)
	w.t.Cleanup(s.Close)
	return s.URL
}

// open asks for a stream, and returns its body once its header has come.
func open(ctx context.Context, t *testing.T, url string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(twoRows))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

func TestAStreamThatBreaksOffBreaksTheConnection(t *testing.T) {
	for sentence, events := range map[string][]string{
		"it ends without saying so": {row(0.75)},
		"an event is no answer":     {row(0.75), "data: hello\n\n"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.infer = streams(events...)
			s := httptest.NewServer(w.agent)
			body := open(t.Context(), t, s.URL)
			text, err := io.ReadAll(body)
			if err == nil || string(text) != first {
				t.Errorf("got %q, %v; want the first event and a broken connection", text, err)
			}
			s.Close() // the request was counted
			w.wantCounted(1, map[int]int{502: 1})
		})
	}
}

func TestAStreamIsNotHeldBack(t *testing.T) {
	w, next := newWorld(t), make(chan string)
	left := make(chan struct{})
	w.infer = func(rw http.ResponseWriter, in *http.Request) {
		rw.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case event := <-next:
				_, _ = io.WriteString(rw, event)
				_ = http.NewResponseController(rw).Flush()
			case <-in.Context().Done():
				close(left)
				return
			}
		}
	}
	ctx, leave := context.WithCancel(t.Context())
	go func() { next <- row(0.75) }()
	body := open(ctx, t, w.front())
	for i, want := range []string{first, second} {
		if i > 0 {
			next <- row(0.25)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(body, got); err != nil || string(got) != want {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	leave()
	<-left // a client that leaves reaches the model
}

func TestASessionGoesToTheModel(t *testing.T) {
	for sentence, header := range map[string][2]string{"by header": {"X-Session-ID", "a"}, "by cookie": {"Cookie", "suoke-session=a"}} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			in := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/infer", strings.NewReader(twoRows))
			in.Header.Set(header[0], header[1])
			if res := w.answer(in); res.Code != http.StatusOK {
				t.Fatalf("%d %s", res.Code, res.Body)
			}
			w.ask(twoRows)
			if diff := cmp.Diff([]string{"a", "a", ""}, w.sessions); diff != "" {
				t.Errorf("sessions of the metadata, its request and one without (-want +got):\n%s", diff)
			}
		})
	}
}
