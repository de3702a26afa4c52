package network

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Loss is what training lowers.
type Loss int

// The losses.
const (
	// CrossEntropy of the softmax of the outputs; a target is the index of the right one.
	CrossEntropy Loss = iota
	// SquaredError of the one output, halved.
	SquaredError
)

// Options of a training.
type Options struct {
	Loss   Loss
	Epochs int
	Batch  int
	// Rate is Adam's step, Decay the weight of the squared weights in the loss, halved.
	Rate, Decay float64
	Seed        uint64
}

// Adam's constants (Kingma and Ba, arXiv 1412.6980, algorithm 1).
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// gradient has the shape of a layer, with Adam's two moments.
type gradient struct {
	layer  *Dense
	w, b   []float64
	mw, vw []float64
	mb, vb []float64
	input  []float64
}

// Train lowers the loss on rows x with targets y by mini-batches of shuffled rows, and then rounds the weights.
func (n *Network) Train(x [][]float64, y []float64, o Options) {
	//nolint:gosec // training wants a repeatable generator, not an unpredictable one
	random := rand.New(rand.NewPCG(o.Seed, 2))
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	gradients := n.gradients()
	power1, power2 := 1.0, 1.0
	for range o.Epochs {
		random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for start := 0; start < len(order); start += o.Batch {
			batch := order[start:min(start+o.Batch, len(order))]
			for _, row := range batch {
				n.backward(gradients, x[row], y[row], o.Loss)
			}
			power1 = float64(power1 * beta1)
			power2 = float64(power2 * beta2)
			step := o.Rate * math.Sqrt(1-power2) / (1 - power1)
			for _, g := range gradients {
				adam(g.layer.W, g.w, g.mw, g.vw, step, o.Decay, len(batch))
				adam(g.layer.B, g.b, g.mb, g.vb, step, 0, len(batch))
			}
		}
	}
	n.Round()
}

func (n *Network) gradients() []*gradient {
	all := make([]*gradient, 0, len(n.Layers))
	for _, d := range n.Layers {
		weights, biases := func() []float64 { return make([]float64, len(d.W)) }, func() []float64 { return make([]float64, d.Out) }
		all = append(all, &gradient{layer: d, w: weights(), mw: weights(), vw: weights(), b: biases(), mb: biases(), vb: biases()})
	}
	return all
}

// backward adds one row's gradient of the loss to the gradients.
func (n *Network) backward(gradients []*gradient, x []float64, y float64, loss Loss) {
	for i, layer := range n.Layers {
		gradients[i].input = x
		x = layer.forward(x)
		if i < len(n.Layers)-1 {
			rectify(x)
		}
	}
	delta := slope(x, y, loss)
	for i, g := range slices.Backward(gradients) {
		d := g.layer
		add(g.b, 1, delta)
		before := make([]float64, d.In)
		for j, v := range g.input {
			if v != 0 {
				add(g.w[j*d.Out:(j+1)*d.Out], v, delta)
			}
			// The rectifier before this layer passes the slope on where it was open.
			if v > 0 && i > 0 {
				before[j] = dot(d.W[j*d.Out:(j+1)*d.Out], delta)
			}
		}
		delta = before
	}
}

// slope is the derivative of the loss by the outputs.
func slope(outputs []float64, target float64, loss Loss) []float64 {
	if loss == SquaredError {
		return []float64{outputs[0] - target}
	}
	delta := Softmax(outputs)
	delta[int(target)]--
	return delta
}

// adam takes one step on weights and clears their gradient.
func adam(weights, gradient, first, second []float64, step, decay float64, rows int) {
	for i := range weights {
		g := gradient[i]/float64(rows) + float64(decay*weights[i])
		gradient[i] = 0
		first[i] = float64(beta1*first[i]) + float64((1-beta1)*g)
		second[i] = float64(beta2*second[i]) + float64((1-beta2)*float64(g*g))
		weights[i] -= float64(step * first[i] / (math.Sqrt(second[i]) + epsilon))
	}
}
