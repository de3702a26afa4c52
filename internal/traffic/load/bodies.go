package load

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// maxBodies are read of a file of rows.
const maxBodies = 10000

// ReadBodies makes one request to an agent of each row of a data set: CSV with a header, whose last column, label or
// target, is left out.
func ReadBodies(r io.Reader) ([][]byte, error) {
	rows := csv.NewReader(r)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("reading the header of the rows: %w", err)
	}
	width := len(header)
	if last := header[width-1]; last == "label" || last == "target" {
		width--
	}
	var bodies [][]byte
	for len(bodies) < maxBodies {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading rows: %w", err)
		}
		body, err := inputs(row[:width])
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(bodies)+1, err)
		}
		bodies = append(bodies, body)
	}
	if len(bodies) == 0 {
		return nil, errors.New("the file of rows has a header only; write at least one row")
	}
	return bodies, nil
}

// inputs is the request for one row.
func inputs(row []string) ([]byte, error) {
	numbers := make([]float64, len(row))
	for i, text := range row {
		var err error
		if numbers[i], err = strconv.ParseFloat(text, 64); err != nil || math.IsNaN(numbers[i]) || math.IsInf(numbers[i], 0) {
			return nil, fmt.Errorf("column %d: write a number, not %q", i+1, text)
		}
	}
	return json.Marshal(map[string][][]float64{"inputs": {numbers}})
}
