package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/suoke-life/suoke/internal/traffic/server"
)

const (
	// maxEvent bytes are read of one event of a model.
	maxEvent = 1 << 20
	// done is the data of a stream's last event.
	done = "[DONE]"
)

// sessionKey is the context's key of the session that a request belongs to.
type sessionKey struct{}

// withSession returns the request's context with its session, which goes with every question to the model.
func withSession(in *http.Request) context.Context {
	session := server.Session(in)
	if session == "" {
		return in.Context()
	}
	return context.WithValue(in.Context(), sessionKey{}, session)
}

func sessionOf(ctx context.Context) string {
	session, _ := ctx.Value(sessionKey{}).(string)
	return session
}

// acceptsStream says whether a client asks for its answer row by row.
func acceptsStream(header http.Header) bool {
	return strings.HasPrefix(strings.TrimSpace(header.Get("Accept")), server.EventStream)
}

// stream asks the model for the rows' answers one by one, and passes each on as soon as it is there, as one event. Before
// the first, a failure is an answer like any other; after it, only a connection that breaks tells the client.
func (a *Agent) stream(ctx context.Context, deadline *server.Deadline, w http.ResponseWriter, q asked) int {
	events, err := a.model.stream(ctx, ask(q.meta.input(), q.rows))
	if err != nil {
		return refuse(w, err)
	}
	defer events.close()
	var to io.Writer
	for {
		text, err := a.event(ctx, q, events)
		deadline.Extend()
		switch {
		case err != nil && to == nil:
			return refuse(w, err)
		case err != nil && ctx.Err() != nil && context.Cause(ctx) == context.Canceled: //nolint:errorlint // a cause is not wrapped
			return codeClientGone
		case err != nil:
			panic(http.ErrAbortHandler)
		case to == nil:
			w.Header().Set("Content-Type", server.EventStream)
			w.Header().Set("Cache-Control", "no-store")
			to = server.NewStream(w)
		}
		if _, err := fmt.Fprintf(to, "data: %s\n\n", text); err != nil {
			return codeClientGone
		}
		if text == done {
			return http.StatusOK
		}
	}
}

// event reads the model's next event, and returns the client's.
func (a *Agent) event(ctx context.Context, q asked, from *events) (string, error) {
	given, more, err := from.next(ctx)
	if err != nil || !more {
		return done, err
	}
	result, err := a.typed(ctx, q, given, 1)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(result)
	if err != nil {
		return "", fmt.Errorf("writing the answer: %w", err)
	}
	return string(text), nil
}

// events are a model's answers that come one by one.
type events struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

// stream asks for the rows' answers one by one.
func (m *model) stream(ctx context.Context, q question) (*events, error) {
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("writing the question: %w", err)
	}
	res, err := m.send(ctx, http.MethodPost, "/v2/models/"+url.PathEscape(m.name)+"/infer_stream", body)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusOK && server.Streams(res.Header):
		lines := bufio.NewScanner(res.Body)
		lines.Buffer(nil, maxEvent)
		return &events{res.Body, lines}, nil
	}
	defer res.Body.Close()
	data, err := read(ctx, res)
	switch {
	case err != nil:
		return nil, err
	case res.StatusCode == http.StatusOK:
		return nil, modelError{code: http.StatusBadGateway, says: "the model gives no row by itself; leave out Accept: " + server.EventStream}
	}
	return nil, refused(res, data)
}

func (e *events) close() { _ = e.body.Close() } // read as far as it was wanted

// next returns the next answer, or false after the last. A stream that ends without saying so is broken.
func (e *events) next(ctx context.Context) (given reply, more bool, err error) {
	for e.lines.Scan() {
		data, is := bytes.CutPrefix(e.lines.Bytes(), []byte("data:"))
		data = bytes.TrimSpace(data)
		switch {
		case !is:
			continue
		case string(data) == done:
			return reply{}, false, nil
		}
		if err := json.Unmarshal(data, &given); err != nil {
			return reply{}, false, modelError{code: http.StatusBadGateway, says: "the model's answer is no JSON of the Open Inference Protocol"}
		}
		return given, true, nil
	}
	return reply{}, false, unreachable(ctx, io.ErrUnexpectedEOF)
}
