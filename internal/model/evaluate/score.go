package evaluate

import (
	"errors"
	"fmt"
	"math"
)

// tally is a confusion matrix: tally[actual][predicted] rows.
type tally [][]float64

func newTally(classes int) tally {
	cells := make([]float64, classes*classes)
	t := make(tally, classes)
	for i := range t {
		t[i] = cells[i*classes : (i+1)*classes : (i+1)*classes]
	}
	return t
}

// macro gives precision, recall and F1 as means over the classes that occur as a label or as an answer. A class that is
// never answered has precision 0, one that never occurs recall 0; so has its F1. F1 is the mean of the classes' F1, not
// the harmonic mean of the other two (Opitz and Burst, "Macro F1 and Macro F1", arXiv 1911.03347).
func (t tally) macro() (precision, recall, f1 float64) {
	seen := 0.0
	for class := range t {
		var answered, actual float64
		for other := range t {
			answered += t[other][class]
			actual += t[class][other]
		}
		if answered+actual == 0 {
			continue
		}
		seen++
		right := t[class][class]
		precision += share(right, answered)
		recall += share(right, actual)
		f1 += share(2*right, answered+actual)
	}
	return share(precision, seen), share(recall, seen), share(f1, seen)
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

// Classes measures a classification by the labels and the answers of the same rows, both as indices below classes.
func Classes(labels, answers []int, classes int) (Metrics, map[string]Interval, error) {
	if len(labels) != len(answers) || len(labels) == 0 {
		return Metrics{}, nil, fmt.Errorf("measuring %d answers to %d rows: there must be one for each, and at least one", len(answers), len(labels))
	}
	t := newTally(classes)
	right := 0
	for i, label := range labels {
		if label < 0 || label >= classes || answers[i] < 0 || answers[i] >= classes {
			return Metrics{}, nil, fmt.Errorf("row %d: label %d and answer %d must be indices below %d", i+1, label, answers[i], classes)
		}
		t[label][answers[i]]++
		if label == answers[i] {
			right++
		}
	}
	accuracy := float64(right) / float64(len(labels))
	precision, recall, f1 := t.macro()
	intervals := bootstrap(len(labels), []string{"precision", "recall", "f1Score"}, func(sample []int) []float64 {
		t := newTally(classes)
		for _, i := range sample {
			t[labels[i]][answers[i]]++
		}
		p, r, f := t.macro()
		return []float64{p, r, f}
	})
	intervals["accuracy"] = Wilson(right, len(labels))
	return Metrics{Accuracy: &accuracy, Precision: &precision, Recall: &recall, F1Score: &f1}, intervals, nil
}

// Numbers measures a regression by the targets and the answers of the same rows.
func Numbers(targets, answers []float64) (Metrics, map[string]Interval, error) {
	if len(targets) != len(answers) || len(targets) == 0 {
		return Metrics{}, nil, fmt.Errorf("measuring %d answers to %d rows: there must be one for each, and at least one", len(answers), len(targets))
	}
	all := make([]int, len(targets))
	for i := range all {
		all[i] = i
	}
	values := errorsOf(targets, answers, all)
	if math.IsInf(values[0], 0) || math.IsNaN(values[0]) {
		return Metrics{}, nil, errors.New("measuring a regression: the errors are too large to be squared and summed")
	}
	m := Metrics{RMSE: &values[0], MAE: &values[1]}
	names := []string{"rmse", "mae"}
	if !math.IsNaN(values[2]) {
		m.R2 = &values[2]
		names = append(names, "r2")
	}
	return m, bootstrap(len(targets), names, func(sample []int) []float64 { return errorsOf(targets, answers, sample) }), nil
}

// Bits measures a language model by the bits that it needed for each text, and the bytes of each: what it takes to tell one
// byte of them all. Unlike perplexity it does not depend on how a model divides a text into tokens (Gao et al., "The Pile",
// arXiv 2101.00027, §3.1).
func Bits(bits, bytes []float64) (Metrics, map[string]Interval, error) {
	if len(bits) != len(bytes) || len(bits) == 0 {
		return Metrics{}, nil, fmt.Errorf("measuring the bits of %d texts of %d: there must be those of each, and at least one", len(bits), len(bytes))
	}
	all := make([]int, len(bits))
	for i := range all {
		all[i] = i
	}
	rate := func(texts []int) []float64 {
		var needed, told float64
		for _, i := range texts {
			needed += bits[i]
			told += bytes[i]
		}
		return []float64{needed / told}
	}
	value := rate(all)[0]
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return Metrics{}, nil, errors.New("measuring a language model: the texts have no bytes with a probability; write longer ones")
	}
	return Metrics{BitsPerByte: &value}, bootstrap(len(bits), []string{"bitsPerByte"}, rate), nil
}

// errorsOf gives rmse, mae and r2 = 1 - Σe²/Σ(y-ȳ)² of the rows named by index; r2 is NaN where all targets are equal.
func errorsOf(targets, answers []float64, rows []int) []float64 {
	n := float64(len(rows))
	mean := 0.0
	for _, i := range rows {
		mean += targets[i] / n
	}
	var squared, absolute, spread float64
	for _, i := range rows {
		e, d := answers[i]-targets[i], targets[i]-mean
		squared += e * e
		absolute += math.Abs(e)
		spread += d * d
	}
	r2 := math.NaN()
	if varied(targets, rows) {
		r2 = 1 - squared/spread
	}
	return []float64{math.Sqrt(squared / n), absolute / n, r2}
}

func varied(targets []float64, rows []int) bool {
	for _, i := range rows {
		if targets[i] != targets[rows[0]] {
			return true
		}
	}
	return false
}
