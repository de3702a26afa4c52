package routerbench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Paths of the backend. They are those of a model, as our router knows them.
const (
	inferPath  = "/v2/models/bench/infer"
	streamPath = "/v2/models/bench/infer_stream"
)

// eventsPerStream, with this pause at the open rate: so that as many connections as there are give that rate.
const (
	eventsPerStream = 50
	eventPause      = connections * time.Second / openRate
)

// backend answers as fast as it can, with what was asked for: it speaks only as much HTTP as this needs.
type backend struct {
	address string
	socket  net.Listener
}

func startBackend(ctx context.Context) (*backend, error) {
	socket, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting the backend: %w", err)
	}
	b := &backend{address: socket.Addr().String(), socket: socket}
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return b, nil
}

func (b *backend) close() { _ = b.socket.Close() } // the process is ending

// serve answers the requests of one connection until it closes.
func serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 80<<10)
	small, large := answer(smallAnswer), answer(largeBody)
	for {
		path, length, err := readHead(in)
		if err != nil {
			return
		}
		if _, err := in.Discard(length); err != nil {
			return
		}
		path, query, _ := strings.Cut(path, "?")
		switch {
		case path == streamPath:
			err = serveStream(conn, query)
		case length < largeBody:
			_, err = conn.Write(small)
		default:
			_, err = conn.Write(large)
		}
		if err != nil {
			return
		}
	}
}

// serveStream sends events that say when they were sent.
func serveStream(conn net.Conn, query string) error {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	if _, err := conn.Write([]byte(head)); err != nil {
		return err
	}
	for range eventsPerStream {
		if query == paced {
			time.Sleep(eventPause)
		}
		event := fmt.Sprintf("data: {\"sent\":%d,\"filler\":%q}\n\n", time.Now().UnixNano(), strings.Repeat("x", 60))
		if _, err := fmt.Fprintf(conn, "%x\r\n%s\r\n", len(event), event); err != nil {
			return err
		}
	}
	_, err := conn.Write([]byte("0\r\n\r\n"))
	return err
}

// readHead reads a message's first line and header, and returns the second word of the line and the body's length.
func readHead(in *bufio.Reader) (word string, length int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return "", 0, err
	}
	if _, rest, found := bytes.Cut(line, []byte(" ")); found {
		second, _, _ := bytes.Cut(rest, []byte(" "))
		word = string(bytes.TrimSpace(second))
	}
	for {
		line, err = in.ReadSlice('\n')
		if err != nil {
			return "", 0, err
		}
		if len(line) <= 2 {
			return word, length, nil
		}
		if name, value, found := bytes.Cut(line, []byte(":")); found && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return "", 0, fmt.Errorf("reading Content-Length: %w", err)
			}
		}
	}
}

// answer is a whole answer with a body of that length, which is JSON.
func answer(length int) []byte {
	return append(fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length), document(length)...)
}

// document is JSON of that length.
func document(length int) []byte {
	const frame = `{"data":""}`
	return []byte(frame[:len(frame)-2] + strings.Repeat("x", length-len(frame)) + frame[len(frame)-2:])
}
