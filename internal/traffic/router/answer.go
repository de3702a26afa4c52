package router

import (
	"context"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
)

// copyBytes are read of an answer at a time.
const copyBytes = 32 << 10

// answer is what a version gave, or err if it gave none.
type answer struct {
	*exchange

	version *version
	pod     string
	asked   time.Time
	// ctx of the attempt.
	ctx context.Context
	res *http.Response
	err error
	// head is what hold read of the body; rest says that there is more.
	head []byte
	rest bool

	reasked, closed bool
}

// failed says whether the version failed the request.
func (a *answer) failed() bool {
	return a.err != nil || a.res.StatusCode >= http.StatusInternalServerError
}

// hold reads the body as far as the buffer goes, so that one which breaks off can still be taken back. Of a stream it
// waits for the first bytes only.
func (a *answer) hold() {
	if a.err != nil {
		return
	}
	var err error
	if a.streams() {
		a.head = make([]byte, copyBytes)
		var n int
		n, err = a.res.Body.Read(a.head)
		a.head, a.rest = a.head[:n], !errors.Is(err, io.EOF)
	} else {
		a.head, err = io.ReadAll(io.LimitReader(a.res.Body, shieldedBody))
		a.rest = len(a.head) == shieldedBody
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = a.cause(a.ctx, err)
	}
}

func (a *answer) streams() bool {
	kind, _, err := mime.ParseMediaType(a.res.Header.Get("Content-Type"))
	return err == nil && kind == "text/event-stream"
}

// send writes the answer to the client. An error says that nothing was written.
func (a *answer) send(w http.ResponseWriter) error {
	if a.err != nil {
		return a.err
	}
	header := w.Header()
	maps.Copy(header, balance.EndToEnd(a.res.Header))
	header.Set(headerVersion, a.version.Version.Version)
	header.Set(headerPod, a.pod)
	w.WriteHeader(a.res.StatusCode)
	code := a.res.StatusCode
	if !a.stream(w) && a.in.Context().Err() != nil {
		code = codeClientGone
	}
	a.router.metrics.answered(a.model.name, a.version.Version.Version, code, time.Since(a.start))
	if a.err != nil {
		// What came is passed on, and then only a connection that breaks tells the client that it is not whole.
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	return nil
}

// stream writes the body, and says whether all of it came and went. A body that breaks off is the version's failure.
func (a *answer) stream(w http.ResponseWriter) bool {
	flush := func() error { return nil }
	if a.streams() {
		flush = http.NewResponseController(w).Flush
	}
	if _, err := w.Write(a.head); err != nil { //nolint:gosec // a router passes on what the version answered
		return false
	}
	if a.head != nil && !a.rest {
		return true
	}
	if err := flush(); err != nil {
		return false
	}
	buffer := make([]byte, copyBytes)
	for {
		n, err := a.res.Body.Read(buffer)
		if _, failed := w.Write(buffer[:n]); failed != nil {
			return false
		}
		if failed := flush(); failed != nil {
			return false
		}
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			a.err = a.cause(a.ctx, err)
			return false
		}
	}
}

// close ends the exchange with the Pod and counts how it went. It may be called twice.
func (a *answer) close() {
	if a.closed {
		return
	}
	a.closed = true
	took := time.Since(a.asked)
	o := outcome{slow: a.version.slow(took), reasked: a.reasked, failed: a.failed()}
	if a.res != nil {
		o.took = took
		_ = a.res.Body.Close() // read as far as it was wanted
	}
	a.version.inFlight.Add(-1)
	if !errors.Is(a.err, errTooLarge) {
		a.count(a.version, a.pod, o)
	}
}
