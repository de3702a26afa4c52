// Package dataset reads labelled tables, splits them, and writes them as the data sets that models are evaluated on. A
// split is disjoint, covers the table, and is the same for the same seed on every machine.
package dataset

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
)

// Columns that hold what is to be foretold.
const (
	// Label is the index of a class.
	Label = "label"
	// Target is a number.
	Target = "target"
)

// Set is rows of features with what is to be foretold of each.
type Set struct {
	Features []string
	// Answer is Label or Target, and heads the last column.
	Answer string
	X      [][]float64
	Y      []float64
}

// Read reads a CSV table with a header, whose last column is Label or Target.
func Read(r io.Reader) (Set, error) {
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil {
		return Set{}, fmt.Errorf("reading the table: %w", err)
	}
	if len(rows) < 2 {
		return Set{}, fmt.Errorf("reading the table: %d lines, not a header and rows", len(rows))
	}
	width := len(rows[0]) - 1
	s := Set{Features: rows[0][:width], Answer: rows[0][width]}
	if s.Answer != Label && s.Answer != Target {
		return Set{}, fmt.Errorf("reading the table: its last column is %q, not %s or %s", s.Answer, Label, Target)
	}
	for i, row := range rows[1:] {
		values := make([]float64, len(row))
		for j, text := range row {
			if values[j], err = strconv.ParseFloat(text, 64); err != nil {
				return Set{}, fmt.Errorf("reading the table: line %d, column %s: %w", i+2, rows[0][j], err)
			}
		}
		s.add(values[:width], values[width])
	}
	return s, nil
}

func (s *Set) add(x []float64, y float64) {
	s.X, s.Y = append(s.X, x), append(s.Y, y)
}

// empty is a set of the same columns.
func (s Set) empty() Set { return Set{Features: s.Features, Answer: s.Answer} }

// Head is the first rows, at most n.
func (s Set) Head(n int) Set {
	n = min(n, len(s.Y))
	return Set{Features: s.Features, Answer: s.Answer, X: s.X[:n], Y: s.Y[:n]}
}

// Split sets a share of the rows aside for tests, drawn at random; of a labelled set the same share of each label. Rows of
// both parts come in the drawn order.
func (s Set) Split(share float64, seed uint64) (train, test Set) {
	random := generator(seed)
	order := make([]int, len(s.Y))
	for i := range order {
		order[i] = i
	}
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	total, taken := map[float64]int{}, map[float64]int{}
	for _, y := range s.Y {
		total[s.class(y)]++
	}
	train, test = s.empty(), s.empty()
	for _, row := range order {
		class := s.class(s.Y[row])
		if taken[class] < int(math.Round(share*float64(total[class]))) {
			taken[class]++
			test.add(s.X[row], s.Y[row])
		} else {
			train.add(s.X[row], s.Y[row])
		}
	}
	return train, test
}

// class groups the rows that Split takes the same share of.
func (s Set) class(y float64) float64 {
	if s.Answer == Label {
		return y
	}
	return 0
}

// Write writes the set as CSV with a header.
func (s Set) Write(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(append(append([]string{}, s.Features...), s.Answer)); err != nil {
		return fmt.Errorf("writing the data set: %w", err)
	}
	for i, x := range s.X {
		if err := out.Write(append(texts(x), texts([]float64{s.Y[i]})...)); err != nil {
			return fmt.Errorf("writing the data set: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// WriteFeatures writes the rows without what is to be foretold.
func (s Set) WriteFeatures(w io.Writer) error {
	out := csv.NewWriter(w)
	if err := out.Write(s.Features); err != nil {
		return fmt.Errorf("writing rows: %w", err)
	}
	for _, x := range s.X {
		if err := out.Write(texts(x)); err != nil {
			return fmt.Errorf("writing rows: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

func texts(values []float64) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	return all
}

func generator(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a split wants a repeatable generator
}
