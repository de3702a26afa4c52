package dataset

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
)

// Invent draws cases from a table of shares: a row is a label, its cells the probability that a case of it shows the
// column's feature. It returns the labels' names too. What it returns is invented, and must be called so.
func Invent(table io.Reader, casesOfEach int, seed uint64) (s Set, labels []string, err error) {
	reader := csv.NewReader(table)
	reader.Comment = '#'
	rows, err := reader.ReadAll()
	if err != nil {
		return Set{}, nil, fmt.Errorf("reading the table of shares: %w", err)
	}
	if len(rows) < 3 {
		return Set{}, nil, fmt.Errorf("reading the table of shares: %d lines, not a header and two labels", len(rows))
	}
	s = Set{Features: rows[0][1:], Answer: Label}
	random := generator(seed)
	for label, row := range rows[1:] {
		labels = append(labels, row[0])
		shares := make([]float64, len(s.Features))
		for j, text := range row[1:] {
			if shares[j], err = strconv.ParseFloat(text, 64); err != nil {
				return Set{}, nil, fmt.Errorf("reading the table of shares: %s, %s: %w", row[0], s.Features[j], err)
			}
		}
		for range casesOfEach {
			x := make([]float64, len(shares))
			for j, share := range shares {
				if random.Float64() < share {
					x[j] = 1
				}
			}
			s.add(x, float64(label))
		}
	}
	return s, labels, nil
}
