package evaluate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/model/serving"
)

// engine computes each row by itself.
type engine struct {
	output   serving.Tensor
	features int
	row      func(x []float32) ([]float32, error)
	asked    *atomic.Int32
}

func (e engine) Input() serving.Tensor {
	return serving.Tensor{Name: "input", Datatype: "FP32", Shape: []int64{-1, int64(e.features)}}
}

func (e engine) Output() serving.Tensor { return e.output }

func (e engine) Infer(_ context.Context, batch serving.Batch) ([]float32, error) {
	var out []float32
	for i := range batch.Rows {
		if e.asked != nil {
			e.asked.Add(1)
		}
		answer, err := e.row(batch.Values[i*e.features : (i+1)*e.features])
		if err != nil {
			return nil, err
		}
		out = append(out, answer...)
	}
	return out, nil
}

// model is a version of the model "m" and what it answers.
type model struct {
	version  string
	manifest serving.Manifest
	row      func(x []float32) ([]float32, error)
	asked    atomic.Int32
}

func (m *model) server(t *testing.T) *serving.Server {
	t.Helper()
	output := serving.Tensor{Name: m.manifest.Output(), Datatype: "FP32", Shape: []int64{-1, -1}}
	s, err := serving.New(
		serving.Model{Name: "m", Version: m.version, Manifest: m.manifest},
		engine{output: output, features: len(m.manifest.Features), row: m.row, asked: &m.asked}, serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve answers over HTTP on loopback and returns the endpoint.
func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

// larger says which of two features is the larger one, as one of three labels; the third is never given.
func larger() *model {
	return &model{version: "v2", manifest: serving.Manifest{
		Task: "classification", Features: []string{"a", "b"}, Labels: []string{"a", "b", "neither"},
	}, row: func(x []float32) ([]float32, error) {
		switch {
		case x[0] > x[1]:
			return []float32{.6, .4, 0}, nil
		case x[0] == x[1]:
			return []float32{.5, .5, 0}, nil
		}
		return []float32{.4, .6, 0}, nil
	}}
}

// always says b, whichever is larger; it takes the features in another order.
func always() *model {
	return &model{version: "v1", manifest: serving.Manifest{
		Task: "classification", Features: []string{"b", "a"}, Labels: []string{"a", "b", "neither"},
	}, row: func([]float32) ([]float32, error) { return []float32{0, 1, 0}, nil }}
}

func difference(version string, features []string, off float32) *model {
	sign := float32(1)
	if features[0] == "b" {
		sign = -1
	}
	return &model{
		version: version, manifest: serving.Manifest{Task: "regression", Features: features},
		row: func(x []float32) ([]float32, error) { return []float32{sign*(x[0]-x[1]) + off}, nil },
	}
}

// protocolOf is the one protocol that a task is evaluated over.
func protocolOf(task evaluate.Task) evaluate.Protocol {
	if task == evaluate.Language {
		return evaluate.OpenAI
	}
	return evaluate.OIP
}

// heard is what an evaluation logged.
type heard struct{ bytes.Buffer }

func config(t *testing.T, task evaluate.Task, endpoint, table string) (evaluate.Config, *heard) {
	t.Helper()
	log := &heard{}
	return evaluate.Config{
		Endpoint: endpoint, Model: "m", Task: task, Protocol: protocolOf(task), Rows: strings.NewReader(table),
		Log: slog.New(slog.NewTextHandler(io.MultiWriter(log, t.Output()), nil)),
	}, log
}

func TestAClassificationIsMeasuredByFeatureNames(t *testing.T) {
	m := larger()
	// The answers are right on five rows of six, the last by the first of two equals; a column that is no feature does not matter.
	table := "\uFEFFb,note, label ,a\n1,0,0,2\n3,0,1, 2.5 \n1,0,0,2e0\n7,0,1,-5\n1,0,1.0,2\n4,0,0,4\n"
	c, log := config(t, evaluate.Classification, serve(t, m.server(t)), table)
	r, err := evaluate.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	metrics, intervals, err := evaluate.Classes([]int{0, 1, 0, 1, 1, 0}, []int{0, 1, 0, 1, 0, 0}, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := evaluate.Result{Task: evaluate.Classification, Version: "v2", Rows: 6, Metrics: metrics, Intervals: intervals}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(log.String(), "msg=asked rows=6 of=6") {
		t.Errorf("no progress in the log:\n%s", log)
	}
}

func TestVersionsAreComparedOnTheSameRows(t *testing.T) {
	t.Run("a classification", func(t *testing.T) {
		c, _ := config(t, evaluate.Classification, serve(t, larger().server(t)), "a,b,label\n"+strings.Repeat("2,1,0\n", 6)+"1,2,1\n3,1,1\n3,2,2\n")
		c.StableEndpoint = serve(t, always().server(t))
		r, err := evaluate.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		want := &evaluate.Comparison{Version: "v1", CandidateOnly: 6, StableOnly: 1, Differ: new(int32(8)), PValue: 2 * 8. / 128}
		if diff := cmp.Diff(want, r.Comparison, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("a regression, by features in another order", func(t *testing.T) {
		c, _ := config(t, evaluate.Regression, serve(t, difference("v2", []string{"a", "b"}, 0.5).server(t)), "target,a,b\n1,3,2\n5,5,0\n-2.5,1,4\n")
		c.StableEndpoint = serve(t, difference("v1", []string{"b", "a"}, 0).server(t))
		r, err := evaluate.Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		want := &evaluate.Comparison{Version: "v1", CandidateOnly: 1, StableOnly: 2, Differ: new(int32(3)), PValue: 1}
		if diff := cmp.Diff(want, r.Comparison); diff != "" {
			t.Error(diff)
		}
		if got := *r.Metrics.MAE; math.Abs(got-1./3) > 1e-9 {
			t.Errorf("mae is %v", got)
		}
	})
}

func TestBandsMakeClassesOfARegression(t *testing.T) {
	// The answers are a-b: 1, 5, 9.5 and 20; the targets are in the bands 0, 0, 1 and 1.
	c, _ := config(t, evaluate.Regression, serve(t, difference("v2", []string{"a", "b"}, 0).server(t)), "target,a,b\n-1e9,3,2\n4.999,5,0\n5,10,0.5\n9.999,20,0\n")
	c.Bands = []evaluate.Band{{Name: "low", Below: new(5.)}, {Name: "normal", Below: new(10.)}, {Name: "high"}}
	r, err := evaluate.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	want, intervals, err := evaluate.Classes([]int{0, 0, 1, 1}, []int{0, 1, 1, 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	numbers, of, err := evaluate.Numbers([]float64{-1e9, 4.999, 5, 9.999}, []float64{1, 5, 9.5, 20})
	if err != nil {
		t.Fatal(err)
	}
	want.RMSE, want.MAE, want.R2 = numbers.RMSE, numbers.MAE, numbers.R2
	maps.Copy(intervals, of)
	if diff := cmp.Diff(evaluate.Result{Task: evaluate.Regression, Version: "v2", Rows: 4, Metrics: want, Intervals: intervals}, r); diff != "" {
		t.Error(diff)
	}
}

func TestEveryRowIsAskedOnceAndFewAtATime(t *testing.T) {
	const rows = 1000
	m := larger()
	inner := m.server(t)
	most := 0
	endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			var q struct{ Inputs []struct{ Shape []int } }
			if err := json.Unmarshal(body, &q); err != nil {
				t.Error(err)
			}
			most = max(most, q.Inputs[0].Shape[0])
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		inner.ServeHTTP(w, r)
	}))
	c, log := config(t, evaluate.Classification, endpoint, "a,b,label\n"+strings.Repeat("2,1,0\n", rows))
	r, err := evaluate.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if asked := m.asked.Load(); r.Rows != rows || asked != rows || most > 32 {
		t.Errorf("%d rows measured, %d asked, %d at once", r.Rows, asked, most)
	}
	if said := strings.Count(log.String(), "msg=asked"); said != 10 {
		t.Errorf("progress was said %d times; want it at each tenth", said)
	}
}

func TestWhatMustBeWrittenDifferentlyIsSaid(t *testing.T) {
	classifier, adder := serve(t, larger().server(t)), serve(t, difference("v1", []string{"a", "b"}, 0).server(t))
	cases := map[string]struct {
		endpoint string
		task     evaluate.Task
		table    string
		want     string
	}{
		"an empty file":         {classifier, evaluate.Classification, "", "the data set is empty; write a header that names the columns, and rows"},
		"a header alone":        {classifier, evaluate.Classification, "a,b,label\n", "the data set has no rows; write at least one below the header"},
		"a missing feature":     {classifier, evaluate.Classification, "a,c,label\n1,2,0\n", `the data set lacks the column that the model needs: "b"; it has "a", "c" and "label"`},
		"all features missing":  {classifier, evaluate.Classification, "label\n0\n", `lacks the columns that the model needs: "a" and "b"; it has "label"`},
		"no label":              {classifier, evaluate.Classification, "a,b,target\n1,2,0\n", `the data set has no column "label"; write one with the index of each row's label, as a classification needs`},
		"no target":             {adder, evaluate.Regression, "a,b,label\n1,2,0\n", `the data set has no column "target"; write one with each row's true value, as a regression needs`},
		"a column twice":        {classifier, evaluate.Classification, "a,b,a,label\n1,2,1,0\n", `the data set has the column "a" twice`},
		"text for a number":     {classifier, evaluate.Classification, "a,b,label\n1,2,0\n1,many,0\n", `the data set: line 3, column "b": write a finite number, not "many"`},
		"nothing for a number":  {classifier, evaluate.Classification, "a,b,label\n1,,0\n", `line 2, column "b": write a finite number, not ""`},
		"no finite number":      {classifier, evaluate.Classification, "a,b,label\nNaN,2,0\n", `line 2, column "a": write a finite number, not "NaN"`},
		"a number beyond FP32":  {classifier, evaluate.Classification, "a,b,label\n1,1e39,0\n", `line 2, column "b": write a finite number, not "1e39"`},
		"a label out of range":  {classifier, evaluate.Classification, "a,b,label\n1,2,3\n", `line 2, column "label": write the index of one of the model's 3 labels, 0 to 2, not "3"`},
		"a negative label":      {classifier, evaluate.Classification, "a,b,label\n1,2,-1\n", `0 to 2, not "-1"`},
		"a label by name":       {classifier, evaluate.Classification, "a,b,label\n1,2,neither\n", `0 to 2, not "neither"`},
		"a label between two":   {classifier, evaluate.Classification, "a,b,label\n1,2,0.5\n", `0 to 2, not "0.5"`},
		"an endless target":     {adder, evaluate.Regression, "a,b,target\n1,2,Inf\n", `line 2, column "target": write a finite number, not "Inf"`},
		"a target beyond all":   {adder, evaluate.Regression, "a,b,target\n1,2,1e200\n", "the errors are too large"},
		"a file that was cut":   {classifier, evaluate.Classification, "a,b,label\n1,2,0\n1,2", "the data set is no CSV or was cut off: line 3: wrong number of fields"},
		"a quote never closed":  {classifier, evaluate.Classification, "a,b,label\n1,\"2,0\n", "the data set is no CSV or was cut off: line 2"},
		"a longer row":          {classifier, evaluate.Classification, "a,b,label\n1,2,0,0\n", "line 2: wrong number of fields"},
		"too many rows":         {classifier, evaluate.Classification, "a,b,label\n" + strings.Repeat("1,2,0\n", 100_001), "more than the 100000 rows"},
		"too large a file":      {classifier, evaluate.Classification, "a,b,label\n1,2,\"" + strings.Repeat(" ", evaluate.MaxDataset), "the data set is larger than 33554432 bytes"},
		"another task":          {adder, evaluate.Classification, "a,b,label\n1,2,0\n", `the model says it is a "regression" and is evaluated as a classification`},
		"an endpoint of no use": {"127.0.0.1:8080", evaluate.Classification, "", `"127.0.0.1:8080" is no endpoint; write one such as http://127.0.0.1:8080`},
	}
	for sentence, x := range cases {
		t.Run(sentence, func(t *testing.T) {
			c, _ := config(t, x.task, x.endpoint, x.table)
			r, err := evaluate.Run(t.Context(), c)
			if err == nil || !evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v (bad input: %v)\nwant bad input, with %q in it", err, evaluate.BadInput(err), x.want)
			}
			if diff := cmp.Diff(evaluate.Result{}, r); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALongListOfColumnsIsCut(t *testing.T) {
	c, _ := config(t, evaluate.Classification, serve(t, larger().server(t)), "a,c0,c1,c2,c3,c4,c5,c6,c7,c8,"+strings.Repeat("x", 100)+"\n")
	_, err := evaluate.Run(t.Context(), c)
	if want := `it has "a", "c0", "c1", "c2", "c3", "c4", "c5", "c6" and 3 more`; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v\nwant %q at its end", err, want)
	}
}

func TestWhatMayPassIsNoBadInput(t *testing.T) {
	failing := larger()
	failing.row = func(x []float32) ([]float32, error) {
		if x[0] == 40 {
			return nil, errors.New("out of range")
		}
		return []float32{1, 0, 0}, nil
	}
	answering := func(metadata, answer string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost:
				_, _ = io.WriteString(w, answer)
			case strings.HasSuffix(r.URL.Path, "/ready"):
			default:
				_, _ = io.WriteString(w, metadata)
			}
		})
	}
	described := `{"inputs":[{"name":"input"}],"parameters":{"task":"classification","features":["a","b"],"labels":["x","y"]}}`
	rows := "a,b,label\n" + strings.Repeat("1,2,0\n", 39) + "40,2,0\n"
	cases := map[string]struct {
		endpoint string
		table    io.Reader
		want     string
	}{
		"a row that the server fails on": {serve(t, failing.server(t)), nil, "rows 33 to 40: the server answered 500: computing 8 rows: out of range"},
		"a server of another model":      {serve(t, named("other", larger().server(t))), nil, `the model is not ready: the server answered 404: model "other" is not here`},
		"metadata of no sense":           {serve(t, answering("hello", "")), nil, "reading the model's metadata"},
		"an answer of no sense":          {serve(t, answering(described, "hello")), nil, "reading the answer"},
		"an answer to fewer rows":        {serve(t, answering(described, `{"outputs":[{"name":"probabilities","data":[1,0]}]}`)), nil, "the answer has 2 numbers for 32 rows of 2"},
		"an answer of another output":    {serve(t, answering(described, `{"outputs":[{"name":"value","data":[1]}]}`)), nil, `the answer has no output "probabilities"`},
		"a redirect":                     {serve(t, http.RedirectHandler("/elsewhere", http.StatusFound)), nil, "the server answered 302"},
		"two versions at one address":    {serve(t, alternating(larger().server(t), always().server(t))), nil, "rows 33 to 40: version v1 answered, and v2 before it; ask one Pod"},
		"a disk that fails":              {serve(t, larger().server(t)), iotest.ErrReader(errors.New("i/o error")), "reading the data set: i/o error"},
	}
	for sentence, x := range cases {
		t.Run(sentence, func(t *testing.T) {
			c, _ := config(t, evaluate.Classification, x.endpoint, rows)
			if x.table != nil {
				c.Rows = x.table
			}
			ctx, cancel := context.WithCancel(t.Context())
			c.Log = slog.New(ending{c.Log.Handler(), cancel}) // what would be asked again has been answered often enough
			_, err := evaluate.Run(ctx, c)
			if err == nil || evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v (bad input: %v)\nwant no bad input, and %q in it", err, evaluate.BadInput(err), x.want)
			}
		})
	}
}

// ending ends a test at the first warning, rather than waiting for what will not come.
type ending struct {
	slog.Handler
	end func()
}

func (h ending) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelWarn {
		h.end()
	}
	return h.Handler.Handle(ctx, record)
}

// named passes requests on under another model's name.
func named(name string, inner http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "/models/m", "/models/"+name, 1)
		inner.ServeHTTP(w, r)
	})
}

