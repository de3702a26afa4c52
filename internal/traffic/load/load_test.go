package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// system plays the target, and notes when it was asked what.
type system struct {
	answer func(*http.Request) (code int, body string)

	mu    sync.Mutex
	start time.Time
	at    []time.Duration
	asked []string
}

func (s *system) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.at = append(s.at, time.Since(s.start))
	s.asked = append(s.asked, string(body))
	s.mu.Unlock()
	code, text := s.answer(req)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: req}, nil
}

func fine(*http.Request) (int, string) { return 200, `{"version": "v1"}` }

// takes answers after a while, unless the client leaves before.
func takes(d time.Duration) func(*http.Request) (int, string) {
	return func(req *http.Request) (int, string) {
		sleep(req.Context(), d)
		return fine(req)
	}
}

func config(change ...func(*Config)) Config {
	c := Config{
		URL: "http://127.0.0.1/x", Bodies: [][]byte{[]byte("a"), []byte("b")}, Rate: 10, Duration: time.Second,
		MaxInFlight: 100, Timeout: 10 * time.Second,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

// run plays a whole load in no time.
func run(t *testing.T, c Config, answer func(*http.Request) (int, string)) (stats Stats, s *system) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if err := c.check(); err != nil {
			t.Fatal(err)
		}
		s = &system{answer: answer, start: time.Now()}
		r := start(t.Context(), c, s)
		<-r.Done()
		stats = r.Stats()
	})
	return stats, s
}

func TestRequestsAreSentWhenTheyAreDue(t *testing.T) {
	recorded, err := ReadTrace(strings.NewReader("TIMESTAMP\n2023-11-16 18:15:46.0000000\n2023-11-16 18:15:47.0000000\n2023-11-16 18:15:50.0000000\n"))
	if err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	for sentence, c := range map[string]struct {
		config Config
		answer func(*http.Request) (int, string)
		want   []time.Duration
	}{
		"on an even beat":             {config(func(c *Config) { c.Rate = 4 }), fine, []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		"whether or not answers came": {config(func(c *Config) { c.Rate = 4 }), takes(5 * time.Second), []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		// 3 arrivals in 6 s recorded, then over again; 3 a second are 6 times as fast.
		"as recorded, compressed and over again": {
			config(func(c *Config) { c.Pattern, c.Rate, c.Duration = recorded, 3, 2*time.Second }), fine,
			[]time.Duration{0, 1000 * ms / 6, 4000 * ms / 6, 1000 * ms, 7000 * ms / 6, 10000 * ms / 6},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			stats, s := run(t, c.config, c.answer)
			slices.Sort(s.at)
			if diff := cmp.Diff(c.want, s.at, cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < time.Microsecond })); diff != "" {
				t.Errorf("sent at (-want +got):\n%s", diff)
			}
			if n := int64(len(c.want)); stats.Sent != n || stats.OK != n || stats.Failed != 0 {
				t.Errorf("sent %d, ok %d, failed %d; want %d sent and ok", stats.Sent, stats.OK, stats.Failed, n)
			}
		})
	}
}

func TestBodiesAreSentInTurn(t *testing.T) {
	_, s := run(t, config(func(c *Config) { c.Rate = 5 }), fine)
	if diff := cmp.Diff([]string{"a", "b", "a", "b", "a"}, s.asked); diff != "" {
		t.Error(diff)
	}
}

func TestAnswerTimeCountsFromWhenARequestWasDue(t *testing.T) {
	stats, _ := run(t, config(), takes(300*time.Millisecond))
	if stats.Max != 300*time.Millisecond || stats.P50 != 300*time.Millisecond {
		t.Errorf("p50 %v, max %v; each took 300ms", stats.P50, stats.Max)
	}
	r, due := newRecorder(), time.Unix(1000, 0)
	r.sent()
	r.ended(due, due.Add(2*time.Second), "v1", "") // however late it was sent
	if got := r.snapshot().Max; got != 2*time.Second {
		t.Errorf("a request that was due 2 s before its answer took %v", got)
	}
}

