package evaluate

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Task is what a model answers with.
type Task string

// The tasks that can be evaluated.
const (
	// Classification answers with a probability for each label.
	Classification Task = "classification"
	// Regression answers with a number.
	Regression Task = "regression"
)

// ParseTask reads the name of a task.
func ParseTask(text string) (Task, error) {
	switch task := Task(text); task {
	case Classification, Regression:
		return task, nil
	default:
		return "", wrong("task %q: write %s or %s", text, Classification, Regression)
	}
}

// Metrics are measured qualities, or limits on them: least values of accuracy, precision, recall, f1Score and r2, greatest
// of rmse and mae, which are in the target's unit. Precision, recall and F1 are macro averages. Absent is not measured,
// or not asked for.
type Metrics struct {
	Accuracy  *float64 `json:"accuracy,omitempty"`
	Precision *float64 `json:"precision,omitempty"`
	Recall    *float64 `json:"recall,omitempty"`
	F1Score   *float64 `json:"f1Score,omitempty"`
	RMSE      *float64 `json:"rmse,omitempty"`
	MAE       *float64 `json:"mae,omitempty"`
	R2        *float64 `json:"r2,omitempty"`
}

// Interval is a closed range.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Comparison is a paired comparison of two versions on the same rows.
type Comparison struct {
	// Version compared with.
	Version string `json:"version"`
	// CandidateOnly and StableOnly count the rows that one alone got right; for a regression, those it came closer on.
	CandidateOnly int32 `json:"candidateOnly"`
	StableOnly    int32 `json:"stableOnly"`
	// Differ counts the rows that the two answered differently, right or wrong; nil where it was not counted.
	Differ *int32 `json:"differ,omitempty"`
	// PValue is the exact two-sided probability of a split at least as uneven if both were alike.
	PValue float64 `json:"pValue"`
}

// Result is one evaluation. Error is set, and the measures are absent, where it could not be carried out.
type Result struct {
	Task    Task    `json:"task,omitempty"`
	Version string  `json:"version,omitempty"`
	Rows    int     `json:"rows"`
	Metrics Metrics `json:"metrics"`
	// Intervals are 95 % intervals by the metric's name.
	Intervals map[string]Interval `json:"intervals,omitempty"`
	// ModelDigest, DatasetDigest and Runtime are what the result is bound to.
	ModelDigest   string      `json:"modelDigest,omitempty"`
	DatasetDigest string      `json:"datasetDigest,omitempty"`
	Runtime       string      `json:"runtime,omitempty"`
	Comparison    *Comparison `json:"comparison,omitempty"`
	Error         string      `json:"error,omitempty"`
}

// MaxResult is the greatest size of an encoded Result in bytes: the kubelet keeps no more of a termination message.
const MaxResult = 4096

// Encode is the result as JSON of at most MaxResult bytes. Only Error is shortened for that.
func (r Result) Encode() ([]byte, error) {
	r.Error = strings.ToValidUTF8(r.Error, "�")
	for {
		text, err := json.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("encoding the result: %w", err)
		}
		if len(text) <= MaxResult {
			return text, nil
		}
		// JSON writes a byte as six at most, so this never takes off more than it must but for a few.
		kept := len(r.Error) - (len(text)-MaxResult)/6 - 2*len("…")
		if kept <= 0 {
			return nil, fmt.Errorf("encoding the result: %d bytes, of at most %d", len(text), MaxResult)
		}
		for !utf8.RuneStart(r.Error[kept]) {
			kept--
		}
		r.Error = strings.TrimRight(r.Error[:kept], "…") + "…"
	}
}

// measure is a metric by name: how to find it, and which way is better.
type measure struct {
	name  string
	task  Task
	least bool
	of    func(Metrics) *float64
}

func measures() []measure {
	return []measure{
		{"accuracy", Classification, true, func(m Metrics) *float64 { return m.Accuracy }},
		{"precision", Classification, true, func(m Metrics) *float64 { return m.Precision }},
		{"recall", Classification, true, func(m Metrics) *float64 { return m.Recall }},
		{"f1Score", Classification, true, func(m Metrics) *float64 { return m.F1Score }},
		{"rmse", Regression, false, func(m Metrics) *float64 { return m.RMSE }},
		{"mae", Regression, false, func(m Metrics) *float64 { return m.MAE }},
		{"r2", Regression, true, func(m Metrics) *float64 { return m.R2 }},
	}
}
