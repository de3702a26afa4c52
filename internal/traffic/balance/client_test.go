package balance_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/suoke-life/suoke/internal/traffic/balance"
)

// backend is a server that names itself.
func backend(t *testing.T, name string, handler http.HandlerFunc) balance.Address {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return balance.Address{Pod: name, Host: s.Listener.Addr().String()}
}

// refusing is an address where nobody listens.
func refusing(t *testing.T, name string) balance.Address {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return balance.Address{Pod: name, Host: s.Listener.Addr().String()}
}

// echo reads all before it answers: a server of net/http gives up a large body that it has answered.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

// reset breaks the connection without an answer.
func reset(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func post(t *testing.T, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/x", body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestARefusedConnectionIsTriedElsewhere(t *testing.T) {
	for name, body := range map[string]func() io.Reader{
		"a body that can be sent again": func() io.Reader { return strings.NewReader("hello") },
		"a body that streams":           func() io.Reader { return io.MultiReader(strings.NewReader("hello")) },
	} {
		t.Run(name, func(t *testing.T) {
			var set balance.Set
			set.Update([]balance.Address{refusing(t, "dead"), refusing(t, "dead too"), backend(t, "alive", echo)})
			client, broken := balance.NewClient(), 0
			for range 20 {
				res, pod, err := client.Do(&set, post(t, body()), balance.Stale, func(string, time.Duration, error) { broken++ })
				if err != nil {
					t.Fatal(err)
				}
				if got := text(t, res); got != "hello" || pod != "alive" {
					t.Fatalf("%s answered %q", pod, got)
				}
			}
			if broken == 0 || broken > 2 {
				t.Errorf("%d attempts were refused; each dead endpoint should have been asked at most once, then rested", broken)
			}
		})
	}
}

func TestANewConnectionThatBreaksIsTriedOnceMoreIfThatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		repeats balance.Repeats
		asked   int32
	}{
		"not, if it may not be repeated":                        {balance.Never, 1},
		"not, as the Pod may have acted on the request":         {balance.Stale, 1},
		"at another Pod, and then no more, as Pods break of it": {balance.Unanswered, 2},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			breaks := func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				reset(w, r)
			}
			var set balance.Set
			set.Update([]balance.Address{backend(t, "a", breaks), backend(t, "b", breaks), backend(t, "c", breaks)})
			var pods []string
			res, pod, err := balance.NewClient().Do(&set, post(t, strings.NewReader("x")), c.repeats, func(pod string, _ time.Duration, _ error) { pods = append(pods, pod) })
			if err == nil {
				res.Body.Close()
				t.Fatal("a reset gave an answer")
			}
			if asked.Load() != c.asked || len(pods) != int(c.asked) || pod != pods[len(pods)-1] || len(pods) == 2 && pods[0] == pods[1] {
				t.Errorf("asked %d times, broken at %v (last %q), want %d attempts, each at another Pod", asked.Load(), pods, pod, c.asked)
			}
		})
	}
}

func TestAPodThatDiesLosesNoRequestThatMayBeRepeated(t *testing.T) {
	var set balance.Set
	set.Update([]balance.Address{backend(t, "dies", reset), backend(t, "lives", echo)})
	client := balance.NewClient()
	for range 4 {
		res, pod, err := client.Do(&set, post(t, strings.NewReader("hello")), balance.Unanswered, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := text(t, res); got != "hello" || pod != "lives" {
			t.Errorf("%s answered %q", pod, got)
		}
	}
}

func TestWhatMayNotBeRepeatedIsSentOnce(t *testing.T) {
	var asked atomic.Int32
	var set balance.Set
	set.Update([]balance.Address{backend(t, "only", func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) > 1 {
			reset(w, r)
			return
		}
		echo(w, r)
	})})
	client := balance.NewClient()
	res, _, err := client.Do(&set, post(t, strings.NewReader("x")), balance.Never, nil)
	if err != nil {
		t.Fatal(err)
	}
	text(t, res)
	if res, _, err = client.Do(&set, post(t, strings.NewReader("x")), balance.Never, nil); err == nil {
		res.Body.Close()
		t.Error("a reset gave an answer")
	}
	if asked.Load() != 2 {
		t.Errorf("two requests reached the Pod %d times", asked.Load())
	}
}

