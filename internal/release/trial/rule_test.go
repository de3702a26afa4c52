package trial

import (
	"math"
	"testing"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

// steady are seconds that are all alike.
func steady(n int, stable, candidate analysis.Counts) []Second {
	seconds := make([]Second, n)
	for i := range seconds {
		seconds[i] = Second{Stable: stable, Candidate: candidate}
	}
	return seconds
}

// firstTrue is the second, from 1, at which a judge returns the candidate; 0 if it does not.
func firstTrue(judge Judge, seconds []Second) int {
	for i := range seconds {
		if judge(&seconds[i]) {
			return i + 1
		}
	}
	return 0
}

func TestStrikes(t *testing.T) {
	good, bad := analysis.Counts{Requests: 20}, analysis.Counts{Requests: 20, Failures: 1}
	none, edge := analysis.Counts{}, analysis.Counts{Requests: 100, Failures: 1}
	stable := analysis.Counts{Requests: 80, Failures: 80}
	script := func(parts ...[]Second) (all []Second) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, c := range map[string]struct {
		seconds []Second
		want    int
	}{
		"three bad windows in a row":           {steady(100, stable, bad), 30},
		"not in a row":                         {script(steady(10, stable, bad), steady(30, stable, good), steady(20, stable, bad)), 60},
		"one bad second makes a window bad":    {script(steady(9, stable, good), steady(1, stable, analysis.Counts{Requests: 20, Failures: 3}), steady(20, stable, bad)), 30},
		"just 1 % is not a strike":             {steady(100, stable, edge), 0},
		"windows count from the first request": {script(steady(7, stable, none), steady(100, stable, bad)), 37},
		"a window without requests":            {script(steady(10, stable, bad), steady(50, stable, none), steady(20, stable, bad)), 80},
	} {
		t.Run(name, func(t *testing.T) {
			if got := firstTrue((strikes{window: 10, most: 3}).Begin(Past{}), c.seconds); got != c.want {
				t.Errorf("returned at second %d; want %d", got, c.want)
			}
		})
	}
}

// TestPlainFollowsItsDefinition compares with the score written out for a release of three seconds: the maximum over
// alternatives and first seconds of the prior and the likelihood ratios since then.
func TestPlainFollowsItsDefinition(t *testing.T) {
	seconds := []Second{
		{Stable: analysis.Counts{Requests: 80, Failures: 1}},
		{Stable: analysis.Counts{Requests: 80}, Candidate: analysis.Counts{Requests: 20}},
		{Stable: analysis.Counts{Requests: 80}, Candidate: analysis.Counts{Requests: 20, Failures: 5}},
	}
	log := math.Log
	var p plainJudge
	for i := range seconds {
		p.add(&seconds[i])
	}
	keep := math.Exp(-1.0 / 1800)
	rates := []float64{1.5 / 180, (keep + 0.5) / (keep*80 + 80 + 100)} // of one second before, and of two
	for i, more := range []float64{0.01, 0.03, 0.1, 0.3, 0.8} {
		x := func(rate, failures float64) float64 {
			worse := min(rate+more, 0.99)
			both := (80*rate + 20*worse) / 100
			return 80*log((1-rate)/(1-both)) + failures*log(worse/both) + (20-failures)*log((1-worse)/(1-both))
		}
		first, second := x(rates[0], 0), x(rates[1], 5)
		want := max(-log(5*1*2)+first, -log(5*2*3)) + second
		if math.Abs(p.scores[i]-want) > 1e-9 {
			t.Errorf("alternative %v: %v nats; want %v", more, p.scores[i], want)
		}
	}
}

// TestPlainIsBoundedWhereFailuresAreIndependent adds up every outcome of one second: the expectation of the likelihood
// ratio is at most 1 for a candidate as good as stable.
func TestPlainIsBoundedWhereFailuresAreIndependent(t *testing.T) {
	const stable, candidate, truth = 8, 4, 0.07
	chance := func(k, n int64) float64 {
		return math.Exp(lchoose(n, k) + float64(k)*math.Log(truth) + float64(n-k)*math.Log1p(-truth))
	}
	for alternative := range 5 {
		sum := 0.0
		for e := range int64(stable + 1) {
			for f := range int64(candidate + 1) {
				var p plainJudge
				p.add(&Second{Stable: analysis.Counts{Requests: stable, Failures: e}, Candidate: analysis.Counts{Requests: candidate, Failures: f}})
				sum += chance(e, stable) * chance(f, candidate) * math.Exp(p.scores[alternative]+math.Log(5*1*2))
			}
		}
		if sum > 1+1e-9 {
			t.Errorf("alternative %d: the expectation is %v", alternative, sum)
		}
	}
}

func lchoose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n) + 1)
	b, _ := math.Lgamma(float64(k) + 1)
	c, _ := math.Lgamma(float64(n-k) + 1)
	return a - b - c
}

func TestBetDoublesAsItStakes(t *testing.T) {
	// All of the candidate's requests fail: the first stake is 0 and the others are the most, so that each second after the
	// first makes the capital 1.75 times as large.
	judge := bet{}.Begin(Past{})
	seconds := steady(20, analysis.Counts{Requests: 80}, analysis.Counts{Requests: 20, Failures: 20})
	want := 1 + int(math.Ceil(math.Log(100)/math.Log(1.75)))
	if got := firstTrue(judge, seconds); got != want {
		t.Errorf("returned at second %d; want %d", got, want)
	}
	if got := firstTrue(bet{}.Begin(Past{}), steady(2000, analysis.Counts{Requests: 80, Failures: 4}, analysis.Counts{Requests: 20, Failures: 1})); got != 0 {
		t.Errorf("a candidate just like stable was returned at second %d", got)
	}
}

func TestBoundIsTheFormula(t *testing.T) {
	// For 2 %: KL = 0.02·ln 4 + 0.98·ln(0.98/0.995) = 0.012842, and ln 100 / (20·0.012842) = 17.93.
	for fails, want := range map[float64]float64{0.02: 17.93, 0.05: 3.236, 0.2: 0.4088, 0.5: 0.1175, 1: 0.04346} {
		if got := Bound(fails, 0.005, 20); math.Abs(got-want) > 0.005*want {
			t.Errorf("%v: %v seconds; want %v", fails, got, want)
		}
	}
}

func TestUpperBoundIsClopperAndPearsons(t *testing.T) {
	for _, c := range []struct {
		k, n int
		want float64
	}{
		// With none of n it is 1 - 0.05^(1/n).
		{0, 2400, 0.0012474}, {0, 10_000, 0.00029953}, {1, 2400, 0.0019751}, {16, 2400, 0.0101}, {5, 10, 0.77756}, {10, 10, 1},
	} {
		if got := upperBound(c.k, c.n); math.Abs(got-c.want) > 0.002*c.want {
			t.Errorf("%d of %d: %.5g; want %.5g", c.k, c.n, got, c.want)
		}
	}
}
