package evaluate

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s is %v; want %v", what, got, want)
	}
}

// The example of scikit-learn's documentation of precision_recall_fscore_support, and cases at the edges.
func TestMacroAveragesOfKnownAnswers(t *testing.T) {
	cases := map[string]struct {
		labels, answers                 []int
		classes                         int
		accuracy, precision, recall, f1 float64
	}{
		"scikit-learn's example": {[]int{0, 1, 2, 0, 1, 2}, []int{0, 2, 1, 0, 0, 1}, 3, 2. / 6, 2. / 9, 1. / 3, 0.8 / 3},
		"all right":              {[]int{0, 1, 1}, []int{0, 1, 1}, 2, 1, 1, 1, 1},
		"all wrong":              {[]int{0, 1}, []int{1, 0}, 2, 0, 0, 0, 0},
		"a class that does not occur and is never answered does not count": {[]int{0, 1}, []int{0, 1}, 5, 1, 1, 1, 1},
		"one that is answered and does not occur counts as 0":              {[]int{0, 0}, []int{0, 1}, 2, .5, .5, .25, 1. / 3},
		"one row": {[]int{3}, []int{3}, 4, 1, 1, 1, 1},
	}
	for sentence, c := range cases {
		t.Run(sentence, func(t *testing.T) {
			m, _, err := Classes(c.labels, c.answers, c.classes)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "accuracy", *m.Accuracy, c.accuracy, 1e-12)
			near(t, "precision", *m.Precision, c.precision, 1e-12)
			near(t, "recall", *m.Recall, c.recall, 1e-12)
			near(t, "F1", *m.F1Score, c.f1, 1e-12)
		})
	}
}

// slowMacro counts each class over again, by the definitions.
func slowMacro(labels, answers []int, classes int) (precision, recall, f1 float64) {
	seen := 0.0
	for class := range classes {
		var both, answered, actual float64
		for i := range labels {
			if labels[i] == class && answers[i] == class {
				both++
			}
			if answers[i] == class {
				answered++
			}
			if labels[i] == class {
				actual++
			}
		}
		if answered == 0 && actual == 0 {
			continue
		}
		seen++
		p, r := 0.0, 0.0
		if answered > 0 {
			p = both / answered
		}
		if actual > 0 {
			r = both / actual
		}
		precision, recall = precision+p, recall+r
		if p+r > 0 {
			f1 += 2 * p * r / (p + r)
		}
	}
	return precision / seen, recall / seen, f1 / seen
}

func TestMacroAveragesAreWhatTheDefinitionsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.IntRange(1, 6).Draw(t, "classes")
		rows := rapid.IntRange(1, 40).Draw(t, "rows")
		one := rapid.IntRange(0, classes-1)
		labels := rapid.SliceOfN(one, rows, rows).Draw(t, "labels")
		answers := rapid.SliceOfN(one, rows, rows).Draw(t, "answers")
		table := newTally(classes)
		for i := range labels {
			table[labels[i]][answers[i]]++
		}
		p, r, f := table.macro()
		wantP, wantR, wantF := slowMacro(labels, answers, classes)
		for name, pair := range map[string][2]float64{"precision": {p, wantP}, "recall": {r, wantR}, "F1": {f, wantF}} {
			if math.Abs(pair[0]-pair[1]) > 1e-12 || pair[0] < 0 || pair[0] > 1+1e-12 {
				t.Fatalf("%s is %v; by the definition %v", name, pair[0], pair[1])
			}
		}
	})
}

// The examples of scikit-learn's documentation of mean_absolute_error, mean_squared_error and r2_score.
func TestErrorsOfKnownNumbers(t *testing.T) {
	m, intervals, err := Numbers([]float64{3, -0.5, 2, 7}, []float64{2.5, 0, 2, 8})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mae", *m.MAE, 0.5, 1e-12)
	near(t, "rmse", *m.RMSE, math.Sqrt(0.375), 1e-12)
	near(t, "r2", *m.R2, 0.9486081370449679, 1e-12)
	for _, name := range []string{"mae", "rmse", "r2"} {
		if i, found := intervals[name]; !found || i.Low > i.High {
			t.Errorf("the interval of %s is %v", name, i)
		}
	}
}

func TestBitsPerByteWeighTextsByTheirLength(t *testing.T) {
	m, intervals, err := Bits([]float64{10, 2}, []float64{4, 8})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "bitsPerByte", *m.BitsPerByte, 1, 1e-12)
	// Of two texts drawn with replacement, a quarter of the samples are the one twice and a quarter the other.
	near(t, "the lower end", intervals["bitsPerByte"].Low, 0.25, 1e-12)
	near(t, "the upper end", intervals["bitsPerByte"].High, 2.5, 1e-12)
}

// slowBand looks each band through for whether it holds the number.
func slowBand(bands []Band, v float64) int {
	low := math.Inf(-1)
	for i, b := range bands {
		high := math.Inf(1)
		if b.Below != nil {
			high = *b.Below
		}
		if v >= low && v < high {
			return i
		}
		low = high
	}
	return -1
}

func TestEachNumberIsInOneBand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := rapid.SliceOfNDistinct(rapid.Float64Range(-10, 10), 1, 8, rapid.ID).Draw(t, "limits")
		slices.Sort(limits)
		bands := make([]Band, len(limits)+1)
		for i := range limits {
			bands[i].Below = &limits[i]
		}
		v := rapid.OneOf(rapid.Float64Range(-20, 20), rapid.SampledFrom(limits)).Draw(t, "number")
		if got, want := bandsOf(bands, []float64{v})[0], slowBand(bands, v); got != want {
			t.Fatalf("%v is in band %d of %v; want %d", v, got, limits, want)
		}
	})
}

