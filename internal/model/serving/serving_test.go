package serving_test

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

	"github.com/suoke-life/suoke/internal/model/serving"
)

// sum is an engine of two features whose value is their sum, unless infer says otherwise.
type sum struct {
	output serving.Tensor
	infer  func(context.Context, serving.Batch) ([]float32, error)
}

func (sum) Input() serving.Tensor {
	return serving.Tensor{Name: "input", Datatype: "FP32", Shape: []int64{-1, 2}}
}

func (s sum) Output() serving.Tensor {
	if s.output.Name != "" {
		return s.output
	}
	return serving.Tensor{Name: "value", Datatype: "FP32", Shape: []int64{-1, 1}}
}

func (s sum) Infer(ctx context.Context, batch serving.Batch) ([]float32, error) {
	if s.infer != nil {
		return s.infer(ctx, batch)
	}
	out := make([]float32, batch.Rows)
	for i := range out {
		out[i] = batch.Values[2*i] + batch.Values[2*i+1]
	}
	return out, nil
}

func adder() serving.Model {
	return serving.Model{Name: "adder", Version: "v1.2.0", Manifest: serving.Manifest{Task: "regression", Features: []string{"a", "b"}}}
}

func start(tb testing.TB, engine serving.Engine, options serving.Options) string {
	tb.Helper()
	s, err := serving.New(adder(), engine, options)
	if err != nil {
		tb.Fatal(err)
	}
	server := httptest.NewServer(s)
	tb.Cleanup(server.Close)
	return server.URL
}

// ask returns the status, the body as JSON and the headers.
func ask(tb testing.TB, method, url, body string) (int, map[string]any, http.Header) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), method, url, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		tb.Fatalf("%s %s answers %d with %q: %v", method, url, response.StatusCode, text, err)
	}
	return response.StatusCode, answer, response.Header
}

func TestInferAnswersTheProtocol(t *testing.T) {
	url := start(t, sum{}, serving.Options{})
	cases := map[string]struct {
		path, body string
		want       []any
	}{
		"flat data":                      {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","data":[1,2,3.5,-4e0]}]}`, []any{3.0, -0.5}},
		"nested data":                    {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","data":[[1, 2], [3.5,-4] ]}]}`, []any{3.0, -0.5}},
		"FP64 data":                      {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP64","data":[0.1,1e-60]}]}`, []any{0.1}},
		"INT64 data":                     {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[1,2],"datatype":"INT64","data":[-7,9]}]}`, []any{2.0}},
		"UINT8 data":                     {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[1,2],"datatype":"UINT8","data":[[255,1]]}]}`, []any{256.0}},
		"the version named":              {"/v2/models/adder/versions/v1.2.0/infer", `{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,1]}]}`, []any{2.0}},
		"the output named":               {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,1]}],"outputs":[{"name":"value"}]}`, []any{2.0}},
		"parameters that mean nothing":   {"/v2/models/adder/infer", `{"parameters":{"x":1},"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","parameters":{"y":true},"data":[1,1]}]}`, []any{2.0}},
		"values at the ends of exponent": {"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[3e38,0]}]}`, []any{3e38}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, got, header := ask(t, http.MethodPost, url+c.path, c.body)
			rows := float64(len(c.want))
			want := map[string]any{
				"model_name": "adder", "model_version": "v1.2.0",
				"outputs": []any{map[string]any{"name": "value", "datatype": "FP32", "shape": []any{rows, 1.0}, "data": c.want}},
			}
			near := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Abs(b) })
			if diff := cmp.Diff(want, got, near); code != http.StatusOK || diff != "" {
				t.Errorf("%d (-want +got):\n%s", code, diff)
			}
			if kind := header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("Content-Type is %q", kind)
			}
		})
	}
}

