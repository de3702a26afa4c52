package console_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

const event = "data: x\n\n"

// events sends an event for each value of next, and closes left when the client has left.
func events(next <-chan struct{}, left chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, in *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case _, more := <-next:
				if !more {
					panic(http.ErrAbortHandler)
				}
				_, _ = io.WriteString(w, event)
				_ = http.NewResponseController(w).Flush()
			case <-in.Context().Done():
				close(left)
				return
			}
		}
	}
}

// open asks for a stream through a socket of the edge, and returns its body.
func (w *world) open(ctx context.Context, front string) io.Reader {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, front+"/api/agents/xiaoai/v1/infer", http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

func wantEvent(t *testing.T, from io.Reader) {
	t.Helper()
	got := make([]byte, len(event))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != event {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestAStreamIsNotHeldBack(t *testing.T) {
	w, next, left := newWorld(t), make(chan struct{}), make(chan struct{})
	w.serve("xiaoai", events(next, left))
	front := httptest.NewServer(w.mux)
	defer front.Close()
	ctx, leave := context.WithCancel(t.Context())
	go func() { next <- struct{}{} }()
	body := w.open(ctx, front.URL)
	for range 3 {
		wantEvent(t, body)
		next <- struct{}{}
	}
	wantEvent(t, body)
	leave()
	<-left // a client that leaves reaches the agent
}

func TestAStreamThatBreaksOffBreaksTheConnection(t *testing.T) {
	w, next := newWorld(t), make(chan struct{})
	w.serve("xiaoai", events(next, make(chan struct{})))
	front := httptest.NewServer(w.mux)
	go func() { next <- struct{}{} }()
	body := w.open(t.Context(), front.URL)
	wantEvent(t, body)
	close(next)
	if rest, err := io.ReadAll(body); err == nil {
		t.Errorf("after the break: %q and no error", rest)
	}
	front.Close() // the request was counted
	w.wantCounted("xiaoai", map[int]int{502: 1})
}
