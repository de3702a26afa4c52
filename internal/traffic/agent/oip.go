package agent

import (
	"fmt"
	"strconv"
)

// The tensor names of a model artifact.
const (
	inputName           = "input"
	outputProbabilities = "probabilities"
	outputValue         = "value"
)

// tensor is one of the Open Inference Protocol's.
type tensor struct {
	Name     string    `json:"name"`
	Shape    []int     `json:"shape"`
	Datatype string    `json:"datatype"`
	Data     []float64 `json:"data"`
}

// question is an inference request.
type question struct {
	Inputs []tensor `json:"inputs"`
}

// reply is an inference response.
type reply struct {
	ModelVersion string   `json:"model_version"`
	Outputs      []tensor `json:"outputs"`
}

// metadata is what the model server says of a model.
type metadata struct {
	Versions   []string   `json:"versions"`
	Inputs     []shape    `json:"inputs"`
	Parameters parameters `json:"parameters"`
}

type shape struct {
	Name string `json:"name"`
}

// parameters are the extension by which our model server says what a row means.
type parameters struct {
	Features []string `json:"features"`
	Labels   []string `json:"labels"`
}

// ask makes the protocol's request of rows that are equally long.
func ask(input string, rows [][]float64) question {
	data := make([]float64, 0, len(rows)*len(rows[0]))
	for _, row := range rows {
		data = append(data, row...)
	}
	return question{Inputs: []tensor{{Name: input, Shape: []int{len(rows), len(rows[0])}, Datatype: "FP32", Data: data}}}
}

// output is the typed answer for one row.
type output struct {
	Label *string  `json:"label,omitempty"`
	Index *int     `json:"index,omitempty"`
	Score *float64 `json:"score,omitempty"`
	Value *float64 `json:"value,omitempty"`
}

// outputs reads the reply to so many rows. Labels may be missing; an index then stands for itself.
func (r reply) outputs(rows int, labels []string) ([]output, error) {
	for _, t := range r.Outputs {
		switch {
		case t.Name != outputProbabilities && t.Name != outputValue:
			continue
		case len(t.Data) == 0 || len(t.Data)%rows != 0:
			return nil, fmt.Errorf("the model gave %d numbers for %d rows", len(t.Data), rows)
		}
		width := len(t.Data) / rows
		typed := make([]output, rows)
		for i := range typed {
			row := t.Data[i*width : (i+1)*width]
			if t.Name == outputValue {
				typed[i] = output{Value: &row[0]}
				continue
			}
			typed[i] = likeliest(row, labels)
		}
		return typed, nil
	}
	return nil, fmt.Errorf("the model gave neither %q nor %q", outputProbabilities, outputValue)
}

func likeliest(probabilities []float64, labels []string) output {
	best := 0
	for i, p := range probabilities {
		if p > probabilities[best] {
			best = i
		}
	}
	label := strconv.Itoa(best)
	if best < len(labels) {
		label = labels[best]
	}
	return output{Label: &label, Index: &best, Score: &probabilities[best]}
}

// input is the name of the model's one input.
func (m metadata) input() string {
	if len(m.Inputs) == 1 {
		return m.Inputs[0].Name
	}
	return inputName
}