func TestWhatFailsIsCountedByItsReason(t *testing.T) {
	for sentence, c := range map[string]struct {
		answer func(*http.Request) (int, string)
		want   string
	}{
		"an error with its sentence": {func(*http.Request) (int, string) { return 503, `{"error": "no Pod of xiaoai is ready"}` }, "503 no Pod of xiaoai is ready"},
		"an error without":           {func(*http.Request) (int, string) { return 502, "<html>" }, "502 "},
		"a body that is no JSON":     {func(*http.Request) (int, string) { return 200, "<html>" }, "200 with a body that is no JSON"},
		"no answer in time":          {takes(time.Hour), "no answer in time"},
	} {
		t.Run(sentence, func(t *testing.T) {
			stats, _ := run(t, config(), c.answer)
			want := Stats{Sent: 10, Failed: 10, Reasons: map[string]int64{c.want: 10}, Versions: map[string]Answers{}}
			if diff := cmp.Diff(want, stats, cmpopts.IgnoreFields(Stats{}, "P50", "P95", "P99", "Max")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestARequestBeyondTheLimitIsNotSentAndFails(t *testing.T) {
	stats, s := run(t, config(func(c *Config) { c.MaxInFlight = 3 }), takes(time.Minute/10))
	if len(s.at) != 3 || stats.Sent != 10 || stats.OK != 3 || stats.Reasons["not sent: 3 requests under way"] != 7 {
		t.Errorf("%d arrived, stats %+v; want 3 of 10, and 7 not sent", len(s.at), stats)
	}
}

func TestVersionsThatAnsweredAreCounted(t *testing.T) {
	var began time.Time
	synctest.Test(t, func(t *testing.T) {
		began = time.Now()
		s := &system{start: began}
		s.answer = func(*http.Request) (int, string) {
			if time.Since(began) >= 500*time.Millisecond {
				return 200, `{"version": "v2"}`
			}
			return fine(nil)
		}
		r := start(t.Context(), config(), s)
		<-r.Done()
		want := map[string]Answers{
			"v1": {Count: 5, First: began, Last: began.Add(400 * time.Millisecond)},
			"v2": {Count: 5, First: began.Add(500 * time.Millisecond), Last: began.Add(900 * time.Millisecond)},
		}
		if diff := cmp.Diff(want, r.Stats().Versions); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestStopWaitsForAnswersAndSendsNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{answer: takes(2 * time.Second), start: time.Now()}
		r := start(t.Context(), config(func(c *Config) { c.Duration = time.Hour }), s)
		time.Sleep(450 * time.Millisecond) // 5 requests are under way
		if stats := r.Stats(); stats.Sent != 5 || stats.OK != 0 {
			t.Errorf("before: %+v", stats)
		}
		if stats := r.Stop(); stats.Sent != 5 || stats.OK != 5 || stats.Failed != 0 {
			t.Errorf("after: %+v; want the 5 under way answered", stats)
		}
		time.Sleep(time.Minute)
		if len(s.at) != 5 {
			t.Errorf("%d requests arrived in all", len(s.at))
		}
	})
}

func TestTheCallersContextEndsTheSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := &system{answer: takes(time.Second), start: time.Now()}
		r := start(ctx, config(func(c *Config) { c.Duration = time.Hour }), s)
		time.Sleep(50 * time.Millisecond)
		cancel()
		<-r.Done()
		if stats := r.Stats(); stats.Sent != 1 || stats.OK != 1 {
			t.Errorf("%+v; want the one under way answered", stats)
		}
	})
}

func TestOverARealConnection(t *testing.T) {
	var mu sync.Mutex
	connections := map[net.Conn]bool{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method != http.MethodPost || req.Header.Get("Content-Type") != "application/json" {
			http.Error(w, "no JSON", http.StatusUnsupportedMediaType)
			return
		}
		_, _ = io.WriteString(w, `{"version": "v1"}`)
	}))
	server.Config.ConnState = func(c net.Conn, _ http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		connections[c] = true
	}
	server.Start()
	defer server.Close()
	r, err := Start(t.Context(), config(func(c *Config) { c.URL, c.Rate, c.Duration = server.URL, 2000, 50*time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	if stats := r.Stats(); stats.Sent != 100 || stats.OK != 100 {
		t.Errorf("%+v; want 100 sent and ok", stats)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(connections) == 100 {
		t.Error("no connection was kept")
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("load went where Check was not asked") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	r, err := Start(t.Context(), config(func(c *Config) { c.URL, c.Rate, c.Duration = server.URL, 1000, 5*time.Millisecond }))
	if err != nil {
		t.Fatal(err)
	}
	<-r.Done()
	if stats := r.Stats(); stats.Reasons["307 "] != 5 {
		t.Errorf("%+v; want 5 redirects that failed", stats)
	}
}

func TestAWrongConfigIsToldWhatToWrite(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no bodies":         {func(c *Config) { c.Bodies = nil }, "at least one request body"},
		"no rate":           {func(c *Config) { c.Rate = 0 }, "rate: write more than 0 and at most 20000"},
		"too high a rate":   {func(c *Config) { c.Rate = MaxRate + 1 }, "not 20001"},
		"no duration":       {func(c *Config) { c.Duration = 0 }, "duration: write more than 0 and at most 6h0m0s"},
		"too long":          {func(c *Config) { c.Duration = MaxDuration + 1 }, "at most 6h0m0s"},
		"nothing in flight": {func(c *Config) { c.MaxInFlight = 0 }, "allow at least 1"},
		"no timeout":        {func(c *Config) { c.Timeout = 0 }, "timeout: write more than 0"},
		"somebody else":     {func(c *Config) { c.URL = "http://suoke.life/" }, "load goes only to loopback"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if _, err := Start(t.Context(), config(c.change)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
