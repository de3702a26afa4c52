package router_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/suoke-life/suoke/internal/traffic/balance"
)

// instant is a model server that costs next to nothing.
func instant(b *testing.B) string {
	b.Helper()
	socket, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = socket.Close() })
	body := strings.Repeat("x", 130)
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	go func() {
		for {
			conn, err := socket.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if _, err := conn.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return socket.Addr().String()
}

// BenchmarkRequest is a request through the router over sockets, client and model server included.
func BenchmarkRequest(b *testing.B) {
	for _, weight := range []int{0, 100} {
		b.Run(fmt.Sprintf("candidate %d %%", weight), func(b *testing.B) {
			w := newWorld(&testing.T{})
			at := instant(b)
			for _, id := range []string{stable, candidate} {
				w.set(id).Update([]balance.Address{{Pod: id + "-pod", Host: at}})
			}
			w.split(weight)
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			body := strings.Repeat("x", 300)
			request := []byte(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", inferPath, len(body), body))
			in := bufio.NewReader(conn)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Fatal(err)
				}
				_, err = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				if res.StatusCode != http.StatusOK || err != nil {
					b.Fatal(res.Status, err)
				}
			}
		})
	}
}
