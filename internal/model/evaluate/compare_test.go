package evaluate

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestEvenSplitOfKnownCounts(t *testing.T) {
	for _, c := range []struct {
		a, b int32
		want float64
	}{
		{0, 0, 1},
		{1, 0, 1},
		{3, 3, 1},
		{0, 5, 0.0625},
		{5, 0, 0.0625},
		{1, 8, 20. / 512},
		{8, 1, 20. / 512},
		{5, 15, 2 * 21700. / (1 << 20)},
		{7, 7, 1},
	} {
		near(t, "the p-value", evenSplit(c.a, c.b), c.want, 1e-12)
	}
}

// slowSplit counts in whole numbers: 2 Σ_{k ≤ min(a,b)} C(n,k) / 2ⁿ.
func slowSplit(a, b int32) float64 {
	n := int64(a) + int64(b)
	sum := new(big.Int)
	for k := range int64(min(a, b)) + 1 {
		sum.Add(sum, new(big.Int).Binomial(n, k))
	}
	all := new(big.Int).Lsh(big.NewInt(1), uint(n))
	p, _ := new(big.Rat).SetFrac(sum.Lsh(sum, 1), all).Float64()
	return min(1, p)
}

func TestEvenSplitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Int32Range(0, 400)
		a, b := one.Draw(t, "a"), one.Draw(t, "b")
		got, want := evenSplit(a, b), slowSplit(a, b)
		if math.Abs(got-want) > 1e-9*want+1e-300 || got > 1 || got <= 0 && want > 1e-300 {
			t.Fatalf("%d : %d has p = %v; counted %v", a, b, got, want)
		}
	})
}

// ofTexts is a comparison of texts.
func ofTexts(candidateOnly, stableOnly int32) Comparison {
	return Comparison{CandidateOnly: candidateOnly, StableOnly: stableOnly, PValue: evenSplit(candidateOnly, stableOnly), Texts: true}
}

func TestOfTwoComparisonsTheWorseIsTold(t *testing.T) {
	ofPrompts := func(candidateOnly, stableOnly int32) Comparison {
		c := ofTexts(candidateOnly, stableOnly)
		c.Texts = false
		return c
	}
	for sentence, c := range map[string]struct {
		prompts, texts Comparison
		want           bool
	}{
		"worse on texts alone":           {ofPrompts(5, 5), ofTexts(2, 20), true},
		"worse on texts, good on labels": {ofPrompts(20, 2), ofTexts(4, 5), true},
		"worse on labels alone":          {ofPrompts(0, 8), ofTexts(30, 2), false},
		"worse on both, more on texts":   {ofPrompts(1, 8), ofTexts(2, 20), true},
		"worse on both, more on labels":  {ofPrompts(2, 20), ofTexts(1, 8), false},
		"better on both, less on texts":  {ofPrompts(20, 2), ofTexts(8, 1), true},
		"better on both, less on labels": {ofPrompts(8, 1), ofTexts(20, 2), false},
		"alike on both":                  {ofPrompts(1, 1), ofTexts(7, 7), false},
	} {
		if got := worst(c.prompts, c.texts); got.Texts != c.want {
			t.Errorf("%s: %+v", sentence, got)
		}
	}
}

func TestOnlyRowsThatDifferCount(t *testing.T) {
	classes := compareClasses([]int{0, 1, 2, 3, 4}, []int{0, 1, 0, 0, 4}, []int{0, 0, 2, 1, 0})
	if classes.CandidateOnly != 2 || classes.StableOnly != 1 || classes.PValue != 1 {
		t.Errorf("classes: %+v", classes)
	}
	if *classes.Differ != 4 { // on the fourth row both are wrong, and not alike
		t.Errorf("%d rows differ", *classes.Differ)
	}
	numbers := compareNumbers([]float64{10, 10, 10, 10}, []float64{11, 9, 10, 12}, []float64{9, 12, 11, 12.001})
	if numbers.CandidateOnly != 3 || numbers.StableOnly != 0 || math.Abs(numbers.PValue-0.25) > 1e-12 {
		t.Errorf("numbers: %+v", numbers)
	}
	if *numbers.Differ != 3 { // the last is within the tolerance
		t.Errorf("%d rows differ", *numbers.Differ)
	}
}