func TestInferEchoesTheID(t *testing.T) {
	url := start(t, sum{}, serving.Options{})
	_, got, _ := ask(t, http.MethodPost, url+"/v2/models/adder/infer", `{"id":"a \"quoted\" 号","inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,1]}]}`)
	if got["id"] != `a "quoted" 号` {
		t.Errorf("id is %v", got["id"])
	}
}

func TestInferRefusesWithASentence(t *testing.T) {
	url := start(t, sum{}, serving.Options{MaxBody: 2000, MaxRows: 4})
	input := func(name, shape, datatype, data string) string {
		return `{"inputs":[{"name":"` + name + `","shape":` + shape + `,"datatype":"` + datatype + `","data":` + data + `}]}`
	}
	cases := map[string]struct {
		body string
		code int
		want string
	}{
		"no JSON":                    {`{"inputs":`, 400, `the body is not JSON`},
		"an empty body":              {``, 400, `write {"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [2 numbers]}]}`},
		"a JSON of another kind":     {`{"inputs":"x"}`, 400, `inputs is a JSON string; write {"inputs"`},
		"two documents":              {`{} {}`, 400, `the body is not JSON`},
		"no inputs":                  {`{}`, 400, `the request has 0 inputs; write the one input "input"`},
		"an unknown input":           {input("x", "[1,2]", "FP32", "[1,2]"), 400, `the model has no input "x"; its input is "input"`},
		"an unknown output":          {`{"inputs":[],"outputs":[{"name":"label"}]}`, 400, `the model has no output "label"; ask for "value"`},
		"a wrong width":              {input("input", "[1,3]", "FP32", "[1,2,3]"), 400, `has shape [1 3]; write [rows, 2]: the model has 2 features`},
		"a wrong rank":               {input("input", "[2]", "FP32", "[1,2]"), 400, `has shape [2]; write [rows, 2]`},
		"no rows":                    {input("input", "[0,2]", "FP32", "[]"), 400, `has 0 rows; write 1 to 4 a request`},
		"a negative number of rows":  {input("input", "[-1,2]", "FP32", "[1,2]"), 400, `has -1 rows`},
		"too many rows":              {input("input", "[5,2]", "FP32", "[1]"), 400, `has 5 rows; write 1 to 4 a request`},
		"a shape beyond memory":      {input("input", "[9223372036854775807,2]", "FP32", "[1]"), 400, `write 1 to 4 a request`},
		"a datatype that is text":    {input("input", "[1,2]", "BYTES", `["a","b"]`), 400, `datatype "BYTES" cannot fill an FP32 input`},
		"too few numbers":            {input("input", "[2,2]", "FP32", "[1,2,3]"), 400, `there are 3 numbers, not 4`},
		"too many numbers":           {input("input", "[1,2]", "FP32", "[1,2,3]"), 400, `there are more than 2 numbers`},
		"a short row":                {input("input", "[2,2]", "FP32", "[[1,2],[3]]"), 400, `data[1]: there are 1 numbers, not 2`},
		"a row too many":             {input("input", "[1,2]", "FP32", "[[1,2],[3,4]]"), 400, `data has more than the 1 rows of its shape`},
		"a row too few":              {input("input", "[2,2]", "FP32", "[[1,2]]"), 400, `data has 1 rows, but its shape says 2`},
		"rows and numbers mixed":     {input("input", "[2,2]", "FP32", "[[1,2],3]"), 400, `data[1] is a number; write every row as an array`},
		"numbers and rows mixed":     {input("input", "[2,2]", "FP32", "[1,[2]]"), 400, `number 1 is an array; write a number`},
		"text among numbers":         {input("input", "[1,2]", "FP32", `[1,"2"]`), 400, `number 1 is text; write a number`},
		"null among numbers":         {input("input", "[1,2]", "FP32", `[null,2]`), 400, `number 0 is null; write a number`},
		"a boolean among numbers":    {input("input", "[1,2]", "FP32", `[true,2]`), 400, `number 0 is a boolean`},
		"an object among numbers":    {input("input", "[1,2]", "FP32", `[{},2]`), 400, `number 0 is an object`},
		"a number beyond FP32":       {input("input", "[1,2]", "FP64", `[1,1e39]`), 400, `number 1 is 1e39, which is not finite in FP32`},
		"a fraction as an integer":   {input("input", "[1,2]", "INT32", `[1,1.5]`), 400, `number 1 is 1.5, which is not INT32`},
		"an integer beyond its bits": {input("input", "[1,2]", "UINT8", `[1,256]`), 400, `number 1 is 256, which is not UINT8`},
		"a negative unsigned":        {input("input", "[1,2]", "UINT8", `[1,-1]`), 400, `number 1 is -1, which is not UINT8`},
		"no data":                    {`{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32"}]}`, 400, `data is missing`},
		"data that is no array":      {input("input", "[1,2]", "FP32", `"x"`), 400, `data is text; write an array of 2 numbers`},
		"a binary tensor":            {`{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}`, 400, `write data as a JSON array`},
		"a binary answer":            {`{"outputs":[{"name":"value","parameters":{"binary_data":true}}]}`, 400, `leave binary_data out`},
		"a body too large":           {`{"id":"` + strings.Repeat("x", 2000) + `"}`, 413, `the body is larger than 2000 bytes; send fewer rows`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, got, _ := ask(t, http.MethodPost, url+"/v2/models/adder/infer", c.body)
			if message, _ := got["error"].(string); code != c.code || !strings.Contains(message, c.want) {
				t.Errorf("%d %q; want %d with %q in it", code, message, c.code, c.want)
			}
		})
	}
}

