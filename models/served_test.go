package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/model/serving"
	"github.com/suoke-life/suoke/internal/model/serving/onnx"
	"github.com/suoke-life/suoke/models/dataset"
)

// shelf has everything that a run writes, and the runtime that serves it.
type shelf struct {
	dir     string
	runtime *onnx.Runtime
}

func stock(t *testing.T) shelf {
	t.Helper()
	library := cmp.Or(os.Getenv("ONNXRUNTIME_LIB"), filepath.Join("..", "build", "onnxruntime", "libonnxruntime.so.1"))
	runtime, err := onnx.Load(library)
	if err != nil {
		t.Fatalf("%v; run make onnxruntime", err)
	}
	t.Cleanup(func() {
		if err := runtime.Close(); err != nil {
			t.Error(err)
		}
	})
	return shelf{built(t), runtime}
}

func (s shelf) open(t *testing.T, name, version string) (*onnx.Engine, serving.Manifest) {
	t.Helper()
	dir := filepath.Join(s.dir, "models", name, version)
	about, err := serving.ReadManifest(filepath.Join(dir, "model.json"))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := s.runtime.Open(filepath.Join(dir, "model.onnx"), about.Output(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine, about
}

// serve is the URL of a version that is served as a Pod serves it.
func (s shelf) serve(t *testing.T, name, version string) string {
	t.Helper()
	engine, about := s.open(t, name, version)
	server, err := serving.New(serving.Model{Name: name, Version: version, Manifest: about}, engine, serving.Options{Queue: 8})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	return listener.URL
}

// evaluate measures a version beside a stable one, or alone if none is named, as the evaluation's Job does.
func (s shelf) evaluate(t *testing.T, name, version, stable string) evaluate.Result {
	t.Helper()
	task := evaluate.Classification
	if name == "soer-diabetes" {
		task = evaluate.Regression
	}
	rows, err := os.Open(filepath.Join(s.dir, "datasets", name, name+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	c := evaluate.Config{Endpoint: s.serve(t, name, version), Model: name, Task: task, Protocol: evaluate.OIP, Rows: rows, Log: slog.New(slog.DiscardHandler)}
	if stable != "" {
		c.StableEndpoint = s.serve(t, name, stable)
	}
	result, err := evaluate.Run(t.Context(), c)
	if err != nil {
		t.Fatalf("evaluating %s %s: %v", name, version, err)
	}
	return result
}

// infer is what the runtime answers to rows, of equal width.
func infer(t *testing.T, engine *onnx.Engine, rows ...[]float64) ([]float32, error) {
	t.Helper()
	batch := serving.Batch{Rows: len(rows)}
	for _, row := range rows {
		for _, v := range row {
			batch.Values = append(batch.Values, float32(v))
		}
	}
	return engine.Infer(t.Context(), batch)
}

func TestTheRuntimeAnswersAsTheTrainerComputed(t *testing.T) {
	s := stock(t)
	for _, e := range examples() {
		learnt, held, labels, err := e.parts()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range e.versions {
			m, err := v.train(learnt, len(labels))
			if err != nil {
				t.Fatal(err)
			}
			engine, _ := s.open(t, e.name, v.name)
			rows := asked(held, v.flaw)
			got, err := infer(t, engine, rows.X...)
			if err != nil {
				t.Fatalf("%s %s: %v", e.name, v.name, err)
			}
			width := len(got) / len(rows.X)
			for i, x := range rows.X {
				for j, want := range m.answer(x) {
					if off := math.Abs(float64(got[i*width+j]) - want); off > 1e-4*max(1, math.Abs(want)) {
						t.Fatalf("%s %s: row %d, column %d: the runtime says %g, the trainer %g", e.name, v.name, i+1, j, got[i*width+j], want)
					}
				}
			}
		}
	}
}

// asked are the rows that a test asks of a version with a flaw: few, if each takes its time.
func asked(held dataset.Set, f flaw) dataset.Set {
	if f == slow {
		return held.Head(50)
	}
	return held
}

// offer is a version that is offered in place of a stable one, or as the first if there is none.
type offer struct {
	name, version, stable string
	passes                bool
	// says is what the gate's message must tell.
	says string
}

func offers() []offer {
	return []offer{
		{"xiaoai-digits", "v2.1.0", "", true, "accuracy"},
		{"xiaoai-digits", "v2.2.0", "v2.1.0", true, "better than stable"},
		{"xiaoai-digits", "v2.3.0", "v2.2.0", false, "worse than stable"},
		{"xiaoai-digits", "v2.4.0", "v2.2.0", true, "not distinguishable from stable"},
		{"xiaoai-digits", "v2.5.0", "v2.2.0", true, "not distinguishable from stable"},
		{"xiaoke-breast-cancer", "v1.5.2", "", true, "accuracy"},
		{"xiaoke-breast-cancer", "v1.6.0", "v1.5.2", true, "better than stable"},
		{"xiaoke-breast-cancer", "v1.7.0", "v1.6.0", false, "worse than stable"},
		{"xiaoke-breast-cancer", "v1.8.0", "v1.6.0", false, "worse than stable"},
		{"laoke-symptoms", "v3.0.1", "", true, "accuracy"},
		{"laoke-symptoms", "v3.1.0", "v3.0.1", true, "better than stable"},
		{"laoke-symptoms", "v3.2.0", "v3.1.0", false, "worse than stable"},
		{"laoke-symptoms", "v3.3.0", "v3.1.0", true, "not distinguishable from stable"},
		{"soer-diabetes", "v1.3.0", "", true, "rmse"},
		{"soer-diabetes", "v1.4.0", "v1.3.0", true, "better than stable"},
		{"soer-diabetes", "v1.5.0", "v1.4.0", false, "worse than stable"},
		{"soer-diabetes", "v1.6.0", "v1.4.0", false, "worse than stable"},
	}
}

// The limits are those of the example manifests. A refused version must also miss a limit, so that it is refused as the
// first one too.
func TestTheEvaluationTakesAndRefusesAsTheREADMESays(t *testing.T) {
	s, limits := stock(t), manifests(t)
	readme := content(t, "README.md")
	offered := map[string]bool{}
	for _, o := range offers() {
		t.Run(o.name+" "+o.version, func(t *testing.T) {
			offered[o.name+" "+o.version] = true
			result := s.evaluate(t, o.name, o.version, o.stable)
			passed, message := evaluate.Gate(result, limits[o.name].Spec.Validation.Metrics)
			if passed != o.passes || !strings.Contains(message, o.says) {
				t.Errorf("passed: %t, and must tell %q: %s", passed, o.says, message)
			}
			if (o.stable != "") != (result.Comparison != nil) {
				t.Errorf("comparison with %q: %+v", o.stable, result.Comparison)
			}
			alone := result
			alone.Comparison = nil
			if passed, message := evaluate.Gate(alone, limits[o.name].Spec.Validation.Metrics); passed != o.passes {
				t.Errorf("without a stable version, passed: %t: %s", passed, message)
			}
			told(t, readme, o, result)
		})
	}
	for _, e := range examples() {
		for _, v := range e.versions {
			if !offered[e.name+" "+v.name] {
				t.Errorf("%s %s is made, but not offered here", e.name, v.name)
			}
		}
	}
}

// told looks for the line of the README's table, which must have what was measured.
func told(t *testing.T, readme string, o offer, r evaluate.Result) {
	t.Helper()
	var want []string
	if r.Metrics.Accuracy != nil {
		i := r.Intervals["accuracy"]
		want = append(want, fmt.Sprintf("accuracy %.3f (%.3f–%.3f)", *r.Metrics.Accuracy, i.Low, i.High))
	} else {
		i := r.Intervals["rmse"]
		want = append(want, fmt.Sprintf("RMSE %.1f (%.1f–%.1f), R² %.2f", *r.Metrics.RMSE, i.Low, i.High, *r.Metrics.R2))
	}
	if c := r.Comparison; c != nil {
		want = append(want, fmt.Sprintf("%s: %d to %d, p = %.2g", c.Version, c.CandidateOnly, c.StableOnly, c.PValue))
	}
	line := ""
	for text := range strings.Lines(readme) {
		if strings.HasPrefix(text, "| `"+o.name+"` | "+o.version+" |") {
			line = text
		}
	}
	for _, part := range want {
		if !strings.Contains(line, "| "+part+" |") {
			t.Errorf("README.md: the line of this version must have | %s |, and is %q", part, line)
		}
	}
}

// exampleManifest is an AIModel, as far as it concerns what is made here.
type exampleManifest struct {
	Kind string
	Spec struct {
		ModelName, Version string
		Repository         struct{ URL string }
		Validation         struct {
			TestDataset string
			Metrics     evaluate.Metrics
		}
	}
}

// manifests are the example AIModels of the local profile, by the name of their model.
func manifests(t *testing.T) map[string]exampleManifest {
	t.Helper()
	found := map[string]exampleManifest{}
	for document := range strings.SplitSeq(content(t, "../internal/manifest/templates/ai-model-examples.local.yaml"), "\n---\n") {
		var m exampleManifest
		if err := yaml.Unmarshal([]byte(document), &m); err != nil {
			t.Fatal(err)
		}
		if m.Kind == "AIModel" {
			found[m.Spec.ModelName] = m
		}
	}
	return found
}

func TestTheExampleManifestsNameWhatIsMade(t *testing.T) {
	found := manifests(t)
	for _, e := range examples() {
		m, ok := found[e.name]
		if !ok {
			t.Errorf("no example manifest has modelName %s", e.name)
			continue
		}
		if !strings.HasSuffix(m.Spec.Repository.URL, "/models/"+e.name) || m.Spec.Validation.TestDataset != e.name || m.Spec.Version != e.versions[0].name {
			t.Errorf("%s %s is made, and the manifest asks for %+v", e.name, e.versions[0].name, m.Spec)
		}
	}
	if len(found) != len(examples()) {
		t.Errorf("%d example manifests, and %d models are made", len(found), len(examples()))
	}
}

// The fragile version is v2.2.0 on every row that the evaluation asks, and fails on half of what the demo asks.
func TestTheFragileVersionFailsOnHalfOfTheLiveRowsOnly(t *testing.T) {
	s := stock(t)
	url := s.serve(t, "xiaoai-digits", "v2.4.0")
	codes := map[int]int{}
	for _, body := range readBodies(t, demo.RowFiles(filepath.Join(s.dir, "datasets"))["xiaoai"]) {
		row := strings.TrimSuffix(strings.TrimPrefix(string(body), `{"inputs":[`), `]}`)
		question := fmt.Sprintf(`{"inputs": [{"name": "input", "shape": [1, 64], "datatype": "FP32", "data": %s}]}`, row)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v2/models/xiaoai-digits/infer", strings.NewReader(question))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		codes[response.StatusCode]++
		if whole := strings.HasPrefix(row, "[0,"); whole != (response.StatusCode == http.StatusOK) {
			t.Fatalf("answered %d to %s", response.StatusCode, row)
		}
	}
	if codes[http.StatusOK] != 270 || codes[http.StatusInternalServerError] != 269 {
		t.Errorf("answers by code: %v; want 270 of 200 and 269 of 500", codes)
	}
}

// A sound version looks past the corner, so that the live rows are no harder for it.
func TestSoundVersionsAnswerLiveRowsAsIfTheyWereClean(t *testing.T) {
	s := stock(t)
	_, held, _, err := digits().parts()
	if err != nil {
		t.Fatal(err)
	}
	live := withSpecks(held)
	for _, version := range []string{"v2.1.0", "v2.2.0", "v2.3.0"} {
		engine, _ := s.open(t, "xiaoai-digits", version)
		clean, cleanErr := infer(t, engine, held.X...)
		got, err := infer(t, engine, live.X...)
		if err != nil || cleanErr != nil {
			t.Fatalf("%s: %v, %v", version, err, cleanErr)
		}
		same(t, version+" on live rows", clean, got)
	}
}

func TestFlawedTwinsAnswerTheSameOnHeldOutRows(t *testing.T) {
	s := stock(t)
	for _, twin := range []struct {
		name, sound, flawed string
		flaw                flaw
	}{
		{"xiaoai-digits", "v2.2.0", "v2.4.0", fragile},
		{"xiaoai-digits", "v2.2.0", "v2.5.0", slow},
		{"laoke-symptoms", "v3.1.0", "v3.3.0", slow},
	} {
		rows := asked(readRows(t, filepath.Join(s.dir, "datasets", twin.name, twin.name+".csv")), twin.flaw)
		var answers [2][]float32
		for i, version := range []string{twin.sound, twin.flawed} {
			engine, _ := s.open(t, twin.name, version)
			var err error
			if answers[i], err = infer(t, engine, rows.X...); err != nil {
				t.Fatalf("%s %s: %v", twin.name, version, err)
			}
		}
		same(t, twin.name+" "+twin.flawed, answers[0], answers[1])
	}
}

func same(t *testing.T, what string, want, got []float32) {
	t.Helper()
	if len(want) != len(got) {
		t.Fatalf("%s: %d numbers, not %d", what, len(got), len(want))
	}
	for i := range want {
		if want[i] != got[i] {
			t.Fatalf("%s: number %d is %g, not %g", what, i, got[i], want[i])
		}
	}
}
