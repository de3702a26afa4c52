package evaluate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
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
	// Language answers with the probability of a text.
	Language Task = "language"
)

// ParseTask reads the name of a task.
func ParseTask(text string) (Task, error) {
	switch task := Task(text); task {
	case Classification, Regression, Language:
		return task, nil
	default:
		return "", wrong("task %q: write %s, %s or %s", text, Classification, Regression, Language)
	}
}

// Metrics are measured qualities, or limits on them: least values of accuracy, precision, recall, f1Score and r2, greatest
// of rmse and mae, which are in the target's unit, and of bitsPerByte. Precision, recall and F1 are macro averages. Absent is
// not measured, or not asked for.
type Metrics struct {
	Accuracy  *float64 `json:"accuracy,omitempty"`
	Precision *float64 `json:"precision,omitempty"`
	Recall    *float64 `json:"recall,omitempty"`
	F1Score   *float64 `json:"f1Score,omitempty"`
	RMSE      *float64 `json:"rmse,omitempty"`
	MAE       *float64 `json:"mae,omitempty"`
	R2        *float64 `json:"r2,omitempty"`
	// BitsPerByte is what a language model needs to tell a text that it does not know.
	BitsPerByte *float64 `json:"bitsPerByte,omitempty"`
}

// and adds what the other measured.
func (m Metrics) and(other Metrics) Metrics {
	return Metrics{
		Accuracy: cmp.Or(m.Accuracy, other.Accuracy), Precision: cmp.Or(m.Precision, other.Precision),
		Recall: cmp.Or(m.Recall, other.Recall), F1Score: cmp.Or(m.F1Score, other.F1Score),
		RMSE: cmp.Or(m.RMSE, other.RMSE), MAE: cmp.Or(m.MAE, other.MAE), R2: cmp.Or(m.R2, other.R2),
		BitsPerByte: cmp.Or(m.BitsPerByte, other.BitsPerByte),
	}
}

// Interval is a closed range.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Comparison is a paired comparison of two versions on the same rows. Where these are labelled prompts and texts it is that of
// the kind on which the candidate did worse: where p is the smaller against it, or else the greater for it.
type Comparison struct {
	// Version compared with.
	Version string `json:"version"`
	// CandidateOnly and StableOnly count the rows that one alone got right; for a regression those it came closer on, for
	// text those it needed fewer bits for.
	CandidateOnly int32 `json:"candidateOnly"`
	StableOnly    int32 `json:"stableOnly"`
	// Differ counts the rows that the two answered differently, right or wrong; nil where it was not counted.
	Differ *int32 `json:"differ,omitempty"`
	// PValue is the exact two-sided probability of a split at least as uneven if both were alike.
	PValue float64 `json:"pValue"`
	// Texts says that texts were compared, where the rows are labelled prompts too.
	Texts bool `json:"texts,omitempty"`
}

// Result is one evaluation. Error is set, and the measures are absent, where it could not be carried out.
type Result struct {
	Task    Task   `json:"task,omitempty"`
	Version string `json:"version,omitempty"`
	Rows    int    `json:"rows"`
	// Texts are how many of a language model's rows are texts; the others are labelled prompts.
	Texts   int     `json:"texts,omitempty"`
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

// mixed says whether the rows are of two kinds, each with measures of its own.
func (r Result) mixed() bool { return r.Texts > 0 && r.Texts < r.Rows }

// Compared is how many rows the comparison is of.
func (r Result) Compared() int {
	switch {
	case !r.mixed() || r.Comparison == nil:
		return r.Rows
	case r.Comparison.Texts:
		return r.Texts
	default:
		return r.Rows - r.Texts
	}
}

// add takes in what was measured, or why it could not be.
func (r *Result) add(m Metrics, intervals map[string]Interval, err error) error {
	if err != nil {
		return inputError{err.Error()}
	}
	r.Metrics = r.Metrics.and(m)
	maps.Copy(r.Intervals, intervals)
	return nil
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

// measure is a metric by name: how to find it, of which tasks it is, and which way is better.
type measure struct {
	name  string
	tasks []Task
	least bool
	of    func(Metrics) *float64
}

// measures are all there are. Those of classes are a regression's where its data set names bands, and a language model's
// where it has labelled prompts.
func measures() []measure {
	classes, numbers, text := []Task{Classification, Regression, Language}, []Task{Regression}, []Task{Language}
	return []measure{
		{"accuracy", classes, true, func(m Metrics) *float64 { return m.Accuracy }},
		{"precision", classes, true, func(m Metrics) *float64 { return m.Precision }},
		{"recall", classes, true, func(m Metrics) *float64 { return m.Recall }},
		{"f1Score", classes, true, func(m Metrics) *float64 { return m.F1Score }},
		{"rmse", numbers, false, func(m Metrics) *float64 { return m.RMSE }},
		{"mae", numbers, false, func(m Metrics) *float64 { return m.MAE }},
		{"r2", numbers, true, func(m Metrics) *float64 { return m.R2 }},
		{"bitsPerByte", text, false, func(m Metrics) *float64 { return m.BitsPerByte }},
	}
}
