package router_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/internal/traffic/router"
)

// dial sends the bytes of a request, or of a part of it.
func (w *world) dial(text string) *net.TCPConn {
	w.t.Helper()
	conn, err := (&net.Dialer{}).DialContext(w.t.Context(), "tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		w.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// raw sends the bytes of a request, and returns the first line of its answer. One that leaves closes its side of the
// connection then.
func (w *world) raw(text string, leaves bool) string {
	w.t.Helper()
	conn := w.dial(text)
	if leaves {
		_ = conn.CloseWrite()
	}
	answer, err := io.ReadAll(conn)
	if len(answer) == 0 && err != nil {
		w.t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(answer), "\r\n")
	return line
}

func TestABodyThatDoesNotComeIsNotAnswered200(t *testing.T) {
	const half = "Host: m\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf"
	for sentence, c := range map[string]struct {
		request string
		leaves  bool
		want    string
	}{
		"the client left":                {"POST " + inferPath + " HTTP/1.1\r\n" + half, true, "HTTP/1.1 499 status code 499"},
		"the client left, no model yet":  {"POST /v1/completions HTTP/1.1\r\n" + half, true, "HTTP/1.1 499 status code 499"},
		"the time that it allows passed": {"POST " + inferPath + " HTTP/1.1\r\nX-Suoke-Timeout: 50ms\r\n" + half, false, "HTTP/1.1 408 Request Timeout"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.serve(stable, says("stable"))
			w.split(0)
			if got := w.raw(c.request, c.leaves); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			w.wantCounts(map[string]route.Second{})
		})
	}
}

// TestTheVersionIsChosenOnceTheBodyIsThere: versions go while a client sends slowly. The router says when it begins to read.
func TestTheVersionIsChosenOnceTheBodyIsThere(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.serve(candidate, says("candidate"))
	w.split(100)
	conn := w.dial("POST " + inferPath + " HTTP/1.1\r\nHost: m\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("got %q, %v", line, err)
	}
	if _, err := in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	w.split(0, func(r *route.Route) { r.Revision, r.Candidate, r.Versions = 8, "", r.Versions[:1] })
	w.set(candidate).Update(nil)
	if _, err := io.WriteString(conn, "slow"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "stable slow" {
		t.Errorf("got %d %s, %v", res.StatusCode, body, err)
	}
}

// TestALargeBodyThatIsLateIsNotTheVersionsFailure, though the version is asked already.
func TestALargeBodyThatIsLateIsNotTheVersionsFailure(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, says("stable"))
	w.split(0)
	request := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: m\r\nX-Suoke-Timeout: 300ms\r\nConnection: close\r\nContent-Length: %d\r\n\r\nhalf", inferPath, 2<<20)
	if got := w.raw(request, false); got != "HTTP/1.1 408 Request Timeout" {
		t.Errorf("got %q", got)
	}
	w.wantCounts(map[string]route.Second{})
}

// TestAPodThatReadsNothingIsLate: it is not the client that is waited for.
func TestAPodThatReadsNothingIsLate(t *testing.T) {
	w := newWorld(t)
	over := make(chan struct{})
	defer close(over)
	w.serve(stable, func(http.ResponseWriter, *http.Request) { <-over })
	w.split(0)
	a := w.askWith(t.Context(), http.MethodPost, inferPath, bytes.NewReader(make([]byte, router.MaxBody)), "X-Suoke-Timeout", "300ms")
	if a.Code != http.StatusGatewayTimeout {
		t.Errorf("got %+v", a)
	}
	w.wantCounts(map[string]route.Second{stable: {Requests: 1, Failures: 1}})
}

// TestRequestsUnderWayAreKnownWhenTheirVersionIsGone: its Pods wait for them.
func TestRequestsUnderWayAreKnownWhenTheirVersionIsGone(t *testing.T) {
	w := newWorld(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	w.serve(stable, says("stable"))
	w.serve(candidate, func(rw http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		says("candidate")(rw, r)
	})
	w.split(100)
	answer := make(chan got)
	go func() { answer <- w.ask(http.MethodPost, inferPath, "x") }()
	<-arrived
	for revision := range int64(2) {
		w.split(0, func(r *route.Route) { r.Revision, r.Candidate, r.Versions = 8+revision, "", r.Versions[:1] })
		if n := w.router.Report(time.Now(), 0, "m").Models["m"].InFlight[candidate]; n != 1 {
			t.Errorf("revision %d: %d requests in flight at the version that is gone, want 1", 8+revision, n)
		}
	}
	close(release)
	if a := <-answer; a.Code != 200 || a.Body != "candidate x" {
		t.Errorf("got %+v", a)
	}
}

func TestWhatIsNotShieldedIsCounted(t *testing.T) {
	for sentence, c := range map[string]struct {
		config func(*router.Config)
		body   io.Reader
		reason string
	}{
		"a body that is too large to keep": {func(*router.Config) {}, bytes.NewReader(make([]byte, 2<<20)), "body"},
		"no memory left for bodies":        {func(c *router.Config) { c.MaxBuffered = 10 }, strings.NewReader("more than that"), "memory"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, c.config)
			w.serve(stable, says("stable"))
			w.serve(candidate, code(500))
			w.split(100)
			if a := w.askWith(t.Context(), http.MethodPost, inferPath, c.body); a.Code != 500 || a.Version != "v2" {
				t.Errorf("got %+v, want the candidate's own failure", a)
			}
			want := `# HELP suoke_router_unshielded_total Requests to a candidate that could not be asked again of the stable version, by reason.
# TYPE suoke_router_unshielded_total counter
suoke_router_unshielded_total{model="m",reason="` + c.reason + `"} 1
`
			if err := testutil.GatherAndCompare(w.metrics, strings.NewReader(want), "suoke_router_unshielded_total"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWithoutMemoryForBodiesTheirModelCannotBeLookedFor(t *testing.T) {
	w := newWorld(t, func(c *router.Config) { c.MaxBuffered = 10 })
	w.serve(stable, says("stable"))
	w.split(0)
	if a := w.ask(http.MethodPost, "/v1/completions", `{"model": "m", "prompt": "x"}`); a.Code != 429 || !a.RetryAfter {
		t.Errorf("got %+v, want 429 with Retry-After", a)
	}
}

// TestACandidateThatHangsHasHalfOfTheTime, so that stable has the other half.
func TestACandidateThatHangsHasHalfOfTheTime(t *testing.T) {
	t.Parallel()
	const allowed = 3 * time.Second
	w := newWorld(t)
	given := make(chan time.Duration, 1)
	w.serve(stable, says("stable"))
	w.serve(candidate, func(rw http.ResponseWriter, r *http.Request) {
		start := time.Now()
		hangs(rw, r)
		given <- time.Since(start)
	})
	w.split(100)
	if a := w.ask(http.MethodPost, inferPath, "x", "X-Suoke-Timeout", allowed.String()); a.Code != 200 || a.Reasked != "v2" {
		t.Errorf("got %+v, want stable's answer", a)
	}
	if d := <-given; d < allowed/3 || d > allowed*2/3 {
		t.Errorf("the candidate had %v of %v", d, allowed)
	}
}

// TestAPodThatDiesIsNotSeen: what may be asked of another version may be asked of another Pod; what may not is not.
func TestAPodThatDiesIsNotSeen(t *testing.T) {
	for sentence, c := range map[string]struct {
		mayReask bool
		header   []string
		want     int
	}{
		"another Pod answers":            {true, nil, http.StatusOK},
		"the client forbids it":          {true, []string{"X-Suoke-Retry", "never"}, http.StatusBadGateway},
		"its runtime may not be reasked": {false, nil, http.StatusBadGateway},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			dying := make(chan struct{}, 4)
			w.serve(stable, func(rw http.ResponseWriter, r *http.Request) {
				dying <- struct{}{}
				resets("")(rw, r)
			}, says("stable"))
			w.split(0, func(r *route.Route) { r.Versions[0].MayReask = c.mayReask })
			for len(dying) == 0 {
				a := w.ask(http.MethodPost, inferPath, "x", c.header...)
				want := http.StatusOK
				if len(dying) > 0 {
					want = c.want
				}
				if a.Code != want {
					t.Errorf("got %+v, want %d", a, want)
				}
			}
		})
	}
}

func TestAClientThatHalfClosesIsNotAnswered200(t *testing.T) {
	w := newWorld(t)
	w.serve(stable, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	})
	w.split(0)
	request := "POST " + inferPath + " HTTP/1.1\r\nHost: m\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
	if got := w.raw(request, true); got != "HTTP/1.1 499 status code 499" {
		t.Errorf("got %q", got)
	}
}