// alternating gives inferences to two servers in turn, and all else to the first.
func alternating(first, second http.Handler) http.Handler {
	turn := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if turn++; turn%2 == 0 {
				second.ServeHTTP(w, r)
				return
			}
		}
		first.ServeHTTP(w, r)
	})
}

func TestAModelMustSayWhatItsNumbersMean(t *testing.T) {
	for sentence, x := range map[string]struct{ metadata, want string }{
		"two inputs":  {`{"inputs":[{"name":"a"},{"name":"b"}],"parameters":{"task":"classification","features":["a"],"labels":["x"]}}`, "the model has 2 inputs"},
		"no features": {`{"inputs":[{"name":"input"}]}`, "name them in model.json as features"},
		"no labels":   {`{"inputs":[{"name":"input"}],"parameters":{"task":"classification","features":["a"]}}`, "name them in model.json as labels"},
	} {
		t.Run(sentence, func(t *testing.T) {
			endpoint := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, x.metadata) }))
			c, _ := config(t, evaluate.Classification, endpoint, "a,label\n1,0\n")
			if _, err := evaluate.Run(t.Context(), c); !evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%v; want %q in it", err, x.want)
			}
		})
	}
}

// The candidate is measured all the same.
func TestAStableThatCannotBeComparedIsLeftOut(t *testing.T) {
	other := func(change func(*model)) http.Handler {
		m := always()
		change(m)
		return m.server(t)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	calls := 0
	for sentence, x := range map[string]struct {
		endpoint, want string
	}{
		"other features": {serve(t, other(func(m *model) { m.manifest.Features = []string{"b", "c"} })), "it has other features than the candidate"},
		"more features":  {serve(t, other(func(m *model) { m.manifest.Features = []string{"b", "a", "c"} })), "it has other features than the candidate"},
		"other labels":   {serve(t, other(func(m *model) { m.manifest.Labels = []string{"b", "a", "neither"} })), "it has other labels than the candidate"},
		"another task":   {serve(t, difference("v1", []string{"a", "b"}, 0).server(t)), `the model says it is a \"regression\"`},
		"another model":  {serve(t, http.NotFoundHandler()), "the server answered 404"},
		"a bad endpoint": {"pod:80", "is no endpoint"},
		"an answer that fails in the middle": {serve(t, other(func(m *model) {
			m.row = func([]float32) ([]float32, error) {
				if calls++; calls > 32 {
					return nil, errors.New("broken")
				}
				return []float32{0, 1, 0}, nil
			}
		})), "rows 33 to 40: the server answered 500"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, log := config(t, evaluate.Classification, serve(t, larger().server(t)), "a,b,label\n"+strings.Repeat("2,1,0\n", 40))
			c.StableEndpoint = x.endpoint
			r, err := evaluate.Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if r.Comparison != nil || *r.Metrics.Accuracy != 1 {
				t.Errorf("accuracy %v, comparison %+v", *r.Metrics.Accuracy, r.Comparison)
			}
			if text := log.String(); !strings.Contains(text, "stable is left out") || !strings.Contains(text, x.want) {
				t.Errorf("the log does not say %q:\n%s", x.want, text)
			}
		})
	}
}

