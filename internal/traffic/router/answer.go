package router

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

const (
	// copyBytes are read of an answer at a time.
	copyBytes = 64 << 10
	// eventBytes are read of a stream, which is open for long.
	eventBytes = 32 << 10
)

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
	// streams says that the answer is a stream of events; its first bytes came after first.
	streams bool
	first   time.Duration
	// head is what hold read of the body, in memory that was lent; whole says that there is no more.
	head  []byte
	whole bool
	// mirror, if not nil, is asked the same once the answer was sent.
	mirror *mirror

	sent, reasked, closed bool
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
	switch length := a.res.ContentLength; {
	case a.streams:
		a.head = a.router.memory.lend(eventBytes)
		var n int
		n, err = a.read(a.head)
		a.head, a.whole = a.head[:n], errors.Is(err, io.EOF)
	case length >= 0 && length <= shieldedBody:
		a.head = a.router.memory.lend(int(length))
		_, err = io.ReadFull(a.res.Body, a.head)
		a.whole = true
	default:
		a.head, err = io.ReadAll(io.LimitReader(a.res.Body, shieldedBody))
		a.whole = len(a.head) < shieldedBody
	}
	if err != nil && !errors.Is(err, io.EOF) {
		a.err = a.cause(a.ctx, err)
	}
}

// read reads a part of the body. Each part of a stream moves its deadline; a body that fits into the buffer is one part.
func (a *answer) read(buffer []byte) (int, error) {
	if int64(len(buffer)) == a.res.ContentLength && !a.streams {
		return io.ReadFull(a.res.Body, buffer)
	}
	n, err := a.res.Body.Read(buffer)
	if a.streams && n > 0 {
		if a.first == 0 {
			a.first = time.Since(a.asked)
		}
		a.deadline.Extend()
	}
	return n, err
}

// send writes the answer to the client. An error says that nothing was written.
func (a *answer) send(w http.ResponseWriter) error {
	if a.err != nil {
		return a.err
	}
	header := w.Header()
	balance.CopyEndToEnd(header, a.res.Header)
	header.Set(headerVersion, a.version.Version.Version)
	header.Set(headerPod, a.pod)
	w.WriteHeader(a.res.StatusCode)
	code := a.res.StatusCode
	if a.sent = a.write(w); !a.sent && a.in.Context().Err() != nil {
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

// write writes the body, and says whether all of it came and went. A body that breaks off is the version's failure.
func (a *answer) write(w io.Writer) bool {
	if rw, is := w.(http.ResponseWriter); is && a.streams {
		w = server.NewStream(rw)
	}
	if !a.pass(w, a.head) {
		return false
	}
	if a.whole {
		return true
	}
	buffer := a.router.memory.lend(a.part())
	defer a.router.memory.giveBack(buffer)
	for {
		n, err := a.read(buffer)
		switch {
		case !a.pass(w, buffer[:n]):
			return false
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			a.err = a.cause(a.ctx, err)
			return false
		}
	}
}

// part is how much of the body is read at a time.
func (a *answer) part() int {
	switch length := a.res.ContentLength; {
	case a.streams:
		return eventBytes
	case length > 0 && length <= copyBytes:
		return int(length)
	default:
		return copyBytes
	}
}

// pass writes a part of the body, and says whether it went.
func (a *answer) pass(w io.Writer, part []byte) bool {
	if a.mirror != nil {
		a.mirror.keep(part)
	}
	_, err := w.Write(part)
	return err == nil
}

// close ends the exchange with the Pod and counts how it went. It may be called twice.
func (a *answer) close() {
	if a.closed {
		return
	}
	a.closed = true
	o := outcome{reasked: a.reasked, failed: a.failed(), sent: a.sent}
	if a.res != nil {
		o.took = time.Since(a.asked)
		_ = a.res.Body.Close() // read as far as it was wanted
	}
	a.router.memory.giveBack(a.head)
	a.head = nil
	if a.streams {
		o.took = a.first // how long all of it takes depends on what was asked
	}
	if a.mirror != nil {
		a.mirror.stable.code = 0
		if a.sent && !a.streams && a.res.StatusCode < http.StatusInternalServerError {
			a.mirror.stable.code = a.res.StatusCode
		}
		a.reflect(a.mirror)
	}
	if _, own := errors.AsType[refusal](a.err); !own { // of what the client sent
		a.count(a.version, a.pod, o)
	}
	a.version.inFlight.Add(-1)
}
