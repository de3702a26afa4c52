package balance_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
)

// raw is a backend that answers each request with a text, byte by byte as it stands; it counts its connections.
func raw(t *testing.T, answers ...string) (balance.Address, *atomic.Int64) {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	var connections atomic.Int64
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for _, answer := range answers {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if _, err := io.WriteString(conn, answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return balance.Address{Pod: "raw", Host: socket.Addr().String()}, &connections
}

func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func TestAConnectionIsUsedAgainOnlyWhereItMayBe(t *testing.T) {
	for sentence, c := range map[string]struct {
		first string
		// read says whether the first answer is read to its end.
		read bool
		want int64
	}{
		"after a whole answer":              {ok("one"), true, 1},
		"after one in chunks":               {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n", true, 1},
		"after one without a body":          {"HTTP/1.1 204 No Content\r\n\r\n", true, 1},
		"after a promise and an answer":     {"HTTP/1.1 100 Continue\r\n\r\n" + ok("one"), true, 1},
		"not after an answer that was left": {ok("one"), false, 2},
		"not if the server closes it":       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\none", true, 2},
		"not if the answer ends with it":    {"HTTP/1.0 200 OK\r\n\r\none", true, 2},
		"not if more came than the answer":  {ok("one") + "rubbish", true, 2},
	} {
		t.Run(sentence, func(t *testing.T) {
			second := ok("two")
			answers := []string{c.first, second}
			if strings.Contains(c.first, "HTTP/1.0") {
				answers = answers[:1] // it closes
			}
			at, connections := raw(t, answers...)
			var set balance.Set
			set.Update([]balance.Address{at})
			client := balance.NewClient()
			res, _, err := client.Do(&set, post(t, strings.NewReader("x")), balance.Stale, nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.read {
				if _, err := io.Copy(io.Discard, res.Body); err != nil {
					t.Fatal(err)
				}
			}
			_ = res.Body.Close()
			res, _, err = client.Do(&set, post(t, strings.NewReader("x")), balance.Stale, func(_ string, _ time.Duration, err error) {
				t.Errorf("an attempt broke: %v", err)
			})
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if n := connections.Load(); n != c.want {
				t.Errorf("%d connections, want %d", n, c.want)
			}
		})
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	for sentence, answer := range map[string]string{
		"no HTTP":                  "hello\r\n\r\n",
		"a header without end":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20),
		"nothing but promises":     strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 10),
		"a header that breaks off": "HTTP/1.1 200 OK\r\nX",
	} {
		t.Run(sentence, func(t *testing.T) {
			at, _ := raw(t, answer)
			var set balance.Set
			set.Update([]balance.Address{at})
			broken := 0
			res, pod, err := balance.NewClient().Do(&set, post(t, strings.NewReader("x")), balance.Stale, func(string, time.Duration, error) { broken++ })
			if err == nil {
				_ = res.Body.Close()
			}
			if err == nil || pod != "raw" || broken != 1 {
				t.Errorf("got %v of %q after %d broken attempts, want one that is not repeated", err, pod, broken)
			}
		})
	}
}

func TestABodyThatBreaksOffIsAnError(t *testing.T) {
	at, _ := raw(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	var set balance.Set
	set.Update([]balance.Address{at})
	res, _, err := balance.NewClient().Do(&set, post(t, strings.NewReader("x")), balance.Stale, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if data, err := io.ReadAll(res.Body); err == nil || string(data) != "half" {
		t.Errorf("got %q, %v", data, err)
	}
}

func TestACancelReachesTheEndpointInMidAnswer(t *testing.T) {
	left := make(chan struct{})
	at := backend(t, "slow", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	})
	var set balance.Set
	set.Update([]balance.Address{at})
	ctx, cancel := context.WithCancel(t.Context())
	res, _, err := balance.NewClient().Do(&set, post(t, strings.NewReader("x")).WithContext(ctx), balance.Stale, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	cancel()
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("the body came to an end")
	}
	_ = res.Body.Close()
	<-left
}

// huge is a body that no connection's buffers hold. Its sender closes it when it needs it no more.
type huge struct {
	left   int
	closed *atomic.Bool
}

const hugeBody = 32 << 20

func (h *huge) Read(part []byte) (int, error) {
	if h.left == 0 {
		return 0, io.EOF
	}
	n := min(len(part), h.left)
	h.left -= n
	return n, nil
}

// Close takes its time, so that whoever does not wait for it is found out.
func (h *huge) Close() error {
	for range 1000 {
		runtime.Gosched()
	}
	h.closed.Store(true)
	return nil
}

// postHuge returns a request with a huge body, and whether it was closed.
func postHuge(t *testing.T) (*http.Request, *atomic.Bool) {
	t.Helper()
	closed := &atomic.Bool{}
	req := post(t, http.NoBody)
	req.ContentLength = hugeBody
	req.GetBody = func() (io.ReadCloser, error) { return &huge{hugeBody, closed}, nil }
	req.Body = &huge{hugeBody, &atomic.Bool{}}
	return req, closed
}

// once is a backend that gives one connection, of which it has read a request's header, to a function.
func once(t *testing.T, serve func(conn net.Conn, req *http.Request)) balance.Address {
	t.Helper()
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	go func() {
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if req, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			serve(conn, req)
		}
	}()
	return balance.Address{Pod: "once", Host: socket.Addr().String()}
}

func TestABodyIsSentWhileItsAnswerComes(t *testing.T) {
	at := once(t, func(conn net.Conn, req *http.Request) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", hugeBody)
		_, _ = io.Copy(conn, req.Body)
	})
	var set balance.Set
	set.Update([]balance.Address{at})
	req, _ := postHuge(t)
	res, _, err := balance.NewClient().Do(&set, req, balance.Stale, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n, err := io.Copy(io.Discard, res.Body); n != hugeBody || err != nil {
		t.Errorf("%d bytes came back, %v", n, err)
	}
}

func TestABodyIsLeftAloneOnceItsRequestIsOver(t *testing.T) {
	for sentence, c := range map[string]struct {
		answer string
		want   int
	}{
		"after an answer that came before all was read": {"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n", 413},
		"after an answer that is none":                  {"hello\r\n\r\n", 0},
		"after a cancel":                                {"", 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			over := make(chan struct{})
			defer close(over)
			at := once(t, func(conn net.Conn, _ *http.Request) {
				if _, _ = io.WriteString(conn, c.answer); c.answer == "" {
					cancel()
				}
				<-over
			})
			var set balance.Set
			set.Update([]balance.Address{at})
			req, closed := postHuge(t)
			got := 0
			res, _, err := balance.NewClient().Do(&set, req.WithContext(ctx), balance.Stale, nil)
			if err == nil {
				got = res.StatusCode
				_ = res.Body.Close()
			}
			if got != c.want {
				t.Errorf("got %d, %v, want %d", got, err, c.want)
			}
			if !closed.Load() {
				t.Error("the body is still being sent")
			}
		})
	}
}
