package serving_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/expfmt"
	prommodel "github.com/prometheus/common/model"

	"github.com/suoke-life/suoke/internal/model/serving"
)

// pipes is a listener in memory, so that a bubble of virtual time holds both ends.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

func (p *pipes) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			near, far := net.Pipe()
			select {
			case p.conns <- far:
				return near, nil
			case <-p.closed:
				return nil, net.ErrClosed
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}}
}

// status asks the server behind client, and returns 0 where there is no answer.
func status(t *testing.T, client *http.Client, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://memory"+path, strings.NewReader(oneRow))
	if err != nil {
		t.Error(err)
		return 0
	}
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return 0
	}
	return response.StatusCode
}

func TestServeDrains(t *testing.T) {
	const infer = "/v2/models/adder/infer"
	synctest.Test(t, func(t *testing.T) {
		slow := sum{infer: func(_ context.Context, batch serving.Batch) ([]float32, error) {
			time.Sleep(4 * time.Second)
			return make([]float32, batch.Rows), nil
		}}
		s, err := serving.New(adder(), slow, serving.Options{Concurrent: 4})
		if err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		ctx, terminate := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- s.Serve(ctx, listener, serving.Drain{Delay: 3 * time.Second, Grace: 20 * time.Second})
		}()
		client := listener.client()
		if code := status(t, client, http.MethodGet, "/ready"); code != http.StatusOK {
			t.Errorf("/ready is %d before the signal", code)
		}

		inFlight, during := make(chan int, 1), make(chan int, 1)
		go func() { inFlight <- status(t, client, http.MethodPost, infer) }()
		synctest.Wait()
		terminate()
		synctest.Wait()
		for path, want := range map[string]int{"/ready": 503, "/v2/health/ready": 503, "/v2/models/adder/ready": 503, "/health": 200, "/v2/health/live": 200} {
			if code := status(t, client, http.MethodGet, path); code != want {
				t.Errorf("%s is %d while draining; want %d", path, code, want)
			}
		}
		time.Sleep(2 * time.Second)
		go func() { during <- status(t, client, http.MethodPost, infer) }()
		synctest.Wait()
		time.Sleep(1500 * time.Millisecond)
		if code := status(t, client, http.MethodPost, infer); code != 0 {
			t.Errorf("a request after the delay got %d; want no connection", code)
		}
		if code := <-inFlight; code != http.StatusOK {
			t.Errorf("the request in flight at the signal got %d", code)
		}
		if code := <-during; code != http.StatusOK {
			t.Errorf("the request sent within the delay got %d", code)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestServeGivesUpAfterItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := sum{infer: func(ctx context.Context, _ serving.Batch) ([]float32, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		s, err := serving.New(adder(), stuck, serving.Options{})
		if err != nil {
			t.Fatal(err)
		}
		listener := newPipes()
		ctx, terminate := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- s.Serve(ctx, listener, serving.Drain{Delay: time.Second, Grace: 5 * time.Second})
		}()
		answered := make(chan int, 1)
		go func() { answered <- status(t, listener.client(), http.MethodPost, "/v2/models/adder/infer") }()
		synctest.Wait()
		terminate()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "still in flight after 5s") {
			t.Errorf("Serve: %v", err)
		}
		if code := <-answered; code != 0 {
			t.Errorf("the stuck request got %d", code)
		}
	})
}

// TestAFullServerSheds fills one slot and a queue of two, and asks once more.
func TestAFullServerSheds(t *testing.T) {
	entered, release := make(chan struct{}, 3), make(chan struct{})
	url := start(t, sum{infer: func(_ context.Context, batch serving.Batch) ([]float32, error) {
		entered <- struct{}{}
		<-release
		return make([]float32, batch.Rows), nil
	}}, serving.Options{Concurrent: 1, Queue: 2})
	codes := make(chan int, 3)
	for range 3 {
		go func() {
			code, _, _ := ask(t, http.MethodPost, url+"/v2/models/adder/infer", oneRow)
			codes <- code
		}()
	}
	<-entered
	for value(t, url, "suoke_model_in_flight", "") < 3 {
		runtime.Gosched()
	}
	code, got, header := ask(t, http.MethodPost, url+"/v2/models/adder/infer", oneRow)
	if code != http.StatusTooManyRequests || header.Get("Retry-After") != "1" || got["error"] == "" {
		t.Errorf("one too many: %d %v, Retry-After %q", code, got, header.Get("Retry-After"))
	}
	close(release)
	for range 3 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("a request that was let in got %d", code)
		}
	}
	if n := value(t, url, "suoke_model_requests_total", "429"); n != 1 {
		t.Errorf("%v requests counted as shed", n)
	}
	if len(entered) != 2 {
		t.Errorf("%d requests computed after the first; want 2", len(entered))
	}
}

func TestMetricsCountWhatHappened(t *testing.T) {
	url := start(t, sum{}, serving.Options{})
	for range 3 {
		ask(t, http.MethodPost, url+"/v2/models/adder/infer", `{"inputs":[{"name":"input","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}]}`)
	}
	ask(t, http.MethodPost, url+"/v2/models/adder/infer", `{}`)
	for _, c := range []struct {
		name, code string
		want       float64
	}{
		{"suoke_model_requests_total", "200", 3},
		{"suoke_model_requests_total", "400", 1},
		{"suoke_model_rows_total", "", 6},
		{"suoke_model_in_flight", "", 0},
		{"ai_inference_duration_seconds", "", 3},
	} {
		if got := value(t, url, c.name, c.code); got != c.want {
			t.Errorf("%s{code=%q} is %v; want %v", c.name, c.code, got, c.want)
		}
	}
}

func TestMetricsCanBeLeftOut(t *testing.T) {
	url := start(t, sum{}, serving.Options{NoMetrics: true})
	if code, _, _ := ask(t, http.MethodGet, url+"/metrics", ""); code != http.StatusNotFound {
		t.Errorf("/metrics is %d", code)
	}
}

// value reads one series of the server's /metrics (of a histogram, its count), and checks that it names model and version.
func value(t *testing.T, url, name, code string) float64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(prommodel.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families[name].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["model"] != "adder" || labels["version"] != "v1.2.0" || labels["code"] != code {
			continue
		}
		switch {
		case m.Histogram != nil:
			return float64(m.GetHistogram().GetSampleCount())
		case m.Gauge != nil:
			return m.GetGauge().GetValue()
		default:
			return m.GetCounter().GetValue()
		}
	}
	return 0
}

// BenchmarkRequest is the path of a request without a socket and with next to no computing: what the server itself costs.
func BenchmarkRequest(b *testing.B) {
	s, err := serving.New(adder(), sum{}, serving.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/v2/models/adder/infer", strings.NewReader(oneRow)))
		if recorder.Code != http.StatusOK {
			b.Fatal(recorder.Body)
		}
	}
}