// wire is a network of handlers by host, without sockets, so that time is the bubble's.
type wire map[string]func(r *http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w[r.URL.Host](r) }

func answered(h http.Handler, r *http.Request) (*http.Response, error) {
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

func TestItWaitsForAServerThatStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, attempt := larger().server(t), 0
		c, _ := config(t, evaluate.Classification, "http://candidate", "a,b,label\n2,1,0\n")
		c.Transport = wire{"candidate": func(r *http.Request) (*http.Response, error) {
			switch attempt++; {
			case attempt <= 20:
				return nil, syscall.ECONNREFUSED
			case attempt <= 40:
				return answered(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }), r)
			default:
				return answered(inner, r)
			}
		}}
		start := time.Now()
		r, err := evaluate.Run(t.Context(), c)
		if err != nil || *r.Metrics.Accuracy != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if waited := time.Since(start); waited != 80*time.Second {
			t.Errorf("waited %v; want 40 times 2 s", waited)
		}
	})
}

func TestItDoesNotWaitForEver(t *testing.T) {
	refusing := func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNREFUSED }
	hanging := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for sentence, x := range map[string]struct {
		server  func(*http.Request) (*http.Response, error)
		longest time.Duration
	}{
		"a server that refuses":     {refusing, 2 * time.Minute},
		"a server that hangs":       {hanging, 2 * time.Minute},
		"a server of another model": {func(r *http.Request) (*http.Response, error) { return answered(http.NotFoundHandler(), r) }, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := config(t, evaluate.Classification, "http://candidate", "a,b,label\n2,1,0\n")
				c.Transport = wire{"candidate": x.server}
				start := time.Now()
				_, err := evaluate.Run(t.Context(), c)
				if err == nil || evaluate.BadInput(err) || !strings.Contains(err.Error(), "the model is not ready") {
					t.Errorf("got %v", err)
				}
				if waited := time.Since(start); waited > x.longest {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
	t.Run("a stable that is gone", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			inner := larger().server(t)
			c, _ := config(t, evaluate.Classification, "http://candidate", "a,b,label\n2,1,0\n")
			c.StableEndpoint = "http://stable"
			c.Transport = wire{"stable": refusing, "candidate": func(r *http.Request) (*http.Response, error) { return answered(inner, r) }}
			start := time.Now()
			r, err := evaluate.Run(t.Context(), c)
			if err != nil || r.Comparison != nil {
				t.Errorf("%+v, %v", r.Comparison, err)
			}
			if waited := time.Since(start); waited > 10*time.Second {
				t.Errorf("waited %v", waited)
			}
		})
	})
	t.Run("a caller that ends it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			c, _ := config(t, evaluate.Classification, "http://candidate", "")
			c.Transport = wire{"candidate": refusing}
			start := time.Now()
			if _, err := evaluate.Run(ctx, c); err == nil || time.Since(start) != 15*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
}

