// Package graphtest writes ONNX graphs of a few nodes, for tests that need a real one. Field numbers are those of
// onnx.proto, IR version 8, operator set 13.
package graphtest

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Element types of TensorProto.
const (
	float32Type = 1
	int64Type   = 7
)

// Classifier gives softmax(x·w + b) as "probabilities": its columns are the columns of w, its features the rows.
func Classifier(w [][]float32, b []float32) []byte {
	graph := node(nil, "Gemm", []string{"input", "w", "b"}, "logits")
	graph = node(graph, "Softmax", []string{"logits"}, "probabilities")
	graph = floats(graph, "w", []int{len(w), len(b)}, flat(w))
	graph = floats(graph, "b", []int{len(b)}, b)
	graph = value(graph, 11, "input", -1, len(w))
	return model(value(graph, 12, "probabilities", -1, len(b)))
}

// Regression gives x·w + b as "value".
func Regression(w []float32, b float32) []byte {
	graph := node(nil, "Gemm", []string{"input", "w", "b"}, "value")
	graph = floats(graph, "w", []int{len(w), 1}, w)
	graph = floats(graph, "b", []int{1}, []float32{b})
	graph = value(graph, 11, "input", -1, len(w))
	return model(value(graph, 12, "value", -1, 1))
}

// Lookup gives table[x] as "value" for one feature x, and fails at run time for an x beyond the table.
func Lookup(table []float32) []byte {
	graph := node(nil, "Cast", []string{"input"}, "index", integer("to", int64Type))
	graph = node(graph, "Gather", []string{"table", "index"}, "value")
	graph = floats(graph, "table", []int{len(table)}, table)
	graph = value(graph, 11, "input", -1, 1)
	return model(value(graph, 12, "value", -1, 1))
}

func model(graph []byte) []byte {
	b := number(nil, 1, 8)
	graph = text(graph, 2, "test")
	b = message(b, 7, graph)
	return message(b, 8, number(text(nil, 1, ""), 2, 13))
}

func node(graph []byte, op string, in []string, out string, attributes ...[]byte) []byte {
	var n []byte
	for _, name := range in {
		n = text(n, 1, name)
	}
	n = text(text(n, 2, out), 4, op)
	for _, a := range attributes {
		n = message(n, 5, a)
	}
	return message(graph, 1, n)
}

// integer is an attribute of type INT (2).
func integer(name string, v int) []byte {
	return number(number(text(nil, 1, name), 3, v), 20, 2)
}

// floats adds a constant.
func floats(graph []byte, name string, dims []int, values []float32) []byte {
	var t, raw []byte
	for _, d := range dims {
		t = number(t, 1, d)
	}
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return message(graph, 5, message(text(number(t, 2, float32Type), 8, name), 9, raw))
}

// value adds an input (field 11) or output (field 12) of FP32; a dimension below 0 is free.
func value(graph []byte, field protowire.Number, name string, dims ...int) []byte {
	var shape []byte
	for _, d := range dims {
		if d < 0 {
			shape = message(shape, 1, text(nil, 2, "rows"))
			continue
		}
		shape = message(shape, 1, number(nil, 1, d))
	}
	tensor := message(nil, 1, message(number(nil, 1, float32Type), 2, shape))
	return message(graph, field, message(text(nil, 1, name), 2, tensor))
}

func flat(rows [][]float32) []float32 {
	var all []float32
	for _, row := range rows {
		all = append(all, row...)
	}
	return all
}

func message(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func text(b []byte, field protowire.Number, v string) []byte { return message(b, field, []byte(v)) }

func number(b []byte, field protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v)) //nolint:gosec // sizes and enums, never negative
}
