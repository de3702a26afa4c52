package router

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"slices"
)

// tolerance of numbers, as a part of the greater one: two versions of a model that agree do not compute the same bits.
const tolerance = 0.01

// nearZero is what is no difference, however small the numbers are.
const nearZero = 1e-6

// outputProbabilities is the output of a classification by its model artifact.
const outputProbabilities = "probabilities"

// reply is what a version answered, as far as it is compared.
type reply struct {
	code int
	body []byte
}

// agree says whether two versions gave the same answer: the same status and, of two that are no refusal, the same
// outputs. Of the Open Inference Protocol those are the likeliest class of every row of probabilities and numbers within
// the tolerance; of any other JSON the same value but for what names the answer; else the same bytes.
func agree(a, b reply) bool {
	switch {
	case a.code != b.code:
		return false
	case a.code >= http.StatusBadRequest:
		return true // how a refusal is worded says nothing
	case bytes.Equal(a.body, b.body):
		return true
	}
	if x, is := readOutputs(a.body); is {
		y, is := readOutputs(b.body)
		return is && slices.EqualFunc(x, y, sameOutput)
	}
	return sameJSON(a.body, b.body)
}

// sameJSON says whether two texts are the same JSON value but for what names the answer.
func sameJSON(a, b []byte) bool {
	x, isJSON := normal(a)
	y, alsoJSON := normal(b)
	return isJSON && alsoJSON && bytes.Equal(x, y)
}

// normal writes JSON in one way: sorted, without spaces, without what names an answer rather than being it.
func normal(text []byte) ([]byte, bool) {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, false
	}
	if fields, is := value.(map[string]any); is {
		for _, name := range [...]string{"id", "created", "model", "model_name", "model_version", "system_fingerprint"} {
			delete(fields, name)
		}
	}
	sorted, err := json.Marshal(value)
	return sorted, err == nil
}

// numbers reads a tensor's data, flat or row by row.
func numbers(data json.RawMessage) ([]float64, bool) {
	var flat []float64
	if json.Unmarshal(data, &flat) == nil {
		return flat, true
	}
	var rows [][]float64
	if json.Unmarshal(data, &rows) != nil {
		return nil, false
	}
	return slices.Concat(rows...), true
}

// outputTensor is an output of the Open Inference Protocol.
type outputTensor struct {
	Name     string          `json:"name"`
	Datatype string          `json:"datatype"`
	Shape    []int64         `json:"shape"`
	Data     json.RawMessage `json:"data"`
}

// readOutputs reads an answer of the Open Inference Protocol, sorted by name.
func readOutputs(body []byte) ([]outputTensor, bool) {
	var a struct {
		Outputs []outputTensor `json:"outputs"`
	}
	if err := json.Unmarshal(body, &a); err != nil || len(a.Outputs) == 0 {
		return nil, false
	}
	slices.SortFunc(a.Outputs, func(x, y outputTensor) int { return bytes.Compare([]byte(x.Name), []byte(y.Name)) })
	return a.Outputs, true
}

func sameOutput(a, b outputTensor) bool {
	if a.Name != b.Name || !slices.Equal(a.Shape, b.Shape) {
		return false
	}
	x, areNumbers := numbers(a.Data)
	y, alsoNumbers := numbers(b.Data)
	switch {
	case !areNumbers || !alsoNumbers:
		return sameJSON(a.Data, b.Data)
	case len(x) != len(y):
		return false
	case a.Name == outputProbabilities && len(a.Shape) == 2 && a.Shape[1] > 0 && int64(len(x)) == a.Shape[0]*a.Shape[1]:
		return sameClasses(x, y, int(a.Shape[1]))
	}
	return slices.EqualFunc(x, y, near)
}

func sameClasses(x, y []float64, width int) bool {
	for row := 0; row < len(x); row += width {
		if likeliest(x[row:row+width]) != likeliest(y[row:row+width]) {
			return false
		}
	}
	return true
}

func likeliest(row []float64) int {
	best := 0
	for i, p := range row {
		if p > row[best] {
			best = i
		}
	}
	return best
}

func near(a, b float64) bool {
	return math.Abs(a-b) <= max(nearZero, tolerance*max(math.Abs(a), math.Abs(b)))
}
