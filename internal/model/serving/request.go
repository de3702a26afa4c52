package serving

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// refusal is a request's own fault, with the sentence that the client gets.
type refusal struct {
	code    int
	message string
}

func (r *refusal) Error() string { return r.message }

func refuse(format string, args ...any) error {
	return &refusal{code: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

// question is an inference request on the wire.
type question struct {
	ID     string `json:"id"`
	Inputs []struct {
		Name       string                     `json:"name"`
		Shape      []int64                    `json:"shape"`
		Datatype   string                     `json:"datatype"`
		Parameters map[string]json.RawMessage `json:"parameters"`
		Data       json.RawMessage            `json:"data"`
	} `json:"inputs"`
	Outputs []struct {
		Name       string                     `json:"name"`
		Parameters map[string]json.RawMessage `json:"parameters"`
	} `json:"outputs"`
}

// parse turns a request's body into its id and the rows it asks.
func (s *Server) parse(body []byte) (id string, batch Batch, err error) {
	var q question
	if err := json.Unmarshal(body, &q); err != nil {
		return "", batch, refuse("%s; write %s", fault(err), s.example())
	}
	for _, output := range q.Outputs {
		if output.Name != s.output.Name {
			return q.ID, batch, refuse("the model has no output %q; ask for %q or leave outputs out", output.Name, s.output.Name)
		}
		if _, binary := output.Parameters["binary_data"]; binary && string(output.Parameters["binary_data"]) != "false" {
			return q.ID, batch, refuse("binary tensors are not spoken here; leave binary_data out")
		}
	}
	if len(q.Inputs) != 1 {
		return q.ID, batch, refuse("the request has %d inputs; write the one input %q, as in %s", len(q.Inputs), s.input.Name, s.example())
	}
	input := q.Inputs[0]
	if input.Name != s.input.Name {
		return q.ID, batch, refuse("the model has no input %q; its input is %q", input.Name, s.input.Name)
	}
	if _, binary := input.Parameters["binary_data_size"]; binary {
		return q.ID, batch, refuse("binary tensors are not spoken here; write data as a JSON array")
	}
	kind, known := kindOf(input.Datatype)
	if !known {
		return q.ID, batch, refuse("datatype %q cannot fill an FP32 input; write FP32, FP64 or an INT or UINT type", input.Datatype)
	}
	rows, err := s.rows(input.Shape)
	if err != nil {
		return q.ID, batch, err
	}
	values, err := readNumbers(input.Data, kind, rows, s.width())
	if err != nil {
		return q.ID, batch, refuse("input %q: %s", input.Name, err)
	}
	return q.ID, Batch{Rows: rows, Values: values}, nil
}

// rows checks an input's shape and returns its first dimension.
func (s *Server) rows(shape []int64) (int, error) {
	if len(shape) != 2 || shape[1] != int64(s.width()) {
		return 0, refuse("input %q has shape %v; write [rows, %d]: the model has %d features", s.input.Name, shape, s.width(), s.width())
	}
	if shape[0] < 1 || shape[0] > int64(s.options.MaxRows) {
		return 0, refuse("input %q has %d rows; write 1 to %d a request", s.input.Name, shape[0], s.options.MaxRows)
	}
	return int(shape[0]), nil
}

func (s *Server) width() int { return len(s.model.Manifest.Features) }

// example is the shortest request that this model answers.
func (s *Server) example() string {
	return fmt.Sprintf(`{"inputs": [{"name": %q, "shape": [1, %d], "datatype": "FP32", "data": [%d numbers]}]}`,
		s.input.Name, s.width(), s.width())
}

// fault words what is wrong with a body that is no question.
func fault(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("the body is not JSON (byte %d: %s)", syntax.Offset, syntax)
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Sprintf("%s is a JSON %s", strings.ReplaceAll(kind.Field, ".", "/"), kind.Value)
	default:
		return "the body is not an inference request"
	}
}
