package evaluate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxReply bytes are read of an answer.
	maxReply = 8 << 20
	// answerWithin is the longest wait for one answer.
	answerWithin = time.Minute
	// between two attempts.
	between = 2 * time.Second
	// attempts at one question. A refused or broken connection and a full server are worth another, an answer is not.
	attempts = 5

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

// refusedError is an answer other than 200.
type refusedError struct {
	code int
	says string
}

func (e refusedError) Error() string {
	if e.says == "" {
		return fmt.Sprintf("the server answered %d", e.code)
	}
	return fmt.Sprintf("the server answered %d: %s", e.code, e.says)
}

// server is a model server that is asked for one model.
type server struct {
	metadata

	// model is the URL of the model.
	model  string
	client *http.Client
	log    *slog.Logger
}

// meet waits until the model is ready, and asks what its numbers mean.
func (s *server) meet(ctx context.Context, patience time.Duration) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.repeat(waiting, math.MaxInt, func(err error) bool { return codeOf(err) != http.StatusNotFound }, func() error {
		_, err := s.exchange(waiting, http.MethodGet, "/ready", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("the model is not ready: %w", err)
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
func (s *server) infer(ctx context.Context, rows int, values []float32, width int) (answers []float64, version string, err error) {
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

// ask asks, and asks again where no answer came.
func (s *server) ask(ctx context.Context, method, path string, body []byte) (text []byte, err error) {
	err = s.repeat(ctx, attempts, func(err error) bool {
		code := codeOf(err)
		return code == 0 || code == http.StatusTooManyRequests
	}, func() error {
		text, err = s.exchange(ctx, method, path, body)
		return err
	})
	return text, err
}

// codeOf is the status of an answer other than 200, 0 where there was no answer.
func codeOf(err error) int {
	if refused, ok := errors.AsType[refusedError](err); ok {
		return refused.code
	}
	return 0
}

// repeat does something until it succeeds, fails in a way that will not pass, or was done often enough.
func (s *server) repeat(ctx context.Context, times int, passes func(error) bool, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt >= times || !passes(err) {
			return err
		}
		s.log.WarnContext(ctx, "no answer yet; asking again", "model", s.model, "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(between):
		}
	}
}

// exchange sends one request and returns the body of its answer.
func (s *server) exchange(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.model+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	switch {
	case response.StatusCode != http.StatusOK:
		var stated struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(text, &stated) // a refusal without words is told by its code
		return nil, refusedError{response.StatusCode, stated.Error}
	case err != nil:
		return nil, fmt.Errorf("the connection broke: %w", err)
	case len(text) > maxReply:
		return nil, refusedError{response.StatusCode, fmt.Sprintf("with more than %d bytes", maxReply)}
	}
	return text, nil
}

// modelURL is where a server has a model.
func modelURL(endpoint, name string) (string, error) {
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return "", wrong("%q is no endpoint; write one such as http://127.0.0.1:8080", endpoint)
	}
	if name == "" {
		return "", wrong("no model is named; write the name that the server knows it by")
	}
	return strings.TrimSuffix(endpoint, "/") + "/v2/models/" + url.PathEscape(name), nil
}
