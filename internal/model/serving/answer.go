package serving

import (
	"encoding/json"
	"fmt"
	"math"
)

// check fails unless values are rows of the promised width, and finite: JSON has no word for anything else.
func (s *Server) check(values []float32, rows int) error {
	width := s.model.Manifest.columns()
	if len(values) != rows*width {
		return fmt.Errorf("output %q has %d numbers for %d rows of %d", s.output.Name, len(values), rows, width)
	}
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("output %q is not finite in row %d, column %d", s.output.Name, i/width, i%width)
		}
	}
	return nil
}

// answer is an inference response on the wire.
type answer struct {
	Model   string   `json:"model_name"`
	Version string   `json:"model_version"`
	ID      string   `json:"id,omitempty"`
	Outputs []output `json:"outputs"`
}

type output struct {
	Name     string    `json:"name"`
	Datatype string    `json:"datatype"`
	Shape    [2]int    `json:"shape"`
	Data     []float32 `json:"data"`
}

// encode writes the answer to a request; values have passed check.
func (s *Server) encode(id string, rows int, values []float32) ([]byte, error) {
	body, err := json.Marshal(answer{s.model.Name, s.model.Version, id, []output{{
		Name:     s.output.Name,
		Datatype: "FP32",
		Shape:    [2]int{rows, s.model.Manifest.columns()},
		Data:     values,
	}}})
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	return body, nil
}

// describe is the model's metadata: the protocol's fields, and what the numbers mean as parameters.
func (s *Server) describe() ([]byte, error) {
	m := s.model.Manifest
	return json.Marshal(struct {
		Name       string   `json:"name"`
		Versions   []string `json:"versions"`
		Platform   string   `json:"platform"`
		Inputs     []Tensor `json:"inputs"`
		Outputs    []Tensor `json:"outputs"`
		Parameters Manifest `json:"parameters"`
	}{s.model.Name, []string{s.model.Version}, "onnxruntime_onnx", []Tensor{s.input}, []Tensor{s.output}, m})
}
