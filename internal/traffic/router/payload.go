package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
)

// errTooLarge says that a request's body is beyond MaxBody.
var errTooLarge error = refusal{
	http.StatusRequestEntityTooLarge,
	fmt.Sprintf("the body is larger than %d bytes; send fewer rows at a time", MaxBody),
}

// errLate says that a request's body did not come in time.
var errLate error = refusal{
	http.StatusRequestTimeout,
	"the request's body did not come within the time that it allows; send it faster, or allow more with " + headerTimeout,
}

// payload is a request's body as it is passed on.
type payload struct {
	// data is the whole body, unless unbuffered says why it cannot be sent twice: it is larger than the buffer ("body"),
	// or all buffers together are full ("memory"). Then stream is what is left to read, length its bytes or -1.
	data       []byte
	unbuffered string
	stream     *upload
	length     int64
	// room is what the body takes of the memory for all bodies.
	room int64
}

// read buffers the request's body if it is small enough. free gives the buffer and its room back.
func (rt *Router) read(in *http.Request) (payload, error) {
	if in.ContentLength == 0 {
		return payload{}, nil
	}
	if in.ContentLength > MaxBody {
		return payload{}, errTooLarge
	}
	// It is not told of the answer's writer, to which it would write from where the body is read.
	limited := http.MaxBytesReader(nil, in.Body, MaxBody)
	room := in.ContentLength
	if room < 0 {
		room = shieldedBody
	}
	if room > shieldedBody {
		return payload{stream: &upload{ReadCloser: limited}, length: in.ContentLength, unbuffered: "body"}, nil
	}
	if rt.buffered.Add(room) > rt.config.MaxBuffered {
		rt.buffered.Add(-room)
		return payload{stream: &upload{ReadCloser: limited}, length: in.ContentLength, unbuffered: "memory"}, nil
	}
	body, err := rt.buffer(limited, in)
	if err != nil {
		rt.buffered.Add(-room)
		return payload{}, err
	}
	body.room = room
	return body, nil
}

func (rt *Router) free(body payload) {
	if body.room > 0 {
		rt.buffered.Add(-body.room)
		rt.memory.giveBack(body.data)
	}
}

// buffer reads a body that is, or may be, small enough.
func (rt *Router) buffer(limited io.ReadCloser, in *http.Request) (payload, error) {
	var data []byte
	var err error
	if in.ContentLength > 0 {
		data = rt.memory.lend(int(in.ContentLength))
		_, err = io.ReadFull(limited, data)
	} else {
		data, err = io.ReadAll(io.LimitReader(limited, shieldedBody))
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return payload{}, errLate
	case errors.Is(err, io.ErrUnexpectedEOF), err != nil && in.Context().Err() != nil:
		return payload{}, context.Canceled // who sends half of it has left
	case err != nil:
		return payload{}, refusal{http.StatusBadRequest, "the request's body broke off; send all of it"}
	case len(data) == shieldedBody && in.ContentLength < 0:
		rest := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(data), limited), limited}
		return payload{stream: &upload{ReadCloser: rest}, length: -1, unbuffered: "body"}, nil
	}
	return payload{data: data}, nil
}

// upload is a body that is read from the client while it is sent on.
type upload struct {
	io.ReadCloser

	// waits says that the client is waited for, or that it sent nothing more in time.
	waits atomic.Bool
}

// Read implements io.Reader.
func (u *upload) Read(part []byte) (int, error) {
	u.waits.Store(true)
	n, err := u.ReadCloser.Read(part)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		u.waits.Store(false)
	}
	return n, err
}

// late says, once the time is up, whether it was the client that was waited for.
func (p payload) late() bool { return p.stream != nil && p.stream.waits.Load() }

// fill gives the body to a request.
func (p payload) fill(out *http.Request) {
	switch {
	case p.unbuffered != "":
		out.Body, out.ContentLength = p.stream, p.length
	case len(p.data) == 0:
		out.Body = http.NoBody
	default:
		out.ContentLength = int64(len(p.data))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(p.data)), nil }
		out.Body, _ = out.GetBody() // it never fails
	}
}
