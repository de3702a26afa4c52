package graph_test

import (
	"bytes"
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/serving"
	"github.com/suoke-life/suoke/internal/model/serving/onnx"
	"github.com/suoke-life/suoke/models/graph"
)

// every writes one of each thing that a graph may have: y = relu([x2, x0] · w + b) + table[x1] + 0.5.
func every() []byte {
	g := graph.New("every", "one of each")
	input := g.Input("input", 3)
	picked := g.Node("Gather", "picked", []string{input, g.Ints("columns", 2, 0)}, graph.Int("axis", 1))
	w, b := g.Floats("w", []int{2, 1}, []float64{2, -1}), g.Floats("b", []int{1}, []float64{0.25})
	open := g.Node("Relu", "open", []string{g.Node("Gemm", "sum", []string{picked, w, b})})
	index := g.Node("Cast", "index", []string{
		g.Node("Gather", "middle", []string{input, g.Ints("one", 1)}, graph.Int("axis", 1)),
	}, graph.CastToInt())
	found := g.Node("Gather", "found", []string{g.Floats("table", []int{2}, []float64{10, 20}), index})
	half := g.Node("ConstantOfShape", "half", []string{g.Ints("shape", 1)}, graph.Scalar("value", 0.5))
	g.Output(g.Node("Add", "value", []string{g.Node("Add", "looked", []string{open, found}), half}), 1)
	return g.Bytes()
}

func load(t *testing.T, model []byte) *onnx.Engine {
	t.Helper()
	library := cmp.Or(os.Getenv("ONNXRUNTIME_LIB"), filepath.Join("..", "..", "build", "onnxruntime", "libonnxruntime.so.1"))
	runtime, err := onnx.Load(library)
	if err != nil {
		t.Fatalf("%v; run make onnxruntime", err)
	}
	t.Cleanup(func() {
		if err := runtime.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(file, model, 0o600); err != nil {
		t.Fatal(err)
	}
	engine, err := runtime.Open(file, "value", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func TestTheRuntimeComputesWhatIsWritten(t *testing.T) {
	engine := load(t, every())
	if diff := gocmp.Diff(serving.Tensor{Name: "input", Datatype: "FP32", Shape: []int64{-1, 3}}, engine.Input()); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(serving.Tensor{Name: "value", Datatype: "FP32", Shape: []int64{-1, 1}}, engine.Output()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
	got, err := engine.Infer(t.Context(), serving.Batch{Rows: 3, Values: []float32{
		1, 0, 3, // 2·3 − 1·1 + 0.25 = 5.25, table 10
		1, 1, 3, // the same, table 20
		5, 0, 0, // below 0, table 10
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff([]float32{15.75, 25.75, 10.5}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if _, err := engine.Infer(t.Context(), serving.Batch{Rows: 1, Values: []float32{1, 2, 3}}); err == nil || !strings.Contains(err.Error(), "out of data bounds") {
		t.Errorf("table[2] of two: %v; want an error of the runtime", err)
	}
}

func TestTheSameGraphIsTheSameBytes(t *testing.T) {
	if !bytes.Equal(every(), every()) {
		t.Error("two graphs of the same nodes differ")
	}
}
