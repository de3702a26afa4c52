package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// socket is a listener in memory, so that a bubble of synctest holds both ends of its connections.
type socket struct {
	connections chan net.Conn
	once        sync.Once
	closed      chan struct{}
	// broken is what Accept gives once the socket is closed; nil: what a closed one does.
	broken error
}

func newSocket() *socket {
	return &socket{connections: make(chan net.Conn), closed: make(chan struct{})}
}

func (s *socket) Accept() (net.Conn, error) {
	select {
	case c := <-s.connections:
		return c, nil
	case <-s.closed:
		if s.broken != nil {
			return nil, s.broken
		}
		return nil, net.ErrClosed
	}
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (*socket) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// client keeps one connection.
type client struct {
	conn net.Conn
	read *bufio.Reader
}

// dial fails if nobody listens any more.
func (s *socket) dial(t *testing.T) (*client, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	select {
	case s.connections <- theirs:
		return &client{ours, bufio.NewReader(ours)}, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// get returns the answer's code and text, and whether the server keeps the connection.
func (c *client) get(path string) (code int, text string, kept bool, err error) {
	if _, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: suoke\r\n\r\n", path); err != nil {
		return 0, "", false, err
	}
	res, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return 0, "", false, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, strings.TrimSpace(string(body)), !res.Close, err
}

// want asks once on a connection of its own.
func (s *socket) want(t *testing.T, path string, code int, text string) {
	t.Helper()
	c, err := s.dial(t)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	gotCode, gotText, _, err := c.get(path)
	if err != nil || gotCode != code || gotText != text {
		t.Errorf("GET %s: got %d %q, %v; want %d %q", path, gotCode, gotText, err, code, text)
	}
}

// running is a Server with a public socket and one for probes.
type running struct {
	*Server
	public, admin *socket
	stop          context.CancelFunc
	ended         chan error
	// arrived gets a value for each request to /slow, which is answered once release is closed.
	arrived, release chan struct{}
}

func start(t *testing.T, change ...func(*Server)) *running {
	t.Helper()
	r := &running{public: newSocket(), admin: newSocket(), ended: make(chan error, 1), arrived: make(chan struct{}, 8), release: make(chan struct{})}
	public, admin := http.NewServeMux(), http.NewServeMux()
	public.HandleFunc("/quick", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "quick") })
	public.HandleFunc("/slow", func(w http.ResponseWriter, _ *http.Request) {
		r.arrived <- struct{}{}
		<-r.release
		_, _ = io.WriteString(w, "slow")
	})
	r.Server = &Server{
		Listeners: []Listener{{Handler: public}, {Handler: admin}},
		Delay:     5 * time.Second, Drain: 30 * time.Second, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(r.Server)
	}
	r.Probes(admin, NewRegistry())
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.ended <- r.serve(ctx, []net.Listener{r.public, r.admin}) }()
	return r
}

func TestAHeaderIsBounded(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.Config = (&Server{}).bounded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Start()
	defer s.Close()
	for size, want := range map[int]int{60 << 10: http.StatusOK, 80 << 10: http.StatusRequestHeaderFieldsTooLarge} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Large", strings.Repeat("x", size))
		res, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%d bytes: got %d, want %d", size, res.StatusCode, want)
		}
	}
}

func TestStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.public.want(t, "/quick", 200, "quick")
		r.admin.want(t, "/ready", 200, "ok")

		began := time.Now()
		r.stop()
		synctest.Wait()
		r.admin.want(t, "/ready", 503, "stopping")
		r.admin.want(t, "/health", 200, "ok")
		r.public.want(t, "/quick", 200, "quick")
		time.Sleep(r.Delay - time.Nanosecond)
		synctest.Wait()
		r.public.want(t, "/quick", 200, "quick")

		if err := <-r.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took != r.Delay {
			t.Errorf("a server without requests in flight ended %v after it was told to, want %v", took, r.Delay)
		}
		if _, err := r.public.dial(t); err == nil {
			t.Error("a server that has ended takes connections")
		}
	})
}

func TestARequestInFlightIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		c, err := r.public.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan string)
		go func() {
			code, text, _, err := c.get("/slow")
			answered <- fmt.Sprintf("%d %s %v", code, text, err)
		}()
		<-r.arrived
		r.stop()
		time.Sleep(r.Delay + 10*time.Second)
		synctest.Wait()
		select {
		case err := <-r.ended:
			t.Fatalf("ended with a request in flight: %v", err)
		default:
		}
		if _, err := r.public.dial(t); err == nil {
			t.Error("new connections are taken after the delay")
		}
		r.admin.want(t, "/ready", 503, "stopping")
		close(r.release)
		if got := <-answered; got != "200 slow <nil>" {
			t.Errorf("the request in flight got %s", got)
		}
		if err := <-r.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestARequestThatOutlastsTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		c, err := r.public.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		broke := make(chan error)
		go func() {
			_, _, _, err := c.get("/slow")
			broke <- err
		}()
		<-r.arrived
		began := time.Now()
		r.stop()
		if err := <-broke; err == nil {
			t.Error("a request that was never answered got an answer")
		}
		if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "requests in flight did not end within 30s") {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took != r.Delay+r.Drain {
			t.Errorf("ended after %v, want %v", took, r.Delay+r.Drain)
		}
		close(r.release)
	})
}

func TestKeptConnectionsLeaveBeforeTheServerDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		c, err := r.public.dial(t)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, kept, err := c.get("/quick"); code != 200 || !kept || err != nil {
			t.Errorf("while it runs: %d, kept %v, %v", code, kept, err)
		}
		r.stop()
		synctest.Wait()
		if code, _, kept, err := c.get("/quick"); code != 200 || kept || err != nil {
			t.Errorf("while it stops: %d, kept %v, %v", code, kept, err)
		}
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestReadyAsksTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("routes are not read yet")
		r := start(t, func(s *Server) { s.Ready = func() error { return why } })
		r.admin.want(t, "/ready", 503, "routes are not read yet")
		r.admin.want(t, "/health", 200, "ok")
		why = nil
		r.admin.want(t, "/ready", 200, "ok")
		r.stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestOneSocketThatBreaksEndsTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		began := time.Now()
		r.admin.broken = errors.New("out of files")
		_ = r.admin.Close()
		if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "out of files") {
			t.Errorf("ended with %v", err)
		}
		if time.Since(began) != 0 {
			t.Error("a process that cannot serve waits as if it could")
		}
		r.stop()
	})
}

func TestAnAddressThatIsTaken(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	s := &Server{Log: slog.New(slog.DiscardHandler), Listeners: []Listener{
		{Address: "127.0.0.1:0", Handler: http.NotFoundHandler()}, {Address: taken.Addr().String(), Handler: http.NotFoundHandler()},
	}}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "listening: ") {
		t.Errorf("got %v", err)
	}
}

func TestRunListensAndEndsWithTheContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	mux := http.NewServeMux()
	said := make(chan string, 1)
	s := &Server{Listeners: []Listener{{Address: "127.0.0.1:0", Handler: mux}}, Drain: time.Minute, Log: slog.New(addresses{said})}
	s.Probes(mux, NewRegistry())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+<-said+"/ready", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("/ready: %d", res.StatusCode)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
}

// addresses is a log handler that passes on where the server listens.
type addresses struct{ to chan<- string }

func (addresses) Enabled(context.Context, slog.Level) bool { return true }

func (a addresses) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "address" {
			a.to <- attr.Value.String()
		}
		return true
	})
	return nil
}

func (a addresses) WithAttrs([]slog.Attr) slog.Handler { return a }
func (a addresses) WithGroup(string) slog.Handler      { return a }

func TestMetricsAreServed(t *testing.T) {
	registry := NewRegistry()
	requests := prometheus.NewCounter(prometheus.CounterOpts{Name: "ai_inference_requests_total", Help: "Requests."})
	registry.MustRegister(requests)
	requests.Add(3)
	mux := http.NewServeMux()
	(&Server{}).Probes(mux, registry)
	res := httptest.NewRecorder()
	mux.ServeHTTP(res, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	for _, want := range []string{"ai_inference_requests_total 3", "go_goroutines", "process_start_time_seconds"} {
		if !strings.Contains(res.Body.String(), want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

func TestWhichNamespaceAndPodAProcessRunsIn(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "elsewhere")
	t.Setenv("POD_NAME", "router-0")
	if got := ownNamespace(); got != "elsewhere" {
		t.Errorf("namespace %q", got)
	}
	if got := PodName(); got != "router-0" {
		t.Errorf("Pod %q", got)
	}
	t.Setenv("POD_NAMESPACE", "")
	t.Setenv("POD_NAME", "")
	if got := ownNamespace(); got != defaultNamespace {
		t.Errorf("outside a cluster: namespace %q, want %q", got, defaultNamespace)
	}
	if PodName() == "" {
		t.Error("outside a cluster a process has no name")
	}
}
