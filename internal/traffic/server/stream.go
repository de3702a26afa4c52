package server

import (
	"context"
	"mime"
	"net/http"
	"time"
)

const (
	// StreamIdle is the longest pause within an answer that streams, of the one who gives it or of the one who reads it.
	StreamIdle = 30 * time.Second
	// LongestStream is the whole time that a streamed answer may take.
	LongestStream = 15 * time.Minute
	// SessionHeader names a client's session.
	SessionHeader = "X-Session-ID"
	// SessionCookie does where the header does not.
	SessionCookie = "suoke-session"
	// EventStream is the media type of Server-Sent Events.
	EventStream = "text/event-stream"
)

// Session returns the session that a request belongs to, or "".
func Session(in *http.Request) string {
	if id := in.Header.Get(SessionHeader); id != "" {
		return id
	}
	if _, has := in.Header["Cookie"]; !has {
		return ""
	}
	if cookie, err := in.Cookie(SessionCookie); err == nil {
		return cookie.Value
	}
	return ""
}

// Streams says whether a message with this header is a stream of Server-Sent Events.
func Streams(header http.Header) bool {
	text := header.Get("Content-Type")
	if len(text) < len(EventStream) || text == "application/json" {
		return false
	}
	kind, _, err := mime.ParseMediaType(text)
	return err == nil && kind == EventStream
}

// Deadline ends a context when its time is up. Of an answer that streams it holds until the first byte; from then on
// each part moves it, to StreamIdle later and never beyond LongestStream.
type Deadline struct {
	timer  *time.Timer
	cancel context.CancelCauseFunc
	last   time.Time
}

// WithDeadline returns a context whose cause is context.DeadlineExceeded once so much time has passed. Stop ends it.
func WithDeadline(parent context.Context, after time.Duration) (context.Context, *Deadline) {
	ctx, cancel := context.WithCancelCause(parent)
	return ctx, &Deadline{cancel: cancel, timer: time.AfterFunc(after, func() { cancel(context.DeadlineExceeded) })}
}

// Stop ends the context. Whatever it ended with before stays its cause.
func (d *Deadline) Stop() {
	d.timer.Stop()
	d.cancel(context.Canceled)
}

// Extend moves the deadline, because a part of a stream has come.
func (d *Deadline) Extend() {
	now := time.Now()
	if d.last.IsZero() {
		d.last = now.Add(LongestStream)
	}
	d.Move(min(StreamIdle, d.last.Sub(now)))
}

// Move sets the deadline anew, unless it has passed.
func (d *Deadline) Move(after time.Duration) {
	if d.timer.Stop() {
		d.timer.Reset(after)
	}
}

// Stream writes an answer part by part: each Write reaches the client at once, and only a pause ends the connection, not
// the time that all of it takes.
type Stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// NewStream returns a Stream over w.
func NewStream(w http.ResponseWriter) *Stream {
	return &Stream{w: w, control: http.NewResponseController(w)}
}

// Write implements io.Writer.
func (s *Stream) Write(part []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(StreamIdle)) // a writer that knows no deadlines keeps what it has
	n, err := s.w.Write(part)
	if err != nil {
		return n, err
	}
	return n, s.control.Flush()
}