func TestWrongPathsAreNotFound(t *testing.T) {
	url := start(t, sum{}, serving.Options{})
	cases := map[string]struct {
		method, path string
		code         int
		want         string
	}{
		"another model":          {"POST", "/v2/models/other/infer", 404, `model "other" is not here; this server has "adder"`},
		"another version":        {"POST", "/v2/models/adder/versions/v9/infer", 404, `version "v9" is not here; this server has "v1.2.0"`},
		"another model's ready":  {"GET", "/v2/models/other/ready", 404, `model "other"`},
		"an inference by GET":    {"GET", "/v2/models/adder/infer", 405, "asked by POST"},
		"something else":         {"GET", "/v1/chat", 404, "ask POST /v2/models/adder/infer"},
		"metadata by the DELETE": {"DELETE", "/v2/models/adder", 404, "there is no DELETE"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			code, got, _ := ask(t, c.method, url+c.path, "")
			if message, _ := got["error"].(string); code != c.code || !strings.Contains(message, c.want) {
				t.Errorf("%d %q; want %d with %q in it", code, message, c.code, c.want)
			}
		})
	}
}

func TestMetadataSaysWhatTheNumbersMean(t *testing.T) {
	model := serving.Model{Name: "digits", Version: "v2", Manifest: serving.Manifest{
		Task: "classification", Features: []string{"p0", "p1"}, Labels: []string{"even", "odd"},
	}}
	engine := sum{output: serving.Tensor{Name: "probabilities", Datatype: "FP32", Shape: []int64{-1, -1}}}
	s, err := serving.New(model, engine, serving.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	defer server.Close()
	want := map[string]any{
		"name": "digits", "versions": []any{"v2"}, "platform": "onnxruntime_onnx",
		"inputs":     []any{map[string]any{"name": "input", "datatype": "FP32", "shape": []any{-1.0, 2.0}}},
		"outputs":    []any{map[string]any{"name": "probabilities", "datatype": "FP32", "shape": []any{-1.0, 2.0}}},
		"parameters": map[string]any{"task": "classification", "features": []any{"p0", "p1"}, "labels": []any{"even", "odd"}},
	}
	for _, path := range []string{"/v2/models/digits", "/v2/models/digits/versions/v2"} {
		if _, got, _ := ask(t, http.MethodGet, server.URL+path, ""); !cmp.Equal(want, got) {
			t.Errorf("%s (-want +got):\n%s", path, cmp.Diff(want, got))
		}
	}
	if _, got, _ := ask(t, http.MethodGet, server.URL+"/v2", ""); got["name"] != "suoke-model-server" {
		t.Errorf("/v2 is %v", got)
	}
}

func TestAFaultOfTheEngineIsA500(t *testing.T) {
	cases := map[string]struct {
		values []float32
		err    error
		want   string
	}{
		"a failed node":      {nil, errors.New("Gather: index out of bounds"), "computing 1 rows: Gather: index out of bounds"},
		"too few numbers":    {nil, nil, `output "value" has 0 numbers for 1 rows of 1`},
		"an answer of NaN":   {[]float32{float32(math.NaN())}, nil, `output "value" is not finite in row 0, column 0`},
		"an infinite answer": {[]float32{float32(math.Inf(-1))}, nil, `not finite`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url := start(t, sum{infer: func(context.Context, serving.Batch) ([]float32, error) { return c.values, c.err }}, serving.Options{})
			code, got, _ := ask(t, http.MethodPost, url+"/v2/models/adder/infer", oneRow)
			if message, _ := got["error"].(string); code != http.StatusInternalServerError || !strings.Contains(message, c.want) {
				t.Errorf("%d %q; want 500 with %q in it", code, message, c.want)
			}
		})
	}
}