// TestTheEndpointsMayChangeMeanwhile: whoever takes a vanished Pod's place is asked.
func TestTheEndpointsMayChangeMeanwhile(t *testing.T) {
	var set balance.Set
	alive := backend(t, "alive", echo)
	set.Update([]balance.Address{refusing(t, "vanished")})
	res, pod, err := balance.NewClient().Do(&set, post(t, strings.NewReader("hello")), balance.Stale, func(string, time.Duration, error) {
		set.Update([]balance.Address{alive})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, res); got != "hello" || pod != "alive" {
		t.Errorf("%s answered %q", pod, got)
	}
}

func TestAKeptConnectionThatBreaksIsTriedElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		body  func() io.Reader
		again bool
	}{
		"again, if the body can be sent again": {func() io.Reader { return bytes.NewReader([]byte("x")) }, true},
		"again, if such a body is large":       {func() io.Reader { return bytes.NewReader(make([]byte, 1<<20)) }, true},
		"not, if the body streamed":            {func() io.Reader { return io.MultiReader(strings.NewReader("x")) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			flaky := backend(t, "flaky", func(w http.ResponseWriter, r *http.Request) {
				if broken.Load() {
					reset(w, r)
					return
				}
				echo(w, r)
			})
			client := balance.NewClient()
			var set balance.Set
			set.Update([]balance.Address{flaky})
			kept := make(chan struct{})
			req := post(t, c.body())
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{PutIdleConn: func(error) { close(kept) }}))
			res, _, err := client.Do(&set, req, balance.Stale, nil)
			if err != nil {
				t.Fatal(err)
			}
			text(t, res)
			if !c.again {
				<-kept // by a Transport, which gives it back when it likes
			}
			broken.Store(true)
			set.Update([]balance.Address{flaky, backend(t, "steady", echo)})
			var pods []string
			for len(pods) == 0 {
				res, pod, err := client.Do(&set, post(t, c.body()), balance.Stale, func(pod string, _ time.Duration, _ error) { pods = append(pods, pod) })
				if (err == nil) != (c.again || pod == "steady") {
					t.Fatalf("%s: %v", pod, err)
				}
				if err == nil {
					text(t, res)
				}
			}
			if len(pods) != 1 || pods[0] != "flaky" {
				t.Errorf("broken attempts at %v, want one at flaky", pods)
			}
		})
	}
}

func TestAnEndpointIsBusyUntilTheBodyIsClosed(t *testing.T) {
	var set balance.Set
	set.Update([]balance.Address{backend(t, "a", echo), backend(t, "b", echo)})
	client := balance.NewClient()
	first, busy, err := client.Do(&set, post(t, strings.NewReader("x")), balance.Stale, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		res, pod, err := client.Do(&set, post(t, strings.NewReader("x")), balance.Stale, nil)
		if err != nil {
			t.Fatal(err)
		}
		text(t, res)
		if pod == busy {
			t.Error("the busy endpoint was asked while another was idle")
		}
	}
	first.Body.Close()
	first.Body.Close()
	for _, a := range []string{"", ""} {
		res, pod, err := client.Do(&set, post(t, strings.NewReader(a)), balance.Stale, nil)
		if err != nil {
			t.Fatal(err)
		}
		text(t, res)
		if pod == busy {
			return
		}
	}
	t.Error("an endpoint whose answer was closed is still busy")
}

func TestTheCallersEndIsNotTriedAgain(t *testing.T) {
	arrived := make(chan struct{}, 4)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}
	var set balance.Set
	set.Update([]balance.Address{backend(t, "a", hang), backend(t, "b", hang)})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	res, _, err := balance.NewClient().Do(&set, post(t, nil).WithContext(ctx), balance.Stale, nil)
	if err == nil {
		res.Body.Close()
	}
	if !errors.Is(err, context.Canceled) || len(arrived) != 0 {
		t.Errorf("got %v after %d more requests, want the caller's own cancel", err, len(arrived))
	}
}

func TestNoEndpoint(t *testing.T) {
	res, _, err := balance.NewClient().Do(&balance.Set{}, post(t, nil), balance.Stale, nil)
	if err == nil {
		res.Body.Close()
	}
	if !errors.Is(err, balance.ErrNoEndpoint) {
		t.Errorf("got %v, want ErrNoEndpoint", err)
	}
}

func TestAKeptConnectionThatBreaksIsReplacedWhereThereIsOnePod(t *testing.T) {
	for name, c := range map[string]struct {
		resets int32
		asked  int32
		whole  bool
	}{
		"the new connection answers":                    {1, 3, true},
		"the new connection breaks too, and that is it": {2, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked, resets atomic.Int32
			var set balance.Set
			set.Update([]balance.Address{backend(t, "only", func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if resets.Add(-1) >= 0 {
					reset(w, r)
					return
				}
				echo(w, r)
			})})
			client := balance.NewClient()
			res, _, err := client.Do(&set, post(t, strings.NewReader("x")), balance.Stale, nil)
			if err != nil {
				t.Fatal(err)
			}
			text(t, res)
			resets.Store(c.resets)
			res, _, err = client.Do(&set, post(t, strings.NewReader("hello")), balance.Stale, nil)
			if (err == nil) != c.whole {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				if got := text(t, res); got != "hello" {
					t.Errorf("got %q", got)
				}
			}
			if asked.Load() != c.asked {
				t.Errorf("the Pod was asked %d times, want %d", asked.Load(), c.asked)
			}
		})
	}
}
