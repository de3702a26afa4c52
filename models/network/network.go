package network

import (
	"math"
	"math/rand/v2"
)

// Dense is a layer y = xW + b; W[i*Out+j] leads from input i to output j.
type Dense struct {
	In, Out int
	W, B    []float64
}

// Network is layers with a rectifier between each two.
type Network struct {
	Layers []*Dense
}

// Random is a network of the given widths with He's uniform initialisation (He et al., arXiv 1502.01852).
func Random(seed uint64, widths ...int) *Network {
	//nolint:gosec // training wants a repeatable generator, not an unpredictable one
	random := rand.New(rand.NewPCG(seed, 1))
	n := &Network{}
	for i := 1; i < len(widths); i++ {
		d := &Dense{In: widths[i-1], Out: widths[i]}
		d.W, d.B = make([]float64, d.In*d.Out), make([]float64, d.Out)
		bound := math.Sqrt(6 / float64(d.In))
		for j := range d.W {
			d.W[j] = float64((2*random.Float64() - 1) * bound)
		}
		n.Layers = append(n.Layers, d)
	}
	return n
}

// Forward gives the last layer's output for one row.
func (n *Network) Forward(x []float64) []float64 {
	for i, layer := range n.Layers {
		x = layer.forward(x)
		if i < len(n.Layers)-1 {
			rectify(x)
		}
	}
	return x
}

// Round takes every weight to the nearest float32, which is what an exported graph keeps.
func (n *Network) Round() {
	for _, layer := range n.Layers {
		for _, weights := range [][]float64{layer.W, layer.B} {
			for i, w := range weights {
				weights[i] = float64(float32(w))
			}
		}
	}
}

func (d *Dense) forward(x []float64) []float64 {
	y := make([]float64, d.Out)
	copy(y, d.B)
	for i, v := range x {
		if v != 0 {
			add(y, v, d.W[i*d.Out:(i+1)*d.Out])
		}
	}
	return y
}

func rectify(x []float64) {
	for i, v := range x {
		x[i] = max(v, 0)
	}
}

// add is y += factor · x. The conversion rounds the product; see the package's promise.
func add(y []float64, factor float64, x []float64) {
	for i, v := range x {
		y[i] += float64(factor * v)
	}
}

func dot(x, y []float64) float64 {
	sum := 0.0
	for i, v := range x {
		sum += float64(v * y[i])
	}
	return sum
}

// Softmax turns scores into probabilities.
func Softmax(scores []float64) []float64 {
	top := scores[0]
	for _, s := range scores {
		top = max(top, s)
	}
	p, sum := make([]float64, len(scores)), 0.0
	for i, s := range scores {
		p[i] = exp(s - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// exp is e^x for x ≤ 0: x = k·ln 2 + r with |r| ≤ ln 2 / 2, and the Taylor series of e^r to the 13th power, whose
// remainder is below 10⁻¹⁷.
func exp(x float64) float64 {
	const (
		ln2High = 6.93147180369123816490e-01
		ln2Low  = 1.90821492927058770002e-10
		least   = -700
	)
	if x < least {
		return 0
	}
	k := math.Floor(float64(x/math.Ln2) + 0.5)
	r := float64(x-float64(k*ln2High)) - float64(k*ln2Low)
	sum := 1.0
	for i := 13.0; i >= 1; i-- {
		sum = 1 + float64(sum*float64(r/i))
	}
	return math.Ldexp(sum, int(k))
}