// A stable that does not answer costs the candidate's evaluation little of its time.
func TestAStableThatHangsIsLeftOutSoon(t *testing.T) {
	inner := larger().server(t)
	for sentence, x := range map[string]struct {
		task evaluate.Task
		// table is what is asked, one batch after another.
		table   string
		server  http.Handler
		waits   time.Duration // of the candidate at each question
		hangs   func(path string) bool
		stable  time.Duration // and of stable, which hangs where that is 0
		longest time.Duration
		want    string
	}{
		"at its metadata": {
			evaluate.Classification, "a,b,label\n" + strings.Repeat("2,1,0\n", 320), inner, time.Second,
			func(path string) bool { return path == "/v2/models/m" }, 0, 20 * time.Second, "context deadline exceeded",
		},
		"at rows": {
			evaluate.Classification, "a,b,label\n" + strings.Repeat("2,1,0\n", 320), inner, time.Second,
			func(path string) bool { return strings.HasSuffix(path, "/infer") }, 0, 20 * time.Second, "it is too slow",
		},
		"at texts": {
			evaluate.Language, strings.Repeat(text("aab"), 320), halves(), time.Minute,
			func(path string) bool { return path == "/v1/completions" }, 0, 12 * time.Minute, "it is too slow",
		},
		"in all": {
			evaluate.Language, strings.Repeat(text("aab"), 320), halves(), 90 * time.Second,
			func(path string) bool { return path == "/v1/completions" }, 110 * time.Second, 24 * time.Minute, "its share of the time, one part of 3, is used up",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, log := config(t, x.task, "http://candidate", x.table)
				c.StableEndpoint, c.StableVersion = "http://stable", "v1"
				after := func(r *http.Request, wait time.Duration) (*http.Response, error) {
					select {
					case <-time.After(wait):
						return answered(x.server, r)
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				}
				c.Transport = wire{
					"candidate": func(r *http.Request) (*http.Response, error) {
						if r.Method == http.MethodPost {
							return after(r, x.waits)
						}
						return answered(x.server, r)
					},
					"stable": func(r *http.Request) (*http.Response, error) {
						switch {
						case x.hangs(r.URL.Path) && x.stable == 0:
							return after(r, 24*time.Hour)
						case x.hangs(r.URL.Path):
							return after(r, x.stable)
						}
						return answered(x.server, r)
					},
				}
				ctx, cancel := context.WithTimeout(t.Context(), 25*time.Minute)
				defer cancel()
				start := time.Now()
				r, err := evaluate.Run(ctx, c)
				if err != nil || r.Comparison != nil || r.Rows != 320 {
					t.Errorf("%+v, %v", r, err)
				}
				if took := time.Since(start); took > x.longest {
					t.Errorf("it took %v", took)
				}
				if said := log.String(); !strings.Contains(said, "stable is left out") || !strings.Contains(said, x.want) {
					t.Errorf("the log does not say %q:\n%s", x.want, said)
				}
			})
		})
	}
}

