package network

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestExpIsTheExponential(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.Float64Range(-699, 0).Draw(t, "x")
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-14*want {
			t.Errorf("exp(%g) = %g, not %g", x, got, want)
		}
	})
	if got := exp(-1e6); got != 0 {
		t.Errorf("exp(-1e6) = %g, not 0", got)
	}
	if got := exp(0); got != 1 {
		t.Errorf("exp(0) = %g, not 1", got)
	}
}

func TestSoftmaxIsADistributionInTheOrderOfTheScores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 2, 20).Draw(t, "scores")
		p, sum := Softmax(scores), 0.0
		for i, v := range p {
			sum += v
			for j, other := range p {
				if scores[i] > scores[j] && v < other {
					t.Errorf("scores %g > %g, but probabilities %g < %g", scores[i], scores[j], v, other)
				}
			}
		}
		if math.Abs(sum-1) > 1e-12 {
			t.Errorf("probabilities sum to %g", sum)
		}
	})
}

// cost is the loss that Train lowers, without the decay, computed without regard to how it is lowered.
func cost(n *Network, x []float64, y float64, loss Loss) float64 {
	out := n.Forward(x)
	if loss == SquaredError {
		return (out[0] - y) * (out[0] - y) / 2
	}
	return -math.Log(Softmax(out)[int(y)])
}

func TestGradientsAreTheDifferencesOfTheLoss(t *testing.T) {
	for name, c := range map[string]struct {
		loss   Loss
		widths []int
		y      float64
	}{
		"of a label, two hidden layers": {CrossEntropy, []int{3, 5, 4, 3}, 2},
		"of a label, no hidden layer":   {CrossEntropy, []int{3, 2}, 0},
		"of a number, a hidden layer":   {SquaredError, []int{3, 6, 1}, 0.7},
		"of a number, no hidden layer":  {SquaredError, []int{3, 1}, -2},
	} {
		t.Run(name, func(t *testing.T) {
			n, x := Random(7, c.widths...), []float64{0.3, -1.2, 0}
			gradients := n.gradients()
			n.backward(gradients, x, c.y, c.loss)
			const step = 1e-6
			for l, layer := range n.Layers {
				for _, part := range []struct {
					what           string
					weights, slope []float64
				}{{"weight", layer.W, gradients[l].w}, {"bias", layer.B, gradients[l].b}} {
					for i, w := range part.weights {
						part.weights[i] = w + step
						above := cost(n, x, c.y, c.loss)
						part.weights[i] = w - step
						below := cost(n, x, c.y, c.loss)
						part.weights[i] = w
						if want := (above - below) / (2 * step); math.Abs(part.slope[i]-want) > 1e-6 {
							t.Errorf("layer %d, %s %d: slope %g, not %g", l, part.what, i, part.slope[i], want)
						}
					}
				}
			}
		})
	}
}

// xor is not linear: it needs the hidden layer.
func xor() (x [][]float64, y []float64) {
	return [][]float64{{0, 0}, {0, 1}, {1, 0}, {1, 1}}, []float64{0, 1, 1, 0}
}

func TestTrainLearnsWhatIsNotLinear(t *testing.T) {
	x, y := xor()
	n := Random(1, 2, 8, 2)
	n.Train(x, y, Options{Loss: CrossEntropy, Epochs: 500, Batch: 4, Rate: 0.02, Seed: 1})
	for i, row := range x {
		if p := Softmax(n.Forward(row)); p[int(y[i])] < 0.9 {
			t.Errorf("%v: probability %g of the right label", row, p[int(y[i])])
		}
	}
}

func TestTrainFindsALine(t *testing.T) {
	x, y := [][]float64{{-1}, {0}, {1}, {2}}, []float64{-1, 1, 3, 5}
	n := Random(1, 1, 1)
	n.Train(x, y, Options{Loss: SquaredError, Epochs: 2000, Batch: 2, Rate: 0.01, Seed: 1})
	if w, b := n.Layers[0].W[0], n.Layers[0].B[0]; math.Abs(w-2) > 1e-3 || math.Abs(b-1) > 1e-3 {
		t.Errorf("%g x + %g, not 2 x + 1", w, b)
	}
}

func TestDecayKeepsWeightsSmall(t *testing.T) {
	x, y := [][]float64{{-1}, {1}}, []float64{-2, 2}
	weight := func(decay float64) float64 {
		n := Random(1, 1, 1)
		n.Train(x, y, Options{Loss: SquaredError, Epochs: 3000, Batch: 2, Rate: 0.01, Decay: decay, Seed: 1})
		return n.Layers[0].W[0]
	}
	// The minimum of mean (wx − y)²/2 + d w²/2 is w = 2 / (1 + d).
	for _, decay := range []float64{0, 0.5, 1} {
		if got, want := weight(decay), 2/(1+decay); math.Abs(got-want) > 1e-3 {
			t.Errorf("with decay %g the weight is %g, not %g", decay, got, want)
		}
	}
}

func TestTheSameSeedGivesTheSameWeights(t *testing.T) {
	x, y := xor()
	train := func(seed uint64) *Network {
		n := Random(seed, 2, 4, 2)
		n.Train(x, y, Options{Loss: CrossEntropy, Epochs: 20, Batch: 3, Rate: 0.02, Decay: 0.01, Seed: seed})
		return n
	}
	first := train(1)
	if diff := cmp.Diff(first, train(1)); diff != "" {
		t.Errorf("the same seed (-first +second):\n%s", diff)
	}
	if cmp.Equal(first, train(2)) {
		t.Error("another seed gives the same weights")
	}
	for _, layer := range first.Layers {
		for _, w := range append(layer.W, layer.B...) {
			if w != float64(float32(w)) {
				t.Errorf("%g is no float32", w)
			}
		}
	}
}
