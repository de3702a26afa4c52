package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
)

// Tasks that a manifest may name.
const (
	Classification = "classification"
	Regression     = "regression"
)

// Manifest is a model's model.json: what it does and what its numbers mean.
type Manifest struct {
	Task        string   `json:"task"`
	Features    []string `json:"features"`
	Labels      []string `json:"labels,omitempty"`
	Description string   `json:"description,omitempty"`
}

// ReadManifest reads and checks a model.json.
func ReadManifest(file string) (Manifest, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the directory that the caller serves
	if err != nil {
		return Manifest{}, fmt.Errorf("reading the model's manifest: %w", err)
	}
	var m Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Manifest{}, fmt.Errorf("reading %s: %w", file, err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", file, err)
	}
	return m, nil
}

func (m Manifest) check() error {
	if m.Task != Classification && m.Task != Regression {
		return fmt.Errorf(`"task" is %q; write %q or %q`, m.Task, Classification, Regression)
	}
	if len(m.Features) == 0 {
		return errors.New(`"features" is empty; name the columns of the input in their order`)
	}
	if twice := repeated(m.Features); twice != "" {
		return fmt.Errorf(`"features" names %q twice`, twice)
	}
	if m.Task == Regression && len(m.Labels) > 0 {
		return errors.New(`"labels" belongs to a classification; leave it out of a regression`)
	}
	if m.Task == Classification && len(m.Labels) < 2 {
		return errors.New(`"labels" needs at least two names, in the order of the output's columns`)
	}
	if twice := repeated(m.Labels); twice != "" {
		return fmt.Errorf(`"labels" names %q twice`, twice)
	}
	return nil
}

// Output is the name of the graph's output that is served.
func (m Manifest) Output() string {
	if m.Task == Regression {
		return "value"
	}
	return "probabilities"
}

// columns is the width of that output.
func (m Manifest) columns() int {
	if m.Task == Regression {
		return 1
	}
	return len(m.Labels)
}

// match fails unless the graph takes rows of the features and gives rows of the labels or of one value. It returns the
// tensors with their widths filled in where the graph leaves them free.
func (m Manifest) match(input, output Tensor) (in, out Tensor, err error) {
	if err := m.check(); err != nil {
		return in, out, fmt.Errorf("model.json: %w", err)
	}
	in, err = fit(input, len(m.Features), "features")
	if err != nil {
		return in, out, fmt.Errorf("the graph's input %q: %w", input.Name, err)
	}
	if output.Name != m.Output() {
		return in, out, fmt.Errorf("the graph's output is %q; a %s needs one named %q", output.Name, m.Task, m.Output())
	}
	columns := "labels"
	if m.Task == Regression {
		columns = "value"
	}
	out, err = fit(output, m.columns(), columns)
	if err != nil {
		return in, out, fmt.Errorf("the graph's output %q: %w", output.Name, err)
	}
	return in, out, nil
}

func fit(t Tensor, width int, columns string) (Tensor, error) {
	if t.Datatype != "FP32" {
		return t, fmt.Errorf("it is %s; export it as FP32", t.Datatype)
	}
	if len(t.Shape) != 2 {
		return t, fmt.Errorf("its shape is %v; export it as [-1, %d]", t.Shape, width)
	}
	if t.Shape[0] != -1 {
		return t, fmt.Errorf("its batch is fixed to %d; export it with a free first dimension", t.Shape[0])
	}
	if t.Shape[1] != -1 && t.Shape[1] != int64(width) {
		return t, fmt.Errorf("it has %d columns, but model.json names %d %s", t.Shape[1], width, columns)
	}
	t.Shape = []int64{-1, int64(width)}
	return t, nil
}

func repeated(names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted[i]
		}
	}
	return ""
}