func TestABrokenConnectionIsTriedAgainAFewTimes(t *testing.T) {
	full := func(r *http.Request) (*http.Response, error) {
		return answered(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }), r)
	}
	failing := func(r *http.Request) (*http.Response, error) {
		return answered(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }), r)
	}
	cut := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))}, nil
	}
	for sentence, x := range map[string]struct {
		fault func(*http.Request) (*http.Response, error)
		times int
		want  string
	}{
		"reset four times":         {func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }, 4, ""},
		"reset a fifth time":       {func(*http.Request) (*http.Response, error) { return nil, syscall.ECONNRESET }, 5, "connection reset by peer"},
		"full four times":          {full, 4, ""},
		"full a fifth time":        {full, 5, "the server answered 429"},
		"an answer that it failed": {failing, 1, "the server answered 500"},
		"cut off four times":       {cut, 4, ""},
		"cut off a fifth time":     {cut, 5, "the connection broke: unexpected EOF"},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, faults := larger(), 0
				inner := m.server(t)
				c, _ := config(t, evaluate.Classification, "http://candidate", "a,b,label\n2,1,0\n")
				c.Transport = wire{"candidate": func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodPost && faults < x.times {
						faults++
						return x.fault(r)
					}
					return answered(inner, r)
				}}
				_, err := evaluate.Run(t.Context(), c)
				switch {
				case x.want == "" && (err != nil || m.asked.Load() != 1):
					t.Errorf("%v, and %d rows were computed", err, m.asked.Load())
				case x.want != "" && (err == nil || evaluate.BadInput(err) || !strings.Contains(err.Error(), x.want)):
					t.Errorf("%v; want %q in it", err, x.want)
				}
			})
		})
	}
}