func TestR2IsNotMeasuredWhereAllTargetsAreEqual(t *testing.T) {
	m, intervals, err := Numbers([]float64{2, 2, 2}, []float64{1, 2, 3})
	if err != nil || m.R2 != nil {
		t.Errorf("r2 is %v, %v", m.R2, err)
	}
	if _, found := intervals["r2"]; found {
		t.Error("r2 has an interval and no value")
	}
}

func TestWhatCannotBeMeasuredIsSaid(t *testing.T) {
	for sentence, measure := range map[string]func() error{
		"no rows":                    func() error { _, _, err := Classes(nil, nil, 2); return err },
		"fewer answers than labels":  func() error { _, _, err := Classes([]int{0, 1}, []int{0}, 2); return err },
		"a label beyond the classes": func() error { _, _, err := Classes([]int{2}, []int{0}, 2); return err },
		"an answer beyond them":      func() error { _, _, err := Classes([]int{0}, []int{2}, 2); return err },
		"a negative label":           func() error { _, _, err := Classes([]int{-1}, []int{0}, 2); return err },
		"no numbers":                 func() error { _, _, err := Numbers(nil, nil); return err },
		"fewer numbers than targets": func() error { _, _, err := Numbers([]float64{1, 2}, []float64{1}); return err },
		"no texts":                   func() error { _, _, err := Bits(nil, nil); return err },
		"fewer sizes than texts":     func() error { _, _, err := Bits([]float64{1, 2}, []float64{1}); return err },
		"texts of no bytes":          func() error { _, _, err := Bits([]float64{1}, []float64{0}); return err },
		"errors beyond a float":      func() error { _, _, err := Numbers([]float64{1e200}, []float64{0}); return err },
	} {
		if measure() == nil {
			t.Errorf("%s was measured", sentence)
		}
	}
}

// R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3.
func TestWilsonIsThatOfNewcombesTable(t *testing.T) {
	for _, c := range []struct {
		successes, trials int
		low, high         float64
	}{{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718}, {29, 29, 0.8830, 1}} {
		got := Wilson(c.successes, c.trials)
		near(t, "the lower end", got.Low, c.low, 5e-5)
		near(t, "the upper end", got.High, c.high, 5e-5)
	}
}

// The ends are those shares p whose score test is at the edge: |share - p| = z √(p(1-p)/n).
func TestWilsonInvertsTheScoreTest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 5000).Draw(t, "trials")
		k := rapid.IntRange(0, n).Draw(t, "successes")
		share, i := float64(k)/float64(n), Wilson(k, n)
		if i.Low < 0 || i.High > 1 || i.Low > share || i.High < share {
			t.Fatalf("%d of %d: %v", k, n, i)
		}
		for _, p := range []float64{i.Low, i.High} {
			if edge := z975 * math.Sqrt(p*(1-p)/float64(n)); math.Abs(math.Abs(share-p)-edge) > 1e-9 {
				t.Fatalf("%d of %d: %v is %v away and the test's edge is %v", k, n, p, math.Abs(share-p), edge)
			}
		}
	})
}

// R: quantile(1:10, c(.025, .5, .975)).
func TestQuantileIsTheUsualOne(t *testing.T) {
	sorted := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for q, want := range map[float64]float64{0: 1, .025: 1.225, .5: 5.5, .975: 9.775, 1: 10} {
		near(t, "a quantile", quantile(sorted, q), want, 1e-12)
	}
	near(t, "that of one value", quantile([]float64{4}, .975), 4, 0)
}

func TestBootstrapOfAMeanIsNearItsStandardError(t *testing.T) {
	const rows = 400
	values, mean, variance := make([]float64, rows), 0.0, 0.0
	for i := range values {
		values[i] = math.Mod(float64(i)*0.6180339887, 1) // spread evenly over 0 to 1
		mean += values[i] / rows
	}
	for _, v := range values {
		variance += (v - mean) * (v - mean) / rows
	}
	got := bootstrap(rows, []string{"mean", "never"}, func(sample []int) []float64 {
		sum := 0.0
		for _, i := range sample {
			sum += values[i]
		}
		return []float64{sum / rows, math.NaN()}
	})
	half := z975 * math.Sqrt(variance/rows)
	near(t, "the lower end", got["mean"].Low, mean-half, 0.15*half)
	near(t, "the upper end", got["mean"].High, mean+half, 0.15*half)
	if _, found := got["never"]; found {
		t.Error("a statistic that is never a number has an interval")
	}
}

func TestTheSameAnswersGiveTheSameIntervals(t *testing.T) {
	labels, answers := make([]int, 300), make([]int, 300)
	for i := range labels {
		labels[i], answers[i] = i%3, (i*i)%3
	}
	_, first, err := Classes(labels, answers, 3)
	if err != nil {
		t.Fatal(err)
	}
	_, again, err := Classes(labels, answers, 3)
	if diff := cmp.Diff(first, again); diff != "" || err != nil {
		t.Errorf("%v (-first +again):\n%s", err, diff)
	}
	if want := Wilson(200, 300); first["accuracy"] != want {
		t.Errorf("accuracy has %v; want Wilson's %v", first["accuracy"], want)
	}
}
