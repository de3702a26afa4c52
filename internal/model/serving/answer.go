package serving

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
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

// answer encodes an inference response. It is written by hand because it is most of what the server does for a small
// model: encoding/json needs a tenth of a millisecond where this needs a few microseconds on a batch.
func (s *Server) answer(id string, rows int, values []float32) []byte {
	body := make([]byte, 0, 256+16*len(values))
	body = append(body, `{"model_name":`...)
	body = appendText(body, s.model.Name)
	body = append(body, `,"model_version":`...)
	body = appendText(body, s.model.Version)
	if id != "" {
		body = append(body, `,"id":`...)
		body = appendText(body, id)
	}
	body = append(body, `,"outputs":[{"name":`...)
	body = appendText(body, s.output.Name)
	body = append(body, `,"datatype":"FP32","shape":[`...)
	body = strconv.AppendInt(body, int64(rows), 10)
	body = append(body, ',')
	body = strconv.AppendInt(body, int64(s.model.Manifest.columns()), 10)
	body = append(body, `],"data":[`...)
	for i, v := range values {
		if i > 0 {
			body = append(body, ',')
		}
		body = strconv.AppendFloat(body, float64(v), 'g', -1, 32)
	}
	return append(body, "]}]}"...)
}

func appendText(body []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // json.Marshal of a string does not fail
		return append(body, `""`...)
	}
	return append(body, quoted...)
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
