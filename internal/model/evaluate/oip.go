package evaluate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	outputProbabilities = "probabilities"
	outputValue         = "value"
)

// meaning is the extension by which a model server says what the numbers of a row mean.
type meaning struct {
	Task     Task     `json:"task"`
	Features []string `json:"features"`
	Labels   []string `json:"labels"`
}

// metadata is what a model server says of a model.
type metadata struct {
	Inputs []struct {
		Name string `json:"name"`
	} `json:"inputs"`
	Parameters meaning `json:"parameters"`
}

// question is an inference request of the protocol.
type question struct {
	Inputs [1]input `json:"inputs"`
}

type input struct {
	Name     string    `json:"name"`
	Shape    [2]int    `json:"shape"`
	Datatype string    `json:"datatype"`
	Data     []float32 `json:"data"`
}

// reply is an inference response of the protocol.
type reply struct {
	ModelVersion string `json:"model_version"`
	Outputs      []struct {
		Name string    `json:"name"`
		Data []float64 `json:"data"`
	} `json:"outputs"`
}

// inferrer is a server of the Open Inference Protocol that is asked for one model, whose URL is its base.
type inferrer struct {
	server
	metadata
}

// meet waits until the model is ready, and asks what its numbers mean.
func (s *inferrer) meet(ctx context.Context) error {
	if _, err := s.await(ctx, "/ready"); err != nil {
		return err
	}
	text, err := s.ask(ctx, http.MethodGet, "", nil)
	if err != nil {
		return fmt.Errorf("reading the model's metadata: %w", err)
	}
	if err := json.Unmarshal(text, &s.metadata); err != nil {
		return fmt.Errorf("reading the model's metadata: %w", err)
	}
	return nil
}

// suits says why a model cannot be evaluated as a task.
func (m metadata) suits(task Task) error {
	p := m.Parameters
	switch {
	case len(m.Inputs) != 1:
		return wrong("the model has %d inputs; export one with one input of a row of features", len(m.Inputs))
	case len(p.Features) == 0:
		return wrong("the model's metadata does not say which features a row has; name them in model.json as features")
	case p.Task != task:
		return wrong("the model says it is a %q and is evaluated as a %s; write the modelType that it has", p.Task, task)
	case task == Classification && len(p.Labels) == 0:
		return wrong("the model's metadata does not name its labels; name them in model.json as labels")
	}
	return nil
}

// infer asks for the answers to rows of values. width is how many numbers the model gives for a row.
func (s *inferrer) infer(ctx context.Context, rows int, values []float32, width int) (answers []float64, version string, err error) {
	body, err := json.Marshal(question{Inputs: [1]input{{
		Name: s.Inputs[0].Name, Shape: [2]int{rows, len(values) / rows}, Datatype: "FP32", Data: values,
	}}})
	if err != nil {
		return nil, "", fmt.Errorf("writing the question: %w", err)
	}
	text, err := s.ask(ctx, http.MethodPost, "/infer", body)
	if err != nil {
		return nil, "", err
	}
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, "", fmt.Errorf("reading the answer: %w", err)
	}
	output := outputProbabilities
	if s.Parameters.Task == Regression {
		output = outputValue
	}
	for _, o := range r.Outputs {
		if o.Name == output {
			if len(o.Data) != rows*width {
				return nil, "", fmt.Errorf("the answer has %d numbers for %d rows of %d", len(o.Data), rows, width)
			}
			return o.Data, r.ModelVersion, nil
		}
	}
	return nil, "", fmt.Errorf("the answer has no output %q", output)
}

// modelURL is where a server of the Open Inference Protocol has a model.
func modelURL(endpoint, name string) string {
	return strings.TrimSuffix(endpoint, "/") + "/v2/models/" + url.PathEscape(name)
}
