package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// streamEnd is the last event of a stream that came whole.
const streamEnd = "[DONE]"

// errBroken is a stream that broke off after its first event.
var errBroken = errors.New("the stream broke off after its first event")

// ask sends one request and returns the version that answered.
func (r *Run) ask(ctx context.Context, session string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.config.URL, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("writing the request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if session != "" {
		req.Header.Set(headerSession, session)
	}
	if r.config.Streams {
		req.Header.Set("Accept", "text/event-stream")
	}
	// Empty, it is not sent, and tells net/http that a kept-alive connection which turns out to be closed may be replaced
	// by a new one, as every client does with a request that changes nothing.
	req.Header["Idempotency-Key"] = []string{}
	res, err := r.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	bounded := io.LimitReader(res.Body, maxAnswer)
	if r.config.Streams && res.StatusCode == http.StatusOK {
		return readStream(bounded)
	}
	return readAnswer(res.StatusCode, bounded)
}

// answer is what is looked at of an answer, or of an event of a stream.
type answer struct {
	Version string `json:"version"`
	Error   string `json:"error"`
}

func readAnswer(code int, body io.Reader) (version string, err error) {
	data, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil && code == http.StatusOK {
		return "", errors.New("200 with a body that is no JSON")
	}
	if code != http.StatusOK {
		return "", fmt.Errorf("%d %s", code, a.Error)
	}
	return a.Version, nil
}

// readStream reads Server-Sent Events to the end.
func readStream(body io.Reader) (version string, err error) {
	events := 0
	for lines := bufio.NewScanner(body); lines.Scan(); {
		data, is := bytes.CutPrefix(lines.Bytes(), []byte("data: "))
		if !is {
			continue
		}
		if string(data) == streamEnd && events > 0 {
			_, err := io.Copy(io.Discard, body) // so that the connection can be used again
			return version, err
		}
		var a answer
		if err := json.Unmarshal(data, &a); err != nil || a.Error != "" {
			break
		}
		version = a.Version
		events++
	}
	if events > 0 {
		return version, errBroken
	}
	return "", errors.New("200 with a stream that ended before its first event")
}
