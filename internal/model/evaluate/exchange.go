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
	"time"
)

const (
	// maxReply bytes are read of an answer.
	maxReply = 8 << 20
	// inferredWithin is the longest wait for one answer; completedWithin that of a language model, which may read on a CPU.
	inferredWithin  = time.Minute
	completedWithin = 5 * time.Minute
	// between two attempts.
	between = 2 * time.Second
	// attempts at one question. A refused or broken connection and a full server are worth another, an answer is not.
	attempts = 5
)

// patience with a server: how long it may take to be ready, and the attempts at one question.
type patience struct {
	ready    time.Duration
	attempts int
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

// codeOf is the status of an answer other than 200, 0 where there was no answer.
func codeOf(err error) int {
	if refused, ok := errors.AsType[refusedError](err); ok {
		return refused.code
	}
	return 0
}

// server is a model server that is asked over HTTP, whatever the protocol.
type server struct {
	// base is the URL that the paths of requests are appended to.
	base string
	// within is the longest wait for one answer.
	within   time.Duration
	patience patience
	client   *http.Client
	log      *slog.Logger
}

// await waits until a path is answered with 200, which says that the model is ready.
func (s *server) await(ctx context.Context, path string) (text []byte, err error) {
	waiting, cancel := context.WithTimeout(ctx, s.patience.ready)
	defer cancel()
	err = s.repeat(waiting, math.MaxInt, func(err error) bool { return codeOf(err) != http.StatusNotFound }, func() error {
		text, err = s.exchange(waiting, http.MethodGet, path, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the model is not ready: %w", err)
	}
	return text, nil
}

// ask asks, and asks again where no answer came.
func (s *server) ask(ctx context.Context, method, path string, body []byte) (text []byte, err error) {
	err = s.repeat(ctx, s.patience.attempts, func(err error) bool {
		code := codeOf(err)
		return code == 0 || code == http.StatusTooManyRequests
	}, func() error {
		text, err = s.exchange(ctx, method, path, body)
		return err
	})
	return text, err
}

// repeat does something until it succeeds, fails in a way that will not pass, or was done often enough.
func (s *server) repeat(ctx context.Context, times int, passes func(error) bool, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		if err == nil || attempt >= times || !passes(err) {
			return err
		}
		s.log.WarnContext(ctx, "no answer yet; asking again", "server", s.base, "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(between):
		}
	}
}

// exchange sends one request and returns the body of its answer.
func (s *server) exchange(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, bytes.NewReader(body))
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
		return nil, refusedError{response.StatusCode, stated(text)}
	case err != nil:
		return nil, fmt.Errorf("the connection broke: %w", err)
	case len(text) > maxReply:
		return nil, refusedError{response.StatusCode, fmt.Sprintf("with more than %d bytes", maxReply)}
	}
	return text, nil
}

// stated is the reason that a refusal gives: {"error": "…"} by the Open Inference Protocol, {"error": {"message": "…"}} by
// OpenAI's, {"message": "…"} by some servers of that. A refusal without words is told by its code.
func stated(text []byte) string {
	var body struct {
		Error   json.RawMessage `json:"error"`
		Message string          `json:"message"`
	}
	_ = json.Unmarshal(text, &body)
	var words string
	if json.Unmarshal(body.Error, &words) == nil {
		return words
	}
	var object struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body.Error, &object) == nil && object.Message != "" {
		return object.Message
	}
	return body.Message
}

// checkAddress says why a server cannot be asked for a model.
func checkAddress(endpoint, name string) error {
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return wrong("%q is no endpoint; write one such as http://127.0.0.1:8080", endpoint)
	}
	if name == "" {
		return wrong("no model is named; write the name that the server knows it by")
	}
	return nil
}
