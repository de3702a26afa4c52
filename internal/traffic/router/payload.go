package router

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// errTooLarge says that a request's body is beyond MaxBody.
var errTooLarge error = refusal{
	http.StatusRequestEntityTooLarge,
	fmt.Sprintf("the body is larger than %d bytes; send fewer rows at a time", MaxBody),
}

// payload is a request's body as it is passed on.
type payload struct {
	stream io.ReadCloser
	length int64
	// reopen is nil for a body that is not buffered.
	reopen func() (io.ReadCloser, error)
	// unbuffered says why the body cannot be sent twice: it is larger than the buffer ("body"), or all buffers together
	// are full ("memory"). It is empty for one that can.
	unbuffered string
}

// read buffers the request's body if it is small enough. free gives the buffer's room back.
func (rt *Router) read(w http.ResponseWriter, in *http.Request) (body payload, free func(), err error) {
	free = func() {}
	if in.ContentLength == 0 {
		return payload{stream: http.NoBody}, free, nil
	}
	if in.ContentLength > MaxBody {
		return payload{}, free, errTooLarge
	}
	limited := http.MaxBytesReader(w, in.Body, MaxBody)
	room := in.ContentLength
	if room < 0 {
		room = shieldedBody
	}
	if room > shieldedBody {
		return payload{stream: limited, length: in.ContentLength, unbuffered: "body"}, free, nil
	}
	if rt.buffered.Add(room) > rt.config.MaxBuffered {
		rt.buffered.Add(-room)
		return payload{stream: limited, length: in.ContentLength, unbuffered: "memory"}, free, nil
	}
	free = func() { rt.buffered.Add(-room) }
	body, err = buffer(limited, in)
	return body, free, err
}

// buffer reads a body that is, or may be, small enough.
func buffer(limited io.ReadCloser, in *http.Request) (payload, error) {
	var data []byte
	var err error
	if in.ContentLength > 0 {
		data = make([]byte, in.ContentLength)
		_, err = io.ReadFull(limited, data)
	} else {
		data, err = io.ReadAll(io.LimitReader(limited, shieldedBody))
	}
	switch {
	case err != nil && in.Context().Err() != nil:
		return payload{}, in.Context().Err()
	case err != nil:
		return payload{}, refusal{http.StatusBadRequest, "the request's body broke off; send all of it"}
	case len(data) == shieldedBody && in.ContentLength < 0:
		rest := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(data), limited), limited}
		return payload{stream: rest, length: -1, unbuffered: "body"}, nil
	}
	reopen := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	stream, _ := reopen()
	return payload{stream: stream, length: int64(len(data)), reopen: reopen}, nil
}
