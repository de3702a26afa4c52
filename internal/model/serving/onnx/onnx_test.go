package onnx_test

import (
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/serving"
	"github.com/suoke-life/suoke/internal/model/serving/onnx"
	"github.com/suoke-life/suoke/internal/model/serving/onnx/graphtest"
)

// load gives the real library. A machine without it skips, a machine of the CI does not get away with that.
func load(tb testing.TB) *onnx.Runtime {
	tb.Helper()
	library := os.Getenv("ONNXRUNTIME_LIB")
	if library == "" {
		library = filepath.Join("..", "..", "..", "..", "build", "onnxruntime", "libonnxruntime.so.1")
	}
	if _, err := os.Stat(library); err != nil && os.Getenv("CI") != "true" {
		tb.Skipf("no ONNX Runtime (%v); run make onnxruntime", err)
	}
	runtime, err := onnx.Load(library)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := runtime.Close(); err != nil {
			tb.Error(err)
		}
	})
	return runtime
}

func write(tb testing.TB, graph []byte) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "model.onnx")
	if err := os.WriteFile(file, graph, 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

func open(tb testing.TB, runtime *onnx.Runtime, graph []byte, output string) *onnx.Engine {
	tb.Helper()
	engine, err := runtime.Open(write(tb, graph), output, 2)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := engine.Close(); err != nil {
			tb.Error(err)
		}
	})
	return engine
}

func TestInferComputesTheGraph(t *testing.T) {
	engine := open(t, load(t), graphtest.Classifier([][]float32{{1, -1}, {2, 0}}, []float32{0.5, 0}), "probabilities")
	got, err := engine.Infer(t.Context(), serving.Batch{Rows: 2, Values: []float32{1, 1, -3, 0.25}})
	if err != nil {
		t.Fatal(err)
	}
	var want []float32
	for _, row := range [][]float64{{1, 1}, {-3, 0.25}} {
		a, b := row[0]+2*row[1]+0.5, -row[0]
		p := 1 / (1 + math.Exp(b-a))
		want = append(want, float32(p), float32(1-p))
	}
	near := cmp.Comparer(func(a, b float32) bool { return math.Abs(float64(a-b)) < 1e-6 })
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("probabilities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(serving.Tensor{Name: "input", Datatype: "FP32", Shape: []int64{-1, 2}}, engine.Input()); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(serving.Tensor{Name: "probabilities", Datatype: "FP32", Shape: []int64{-1, 2}}, engine.Output()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestInferFromManyGoroutinesKeepsRowsApart(t *testing.T) {
	engine := open(t, load(t), graphtest.Regression([]float32{2, 1}, 3), "value")
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 200 {
				x, y := float32(worker), float32(i)
				got, err := engine.Infer(t.Context(), serving.Batch{Rows: 1, Values: []float32{x, y}})
				if err != nil || len(got) != 1 || got[0] != 2*x+y+3 {
					t.Errorf("f(%v, %v) = %v, %v; want %v", x, y, got, err, 2*x+y+3)
					return
				}
			}
		})
	}
	group.Wait()
}

func TestInferFailsWhereTheGraphDoes(t *testing.T) {
	engine := open(t, load(t), graphtest.Lookup([]float32{10, 20}), "value")
	if got, err := engine.Infer(t.Context(), serving.Batch{Rows: 1, Values: []float32{1}}); err != nil || got[0] != 20 {
		t.Errorf("table[1] = %v, %v; want 20", got, err)
	}
	if _, err := engine.Infer(t.Context(), serving.Batch{Rows: 1, Values: []float32{7}}); err == nil || !strings.Contains(err.Error(), "out of data bounds") {
		t.Errorf("table[7]: %v; want an error of the runtime", err)
	}
	if got, err := engine.Infer(t.Context(), serving.Batch{Rows: 1, Values: []float32{0}}); err != nil || got[0] != 10 {
		t.Errorf("table[0] after a failure = %v, %v; want 10", got, err)
	}
}

func TestInferOfACanceledRequestComputesNothing(t *testing.T) {
	engine := open(t, load(t), graphtest.Regression([]float32{1}, 0), "value")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.Infer(ctx, serving.Batch{Rows: 1, Values: []float32{1}}); err == nil {
		t.Error("it was computed")
	}
}

func TestInferSurvivesCancellationInMidRun(t *testing.T) {
	engine := open(t, load(t), graphtest.Regression([]float32{1}, 0), "value")
	batch := serving.Batch{Rows: 1024, Values: make([]float32, 1024)}
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		canceled := make(chan struct{})
		go func() { cancel(); close(canceled) }()
		got, err := engine.Infer(ctx, batch)
		if err == nil && len(got) != batch.Rows {
			t.Fatalf("%d rows of %d and no error", len(got), batch.Rows)
		}
		<-canceled
	}
}

func TestAStreamOverTheEngine(t *testing.T) {
	engine := open(t, load(t), graphtest.Regression([]float32{2, 1}, 3), "value")
	model := serving.Model{Name: "m", Version: "v1", Manifest: serving.Manifest{Task: serving.Regression, Features: []string{"a", "b"}}}
	s, err := serving.New(model, engine, serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	question := `{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}`
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v2/models/m/infer_stream", strings.NewReader(question)))
	event := func(value string) string {
		return `data: {"model_name":"m","model_version":"v1","outputs":[{"name":"value","datatype":"FP32","shape":[1,1],"data":[` + value + "]}]}\n\n"
	}
	if diff := cmp.Diff(event("7")+event("13")+"data: [DONE]\n\n", answer.Body.String()); answer.Code != http.StatusOK || diff != "" {
		t.Errorf("%d (-want +got):\n%s", answer.Code, diff)
	}
}

func TestOpenRefusesWhatItCannotServe(t *testing.T) {
	runtime := load(t)
	good := graphtest.Regression([]float32{1, 2}, 0)
	cases := map[string]struct {
		graph  []byte
		output string
		want   string
	}{
		"a truncated file":             {good[:len(good)/2], "value", "it is damaged"},
		"random bytes":                 {[]byte("\x08\xff\xff\xffnot a graph at all"), "value", "it is damaged"},
		"an empty file":                {nil, "value", "(0 bytes)"},
		"a graph of another task":      {good, "probabilities", `the graph has no output "probabilities", only value`},
		"a page of the wrong registry": {[]byte("<!DOCTYPE html><html></html>"), "value", "it is damaged"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := runtime.Open(write(t, c.graph), c.output, 1)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
	if _, err := runtime.Open(filepath.Join(t.TempDir(), "model.onnx"), "value", 1); err == nil {
		t.Error("a missing file was opened")
	}
}

func TestLoadNamesTheLibraryThatIsMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	if _, err := onnx.Load(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v; want the file's name", err)
	}
}

func BenchmarkInfer(b *testing.B) {
	weights := make([][]float32, 30)
	for i := range weights {
		weights[i] = []float32{float32(i), 1}
	}
	engine := open(b, load(b), graphtest.Classifier(weights, []float32{0, 0}), "probabilities")
	batch := serving.Batch{Rows: 1, Values: make([]float32, 30)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := engine.Infer(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
