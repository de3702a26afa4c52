// Package graph writes ONNX models: float32 tensors, nodes and attributes of the few kinds the example models need. The
// same graph always gives the same bytes. It does not check that a graph makes sense; the runtime does when it loads it.
//
// Field numbers are those of onnx.proto, IR version 8, operator set 13.
package graph

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	irVersion    = 8
	operatorSet  = 13
	typeFloat32  = 1
	typeInt64    = 7
	attrInt      = 2
	attrTensor   = 4
	producerName = "suoke"
)

// Graph is a model under construction. Each method adds to it and returns the name of what it added, to be used as an
// input of a later node.
type Graph struct {
	name, doc    string
	nodes        []byte
	initializers []byte
	inputs       []byte
	outputs      []byte
}

// New begins a graph. The doc says for people what the model is.
func New(name, doc string) *Graph { return &Graph{name: name, doc: doc} }

// Input declares rows of the given width.
func (g *Graph) Input(name string, width int) string {
	g.inputs = message(g.inputs, 11, value(name, width))
	return name
}

// Output declares a node's name as an output, of rows of the given width.
func (g *Graph) Output(name string, width int) {
	g.outputs = message(g.outputs, 12, value(name, width))
}

// Floats adds a constant tensor, rounded to float32.
func (g *Graph) Floats(name string, dims []int, values []float64) string {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(v)))
	}
	g.initializers = message(g.initializers, 5, tensor(name, typeFloat32, dims, raw))
	return name
}

// Ints adds a constant vector of int64.
func (g *Graph) Ints(name string, values ...int64) string {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v)) //nolint:gosec // two's complement is what the format keeps
	}
	g.initializers = message(g.initializers, 5, tensor(name, typeInt64, []int{len(values)}, raw))
	return name
}

// Node adds an operator with one output, named out.
func (g *Graph) Node(operator, out string, in []string, attributes ...Attribute) string {
	var n []byte
	for _, name := range in {
		n = text(n, 1, name)
	}
	n = text(n, 2, out)
	n = text(n, 3, out+"/"+operator)
	n = text(n, 4, operator)
	for _, a := range attributes {
		n = message(n, 5, a.bytes)
	}
	g.nodes = message(g.nodes, 1, n)
	return out
}

// Attribute of a node.
type Attribute struct{ bytes []byte }

// Int is an integer attribute.
func Int(name string, v int64) Attribute {
	return Attribute{number(number(text(nil, 1, name), 3, v), 20, attrInt)}
}

// Scalar is an attribute that holds a tensor of one float32.
func Scalar(name string, v float64) Attribute {
	raw := binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(v)))
	return Attribute{number(message(text(nil, 1, name), 5, tensor("", typeFloat32, []int{1}, raw)), 20, attrTensor)}
}

// CastToInt is the attribute of Cast that asks for int64.
func CastToInt() Attribute { return Int("to", typeInt64) }

// Bytes is the model as a file.
func (g *Graph) Bytes() []byte {
	graph := append([]byte(nil), g.nodes...)
	graph = text(graph, 2, g.name)
	graph = append(graph, g.initializers...)
	graph = append(graph, g.inputs...)
	graph = append(graph, g.outputs...)
	model := number(nil, 1, irVersion)
	model = text(model, 2, producerName)
	model = text(model, 6, g.doc)
	model = message(model, 7, graph)
	return message(model, 8, number(text(nil, 1, ""), 2, operatorSet))
}

// value is a ValueInfoProto of rows of float32, as many as one likes.
func value(name string, width int) []byte {
	shape := message(nil, 1, text(nil, 2, "rows"))
	shape = message(shape, 1, number(nil, 1, int64(width)))
	kind := message(nil, 1, message(number(nil, 1, typeFloat32), 2, shape))
	return message(text(nil, 1, name), 2, kind)
}

func tensor(name string, kind int64, dims []int, raw []byte) []byte {
	var t []byte
	for _, d := range dims {
		t = number(t, 1, int64(d))
	}
	t = number(t, 2, kind)
	if name != "" {
		t = text(t, 8, name)
	}
	return message(t, 9, raw)
}

func number(b []byte, field protowire.Number, v int64) []byte {
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, uint64(v)) //nolint:gosec // two's complement is what the format keeps
}

func text(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func message(b []byte, field protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), content)
}
