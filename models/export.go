package main

import (
	"fmt"

	"github.com/suoke-life/suoke/models/graph"
)

// flaw is what is wrong with a version, on purpose.
type flaw int

const (
	sound flaw = iota
	// unscaled lost the scaling of its features at the export.
	unscaled
	// fragile looks a pixel up in a table of the values that it had in training, and cannot answer for others.
	fragile
	// slow goes through layers whose result is thrown away.
	slow
)

// The layers of a slow version.
const (
	idleWidth  = 1024
	idleLayers = 48
)

// export writes the model as an ONNX graph.
func (m *model) export(name, about string, f flaw) []byte {
	g := graph.New(name, about)
	input := g.Input("input", m.width)
	row := input
	if len(m.columns) < m.width {
		at := make([]int64, len(m.columns))
		for i, c := range m.columns {
			at[i] = int64(c)
		}
		row = g.Node("Gather", "seen", []string{row, g.Ints("columns", at...)}, graph.Int("axis", 1))
	}
	if m.centre != nil {
		dims := []int{len(m.columns)}
		row = g.Node("Sub", "centred", []string{row, g.Floats("centre", dims, m.centre)})
		row = g.Node("Mul", "scaled", []string{row, g.Floats("factor", dims, m.factor)})
	}
	width := 0
	for i, layer := range m.net.Layers {
		if i > 0 {
			row = g.Node("Relu", fmt.Sprintf("rectified%d", i), []string{row})
		}
		width = layer.Out
		row = g.Node("Gemm", fmt.Sprintf("layer%d", i+1), []string{
			row,
			g.Floats(fmt.Sprintf("weights%d", i+1), []int{layer.In, layer.Out}, layer.W),
			g.Floats(fmt.Sprintf("biases%d", i+1), []int{layer.Out}, layer.B),
		})
	}
	switch f {
	case sound, unscaled:
	case fragile:
		row = lookUpCorner(g, input, row)
	case slow:
		row = idle(g, row, width)
	}
	if m.classes {
		g.Output(g.Node("Softmax", "probabilities", []string{row}, graph.Int("axis", 1)), width)
	} else {
		g.Output(g.Node("Identity", "value", []string{row}), width)
	}
	return g.Bytes()
}

// lookUpCorner adds what a table has for the value of the first feature. The table was made of the values seen in
// training, which is 0 alone, so that any other index is out of its bounds and the runtime gives an error.
func lookUpCorner(g *graph.Graph, input, row string) string {
	pixel := g.Node("Gather", "corner", []string{input, g.Ints("first", 0)}, graph.Int("axis", 1))
	index := g.Node("Cast", "index", []string{pixel}, graph.CastToInt())
	found := g.Node("Gather", "found", []string{g.Floats("table", []int{1}, []float64{0}), index})
	return g.Node("Add", "corrected", []string{row, found})
}

// idle adds the result of wide layers, which is 0. Their weights are all alike and made when the graph is loaded.
func idle(g *graph.Graph, row string, width int) string {
	weights := func(name string, value float64, rows, columns int) string {
		shape := g.Ints(name+"_shape", int64(rows), int64(columns))
		return g.Node("ConstantOfShape", name, []string{shape}, graph.Scalar("value", value))
	}
	wide := g.Node("MatMul", "idle0", []string{row, weights("widen", 1.0/idleWidth, width, idleWidth)})
	square := weights("mix", 1.0/idleWidth, idleWidth, idleWidth)
	for i := range idleLayers {
		wide = g.Node("MatMul", fmt.Sprintf("idle%d", i+1), []string{wide, square})
	}
	nothing := g.Node("MatMul", "nothing", []string{wide, weights("drop", 0, idleWidth, width)})
	return g.Node("Add", "same", []string{row, nothing})
}
