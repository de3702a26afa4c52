package scrape

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/suoke-life/suoke/internal/profile"
)

// pod is a real HTTP server with a counter in two series.
func pod(t *testing.T, count *atomic.Int64) Target {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		half := count.Load() / 2
		fmt.Fprintf(w, "# TYPE asked_total counter\nasked_total{to=\"a } b\"} %d\nasked_total{to=\"c\"} %d\n", half, count.Load()-half)
	}))
	t.Cleanup(s.Close)
	return Target{UID: s.URL, Pod: "pod", Of: "xiaoai", URL: s.URL + "/metrics", Counter: "asked_total"}
}

// stepped is a Scraper whose clock moves only by hand.
func stepped(targets func() []Target, log io.Writer) (*Scraper, *time.Time) {
	now := at(0)
	s := New(targets, slog.New(slog.NewTextHandler(log, nil)))
	s.clock = func() time.Time { return now }
	return s, &now
}

func TestRoundsGiveRates(t *testing.T) {
	var count atomic.Int64
	target := pod(t, &count)
	s, now := stepped(func() []Target { return []Target{target} }, io.Discard)
	for range 10 {
		s.Round(t.Context())
		*now = now.Add(time.Second)
		count.Add(30)
	}
	for _, window := range []time.Duration{Short, Long} {
		if got, _, ok := s.Rate(target.UID, window); !ok || got != 30 {
			t.Errorf("over %v: %v, %v", window, got, ok)
		}
	}
}

func TestAPodThatStopsAnsweringHasNoRateAndIsNamedOnce(t *testing.T) {
	var count atomic.Int64
	good := pod(t, &count)
	down := atomic.Bool{}
	flaky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "asked_total 1")
	}))
	t.Cleanup(flaky.Close)
	bad := Target{UID: "bad", Pod: "bad-pod", Of: "xiaoai", URL: flaky.URL, Counter: "asked_total"}
	var log bytes.Buffer
	s, now := stepped(func() []Target { return []Target{good, bad} }, &log)
	for range 3 {
		s.Round(t.Context())
		*now = now.Add(time.Second)
	}
	if _, _, ok := s.Rate("bad", Short); !ok {
		t.Fatal("no rate while the Pod answers")
	}
	down.Store(true)
	for range 7 {
		s.Round(t.Context())
		*now = now.Add(time.Second)
	}
	if _, _, ok := s.Rate("bad", Short); ok {
		t.Error("a Pod that stopped answering still has a rate")
	}
	if _, _, ok := s.Rate(good.UID, Short); !ok {
		t.Error("a Pod beside it lost its rate")
	}
	if n := strings.Count(log.String(), "bad-pod"); n != 1 {
		t.Errorf("the Pod is named %d times:\n%s", n, log.String())
	}
}

func TestAPodThatIsGoneIsForgotten(t *testing.T) {
	var count atomic.Int64
	targets := []Target{pod(t, &count)}
	s, now := stepped(func() []Target { return targets }, io.Discard)
	for range 2 {
		s.Round(t.Context())
		*now = now.Add(time.Second)
	}
	uid := targets[0].UID
	targets = nil
	s.Round(t.Context())
	if _, _, ok := s.Rate(uid, Short); ok || len(s.series) != 0 {
		t.Errorf("rate %v, %d series", ok, len(s.series))
	}
}

func TestPagesThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct{ page, want string }{
		"no such counter":       {"other_total 1\n", "exports no asked_total"},
		"a gauge of that name":  {"# TYPE asked_total gauge\nasked_total 1\n", "must be a counter"},
		"no metrics at all":     {"<html>", "parsing metrics"},
		"a page without an end": {strings.Repeat("# a comment that says nothing\n", maxPage/30+1) + "asked_total 1\n", "bytes of metrics"},
	} {
		t.Run(name, func(t *testing.T) {
			page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, test.page)
			}))
			t.Cleanup(page.Close)
			s := New(nil, slog.New(slog.DiscardHandler))
			_, err := s.read(t.Context(), Target{URL: page.URL, Counter: "asked_total"})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// Run asks once a second, on a clock that the test moves.
func TestRunAsksEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rounds := 0
		s := New(func() []Target { rounds++; return nil }, slog.New(slog.DiscardHandler))
		go s.Run(t.Context())
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if rounds != 11 {
			t.Errorf("%d rounds in ten seconds", rounds)
		}
	})
}

func TestTargets(t *testing.T) {
	running := func(name, agent string, change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{AgentLabel: agent}},
			Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "fd00::1"},
		}
		change(p)
		return p
	}
	same := func(*corev1.Pod) {}
	server := func(version string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Labels[VersionLabel] = version
			p.Annotations = map[string]string{profile.AnnotationMetricsPort: "9090"}
		}
	}
	got := Targets(profile.Embedded(), []*corev1.Pod{
		running("serves", "xiaoke", same),
		running("unknown", "nobody", same),
		running("pending", "xiaoke", func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending }),
		running("without-address", "xiaoke", func(p *corev1.Pod) { p.Status.PodIP = "" }),
		running("leaving", "xiaoke", func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: at(0)} }),
		running("scaled", "", server("m-v1")),
		running("at-rest", "", server("m-v2")),
		running("uncounted", "", func(p *corev1.Pod) { p.Labels[VersionLabel] = "m-v1" }),
	}, func(version string) string { return map[string]string{"m-v1": "asked_total"}[version] })
	want := []Target{
		{UID: "serves", Pod: "serves", Of: "xiaoke", URL: "http://[fd00::1]:8080/metrics", Counter: "health_analysis_requests_total"},
		{UID: "scaled", Pod: "scaled", Of: "m-v1", URL: "http://[fd00::1]:9090/metrics", Counter: "asked_total"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
