package serving

import (
	"fmt"
	"net/http"
	"time"
)

// eventIdle is the longest that a client may take to read an event.
const eventIdle = 30 * time.Second

// streamError says that some of a stream was sent, so that no other answer can be given.
type streamError struct{ error }

// Unwrap returns what broke it.
func (b streamError) Unwrap() error { return b.error }

// rowByRow answers like whole, with one event for every row as soon as it is computed, and a last one that says [DONE].
// Other requests may be computed between its rows.
func (s *Server) rowByRow(w http.ResponseWriter, r *http.Request) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	id, batch, err := s.question(w, r)
	if err != nil {
		return err
	}
	width := s.width()
	for row := range batch.Rows {
		event, err := s.row(r, id, Batch{Rows: 1, Values: batch.Values[row*width : (row+1)*width]})
		if err == nil {
			err = sendEvent(w, event)
		}
		if err != nil && row > 0 {
			return streamError{fmt.Errorf("row %d: %w", row, err)}
		}
		if err != nil {
			return err
		}
	}
	if err := sendEvent(w, []byte("[DONE]")); err != nil {
		return streamError{err}
	}
	return nil
}

func (s *Server) row(r *http.Request, id string, batch Batch) ([]byte, error) {
	values, err := s.run(r.Context(), batch)
	if err != nil {
		return nil, err
	}
	return s.encode(id, 1, values)
}

// sendEvent sends one event at once. Its first begins the answer.
func sendEvent(w http.ResponseWriter, data []byte) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(eventIdle)) // a writer that knows no deadlines keeps what it has
	if _, err := fmt.Fprintf(w, "data: %s\n\n", data); err != nil {
		return streamError{err}
	}
	if err := control.Flush(); err != nil {
		return streamError{err}
	}
	return nil
}