const oneRow = `{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]}]}`

func TestHealthPaths(t *testing.T) {
	cases := map[string]struct {
		path string
		live []string
	}{
		"the default":                 {"", []string{"/health", "/v2/health/live", "/v2/health/ready", "/ready", "/v2/models/adder/ready"}},
		"a path of the user's":        {"/healthz/{strange}", []string{"/healthz/{strange}", "/ready"}},
		"one that the protocol names": {"/v2/health/live", []string{"/v2/health/live", "/ready"}},
		"the readiness path":          {"/ready", []string{"/ready", "/v2/health/live"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			url := start(t, sum{}, serving.Options{HealthPath: c.path})
			for _, path := range c.live {
				if code, got, _ := ask(t, http.MethodGet, url+path, ""); code != http.StatusOK {
					t.Errorf("%s: %d %v", path, code, got)
				}
			}
		})
	}
	for _, path := range []string{"health", "/health?x=1"} {
		if _, err := serving.New(adder(), sum{}, serving.Options{HealthPath: path}); err == nil {
			t.Errorf("health path %q was taken", path)
		}
	}
}

func TestTheGraphMustFitTheManifest(t *testing.T) {
	classifier := serving.Manifest{Task: "classification", Features: []string{"a", "b"}, Labels: []string{"no", "yes"}}
	probabilities := func(shape ...int64) serving.Tensor {
		return serving.Tensor{Name: "probabilities", Datatype: "FP32", Shape: shape}
	}
	cases := map[string]struct {
		manifest serving.Manifest
		output   serving.Tensor
		want     string
	}{
		"more features than columns": {serving.Manifest{Task: "regression", Features: []string{"a", "b", "c"}}, serving.Tensor{}, "it has 2 columns, but model.json names 3 features"},
		"more labels than columns":   {classifier, probabilities(-1, 3), "it has 3 columns, but model.json names 2 labels"},
		"a fixed batch":              {classifier, probabilities(1, 2), "its batch is fixed to 1"},
		"a wrong rank":               {classifier, probabilities(-1), "export it as [-1, 2]"},
		"another element type":       {classifier, serving.Tensor{Name: "probabilities", Datatype: "INT64", Shape: []int64{-1, 2}}, "it is INT64; export it as FP32"},
		"another output":             {classifier, serving.Tensor{Name: "label", Datatype: "FP32", Shape: []int64{-1, 2}}, `a classification needs one named "probabilities"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := serving.New(serving.Model{Name: "m", Version: "v", Manifest: c.manifest}, sum{output: c.output}, serving.Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
}
