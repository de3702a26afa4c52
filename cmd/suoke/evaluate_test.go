package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/model/serving"
)

// signs is an engine that says whether a number is negative, and fails at zero.
type signs struct{}

func (signs) Input() serving.Tensor {
	return serving.Tensor{Name: "input", Datatype: "FP32", Shape: []int64{-1, 1}}
}

func (signs) Output() serving.Tensor {
	return serving.Tensor{Name: "probabilities", Datatype: "FP32", Shape: []int64{-1, 2}}
}

func (signs) Infer(_ context.Context, batch serving.Batch) ([]float32, error) {
	var out []float32
	for _, x := range batch.Values {
		switch {
		case x == 0:
			return nil, errors.New("zero has no sign")
		case x < 0:
			out = append(out, 0, 1)
		default:
			out = append(out, 1, 0)
		}
	}
	return out, nil
}

// serveSigns serves a version of the model signs and returns its endpoint.
func serveSigns(t *testing.T, version string) string {
	t.Helper()
	manifest := serving.Manifest{Task: "classification", Features: []string{"x"}, Labels: []string{"positive", "negative"}}
	s, err := serving.New(serving.Model{Name: "signs", Version: version, Manifest: manifest}, signs{}, serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAnEvaluationLeavesItsResult(t *testing.T) {
	a := startArtifacts(t)
	digest := a.push(t, "datasets/signs:latest", map[string]string{"README.md": "numbers", "test.csv": "x,label\n1,0\n2,0\n-3,1\n-4,0\n"})
	metrics, intervals, err := evaluate.Classes([]int{0, 0, 1, 0}, []int{0, 0, 1, 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	want := evaluate.Result{
		Task: evaluate.Classification, Version: "v2", Rows: 4, Metrics: metrics, Intervals: intervals,
		ModelDigest: "sha256:abc", DatasetDigest: digest, Runtime: "suoke.local/suoke-model-server:dev",
		Comparison: &evaluate.Comparison{Version: "v1", PValue: 1, Differ: new(int32(0))},
	}
	for sentence, dataset := range map[string]string{
		"of a data set by digest": a.host + "/datasets/signs@" + digest,
		"of a data set by tag":    "datasets/signs:latest",
		"of the latest":           "datasets/signs",
	} {
		t.Run(sentence, func(t *testing.T) {
			words := lastWords(t)
			args := []string{
				"evaluate", "--endpoint=" + serveSigns(t, "v2"), "--stable-endpoint=" + serveSigns(t, "v1"), "--name=signs", "--dataset=" + dataset,
				"--task=classification", "--model-digest=sha256:abc", "--runtime=suoke.local/suoke-model-server:dev", "--plain-http",
				"--registry=" + a.host,
			}
			out, err := runSuoke(t, append(args, "--termination-log="+words)...)
			if err != nil || out != "" {
				t.Fatalf("%q, %v", out, err)
			}
			printed, err := runSuoke(t, append(args, "--termination-log="+words+"-none")...)
			if err != nil {
				t.Fatal(err)
			}
			for where, text := range map[string]string{"the termination message": said(t, words), "standard output without one": printed} {
				var got evaluate.Result
				if err := json.Unmarshal([]byte(text), &got); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", where, diff)
				}
			}
		})
	}
}

// numbers is an engine that answers with the number it is given.
type numbers struct{ signs }

func (numbers) Output() serving.Tensor {
	return serving.Tensor{Name: "value", Datatype: "FP32", Shape: []int64{-1, 1}}
}

func (numbers) Infer(_ context.Context, batch serving.Batch) ([]float32, error) {
	return batch.Values, nil
}

func TestBandsAreEvaluatedAsTheyArePushed(t *testing.T) {
	a := startArtifacts(t)
	a.push(t, "datasets/numbers:latest", map[string]string{
		"data.csv":   "x,target\n1,2\n4,6\n9,9\n",
		"bands.json": `{"bands": [{"name": "low", "below": 5}, {"name": "high"}]}`,
	})
	s, err := serving.New(serving.Model{
		Name: "numbers", Version: "v2", Manifest: serving.Manifest{Task: "regression", Features: []string{"x"}},
	}, numbers{}, serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	out, err := runSuoke(t, "evaluate", "--endpoint="+server.URL, "--name=numbers", "--dataset=datasets/numbers", "--task=regression",
		"--registry="+a.host, "--termination-log="+lastWords(t)+"-none")
	if err != nil {
		t.Fatal(err)
	}
	var got evaluate.Result
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if got.Metrics.Accuracy == nil || *got.Metrics.Accuracy != 2./3 || got.Metrics.MAE == nil || *got.Metrics.MAE != 1 {
		t.Errorf("measured %s", out)
	}
}

// letters is a language model that finds each of four letters equally likely, so that one takes two bits.
func letters(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v1/models" {
		_, _ = io.WriteString(w, `{"data": [{"id": "signs"}]}`)
		return
	}
	var q struct {
		Prompt []string `json:"prompt"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	choices := make([]map[string]any, len(q.Prompt))
	for i, prompt := range q.Prompt {
		logprobs := []any{nil}
		for range prompt[1:] {
			logprobs = append(logprobs, math.Log(0.25))
		}
		choices[i] = map[string]any{"index": i, "text": prompt, "logprobs": map[string]any{"tokens": strings.Split(prompt, ""), "token_logprobs": logprobs}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"choices": choices})
}

func serveLetters(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(letters))
	t.Cleanup(server.Close)
	return server.URL
}

func TestALanguageModelIsEvaluatedOnPushedLines(t *testing.T) {
	a := startArtifacts(t)
	digest := a.push(t, "datasets/letters:v1", map[string]string{
		"NOTICE.txt": "made up",
		"test.jsonl": `{"text": "abcda"}` + "\n" + `{"prompt": "ab", "label": "c"}` + "\n" + `{"prompt": "ab", "label": "dd"}` + "\n",
	})
	words := lastWords(t)
	if _, err := runSuoke(t, "evaluate", "--endpoint="+serveLetters(t), "--version=v2", "--stable-endpoint="+serveLetters(t), "--stable-version=v1",
		"--name=signs", "--dataset=datasets/letters:v1", "--task=language", "--protocol=openai", "--registry="+a.host, "--termination-log="+words); err != nil {
		t.Fatal(err)
	}
	var got evaluate.Result
	if err := json.Unmarshal([]byte(said(t, words)), &got); err != nil {
		t.Fatal(err)
	}
	metrics, intervals, err := evaluate.Classes([]int{0, 1}, []int{0, 0}, 2) // the shorter label is the likelier
	if err != nil {
		t.Fatal(err)
	}
	metrics.BitsPerByte = new(2.)
	intervals["bitsPerByte"] = evaluate.Interval{Low: 2, High: 2}
	want := evaluate.Result{
		Task: evaluate.Language, Version: "v2", Rows: 3, Texts: 1, Metrics: metrics, Intervals: intervals, DatasetDigest: digest,
		Comparison: &evaluate.Comparison{Version: "v1", PValue: 1, Differ: new(int32(0))},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })); diff != "" {
		t.Error(diff)
	}
}

func TestAnEvaluationEndsWithAStatusThatSaysWhetherToTryAgain(t *testing.T) {
	a := startArtifacts(t)
	push := func(name, text string) string {
		return "datasets/" + name + "@" + a.push(t, "datasets/"+name+":latest", map[string]string{"data.csv": text})
	}
	good := push("good", "x,label\n1,0\n")
	cut := push("cut", "x,label\n"+strings.Repeat("1,0\n", 100))
	truncate(t, a, cut, "data.csv")
	a.push(t, "models/signs:v1", map[string]string{"model.onnx": "weights"})
	a.push(t, "datasets/lines:latest", map[string]string{"data.jsonl": "{}"})
	a.push(t, "datasets/bands:latest", map[string]string{"data.csv": "x,target\n", "bands.json": "{}"})
	a.push(t, "datasets/vast:latest", map[string]string{"data.csv": strings.Repeat("x", evaluate.MaxDataset+1)})
	cases := map[string]struct {
		change []string
		code   int
		want   string
	}{
		"a missing column":               {[]string{"--dataset=" + push("missing", "y,label\n1,0\n")}, 2, `lacks the column that the model needs: "x"`},
		"a file cut off when written":    {[]string{"--dataset=" + push("half", "x,label\n1,0\n1")}, 2, "the data set is no CSV or was cut off: line 3"},
		"a file cut off in the registry": {[]string{"--dataset=" + cut}, 2, "invalid artifact: truncated, the registry holds 100 of 408 bytes"},
		"a label out of range":           {[]string{"--dataset=" + push("range", "x,label\n1,2\n")}, 2, "0 to 1, not"},
		"no rows":                        {[]string{"--dataset=" + push("empty", "x,label\n")}, 2, "the data set has no rows"},
		"no table":                       {[]string{"--dataset=datasets/lines"}, 2, "the data set has 0 CSV files"},
		"too large a data set":           {[]string{"--dataset=datasets/vast"}, 2, "a data set to evaluate on may have 32.0 MiB"},
		"a data set that is not there":   {[]string{"--dataset=datasets/none"}, 2, "has no repository datasets/none"},
		"a model as data set":            {[]string{"--dataset=models/signs:v1"}, 2, "is a model; write the reference of a data set"},
		"a reference of no sense":        {[]string{"--dataset=Data Set"}, 2, `--dataset: reference "Data Set"`},
		"another task":                   {[]string{"--task=ranking"}, 2, `--task: task "ranking": write classification, regression or language`},
		"another protocol":               {[]string{"--protocol=grpc"}, 2, `--protocol: protocol "grpc": write oip or openai`},
		"a protocol of another task":     {[]string{"--protocol=openai"}, 2, "a classification is evaluated over the protocol oip"},
		"bands of no sense":              {[]string{"--task=regression", "--dataset=datasets/bands"}, 2, "bands.json of the data set: it names 0 bands; write 2 to 100"},
		"a line of no sense":             {[]string{"--task=language", "--protocol=openai", "--endpoint=" + serveLetters(t), "--dataset=datasets/lines"}, 2, "the data set: line 1, which lacks a prompt, a label or both"},
		"a server without likelihoods":   {[]string{"--task=language", "--protocol=openai", "--dataset=datasets/lines"}, 2, "it does not speak the protocol openai"},
		"the wrong task":                 {[]string{"--task=regression"}, 2, `the model says it is a "classification"`},
		"a server that fails":            {[]string{"--dataset=" + push("zero", "x,label\n1,0\n0,0\n")}, 1, "rows 1 to 2: the server answered 500"},
		"a server of another model":      {[]string{"--name=other"}, 1, "the server answered 404"},
		"a registry that is not there":   {[]string{"--dataset=127.0.0.1:1/datasets/good:latest", "--timeout=10ms"}, 1, "registry not reachable: 127.0.0.1:1"},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			words := lastWords(t)
			_, err := runSuoke(t, append([]string{
				"evaluate", "--endpoint=" + serveSigns(t, "v2"), "--name=signs", "--dataset=" + good, "--task=classification",
				"--model-digest=sha256:abc", "--runtime=image", "--registry=" + a.host, "--termination-log=" + words,
			}, c.change...)...)
			if err == nil || exitCode(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("status %d, %v\nwant status %d, and %q in it", exitCode(err), err, c.code, c.want)
			}
			var got evaluate.Result
			if err := json.Unmarshal([]byte(said(t, words)), &got); err != nil {
				t.Fatalf("the termination message %q: %v", said(t, words), err)
			}
			if err != nil && got.Error != err.Error() || got.ModelDigest != "sha256:abc" || got.Runtime != "image" || got.Rows != 0 {
				t.Errorf("the result is %+v", got)
			}
		})
	}
}

func TestACommandMayEndWithAStatusOfItsOwn(t *testing.T) {
	inner := errors.New("inner")
	err := error(exitError{2, inner})
	if exitCode(err) != 2 || exitCode(inner) != 1 || !errors.Is(err, inner) || err.Error() != "inner" {
		t.Errorf("status %d for %v, %d for %v", exitCode(err), err, exitCode(inner), inner)
	}
}
