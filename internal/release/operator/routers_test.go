package operator

import (
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/traffic/route"
)

// polled is a reader of routers whose reports the test writes, by a clock that the test moves.
type polled struct {
	*routers
	t    *testing.T
	now  int64
	told map[string][]heardSecond
	// turning are the models whose verdict changes.
	turning map[string]bool
}

func newPolled(t *testing.T, models ...string) *polled {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	p := &polled{t: t, now: 1_700_000_000, told: map[string][]heardSecond{}, turning: map[string]bool{}}
	o := &Operator{Metrics: metrics, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Unix(p.now, 0) }}
	p.routers = newRouters(o, func(model string, seconds []heardSecond) { p.told[model] = append(p.told[model], seconds...) },
		func(model string) bool { return p.turning[model] })
	for _, model := range models {
		p.follow(model, closely)
	}
	return p
}

// report has a router answer all that it is asked, by a clock of its own.
func (p *polled) report(router, process string, now int64, seconds ...route.Second) {
	p.t.Helper()
	pod := &corev1.Pod{}
	pod.Name = router
	for _, q := range p.meet(pod) {
		report := &route.Report{Router: router, Process: process, Now: now, Models: map[string]route.ModelReport{}}
		for _, model := range q.models {
			m := route.ModelReport{AppliedRevision: 7}
			for _, s := range seconds {
				if s.Unix > q.since && s.Unix < now {
					m.Seconds = append(m.Seconds, s)
				}
			}
			report.Models[model] = m
		}
		p.note(router, q, report)
	}
}

func (p *polled) requests(after int64) (sums map[string]int64, complete int64) {
	seconds, complete := p.since("m", after)
	sums = map[string]int64{}
	for _, s := range seconds {
		for _, pod := range s.pods {
			sums[fmt.Sprint(s.unix-1_700_000_000, " ", pod.pod)] += pod.requests
		}
	}
	return sums, complete - 1_700_000_000
}

func TestASecondIsWholeOnceEveryRouterToldIt(t *testing.T) {
	p := newPolled(t, "m")
	at := func(s int64) int64 { return p.now + s }
	one := route.Second{Unix: at(-2), ID: "v1", Pod: "v1-a", Requests: 10, Failures: 3, RepeatRequests: 4, RepeatFailures: 2, Latencies: map[int]int64{3: 10}}
	p.report("router-0", "1", at(0), one)
	p.report("router-1", "1", at(0))
	if sums, complete := p.requests(0); complete != -1 || cmp.Diff(sums, map[string]int64{"-2 v1-a": 6}) != "" {
		t.Errorf("up to %d: %v", complete, sums)
	}
	p.now++
	next := route.Second{Unix: at(-1), ID: "v1", Pod: "v1-a", Requests: 1, Latencies: map[int]int64{3: 1}}
	p.report("router-0", "1", at(0), one, next)
	if sums, complete := p.requests(at(-2)); complete != -1 || len(sums) != 0 {
		t.Errorf("before the other router told: up to %d: %v", complete, sums)
	}
	p.report("router-1", "1", at(0), next, route.Second{Unix: at(-1), ID: "v2", Pod: "v2-a", Requests: 5})
	seconds, _ := p.since("m", at(-2))
	if len(seconds) != 1 || len(seconds[0].pods) != 2 {
		t.Fatalf("heard %+v", seconds)
	}
	if got := seconds[0].pods[0]; got.requests != 2 || cmp.Diff(got.times, times{{3, 2}}, cmp.AllowUnexported(timed{})) != "" {
		t.Errorf("stable's Pod: %+v", got)
	}
}

func TestFailuresOfSessionsThatFailedBeforeAreTakenOut(t *testing.T) {
	p := newPolled(t, "m")
	p.report("router-0", "1", p.now, route.Second{Unix: p.now - 1, ID: "v", Pod: "a", Requests: 10, Failures: 5, RepeatRequests: 4, RepeatFailures: 4})
	seconds, _ := p.since("m", 0)
	if len(seconds) != 1 || seconds[0].pods[0].requests != 6 || seconds[0].pods[0].failures != 1 || seconds[0].pods[0].ended != 10 {
		t.Errorf("heard %+v", seconds)
	}
}

func TestARoutersClockIsCorrected(t *testing.T) {
	for sentence, ahead := range map[string]int64{"an hour ahead": 3600, "a minute behind": -60, "five seconds ahead": 5} {
		t.Run(sentence, func(t *testing.T) {
			p := newPolled(t, "m")
			p.report("router-0", "1", p.now+ahead, route.Second{Unix: p.now + ahead - 2, ID: "v", Pod: "a", Requests: 1})
			p.report("router-1", "1", p.now, route.Second{Unix: p.now - 2, ID: "v", Pod: "a", Requests: 2})
			if sums, complete := p.requests(0); complete != -1 || cmp.Diff(sums, map[string]int64{"-2 a": 3}) != "" {
				t.Errorf("up to %d: %v", complete, sums)
			}
			if got := testutil.ToFloat64(p.metrics.clock.WithLabelValues("router-0")); got != float64(ahead) {
				t.Errorf("the metric says %v", got)
			}
		})
	}
}

func TestARouterWhoseClockIsSetBackIsHeardOn(t *testing.T) {
	p := newPolled(t, "m")
	p.report("router-0", "1", p.now+3600, route.Second{Unix: p.now + 3600 - 2, ID: "v", Pod: "a", Requests: 1})
	p.now++
	p.report("router-0", "1", p.now) // which has been set back
	p.now++
	p.report("router-0", "1", p.now, route.Second{Unix: p.now - 1, ID: "v", Pod: "a", Requests: 2})
	if sums, complete := p.requests(-10); complete != 1 || cmp.Diff(sums, map[string]int64{"-2 a": 1, "1 a": 2}) != "" {
		t.Errorf("up to %d: %v", complete, sums)
	}
}

// TestOurClockIsSetBack, in this process or before it began: what routers count goes on under a later time.
func TestOurClockIsSetBack(t *testing.T) {
	for sentence, setBack := range map[string]func(*polled) int64{
		"while it counts": func(p *polled) int64 {
			p.report("router-0", "1", p.now-3600)
			last := p.now
			p.now -= 3600
			return last
		},
		"before it began": func(p *polled) int64 {
			p.counting.known(p.now + 3600)
			return p.now + 3600
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := newPolled(t, "m")
			last := setBack(p)
			p.report("router-0", "1", p.now)
			sum := int64(0)
			for range 5 {
				p.now++
				p.report("router-0", "1", p.now, route.Second{Unix: p.now - 1, ID: "v", Pod: "a", Requests: 1})
			}
			seconds, complete := p.since("m", last)
			for i, s := range seconds {
				sum += s.pods[0].requests
				if i > 0 && s.unix != seconds[i-1].unix+1 {
					t.Errorf("%d stands after %d", s.unix, seconds[i-1].unix)
				}
			}
			if sum < 4 || complete < last+4 {
				t.Errorf("%d of 5 requests are heard, up to %d seconds after the last that was judged", sum, complete-last)
			}
		})
	}
}

func TestOurClockIsPutRightAgain(t *testing.T) {
	p := newPolled(t)
	begun := p.now
	for _, set := range []int64{0, -3600, 1, 3600, 1, -3600, 3600, 1} {
		p.now += set
		if now := p.counting.now(); now < begun || now > begun+10 {
			t.Fatalf("after %d it is %d seconds on", set, now-begun)
		}
	}
}

func TestAClockThatIsASecondOffLeavesSecondsAsTheyAre(t *testing.T) {
	p := newPolled(t, "m")
	for i := range int64(10) {
		p.now++
		p.report("router-0", "1", p.now-i%3, route.Second{Unix: p.now - i%3 - 1, ID: "v", Pod: "a", Requests: 1})
	}
	if ahead := p.seen["router-0"].ahead; ahead != 0 {
		t.Errorf("corrected by %d", ahead)
	}
}

func TestARouterThatDoesNotAnswerIsNotWaitedForAndIsMissed(t *testing.T) {
	p := newPolled(t, "m")
	p.report("router-0", "1", p.now)
	p.report("router-1", "1", p.now)
	start := p.now
	for range lateAfter {
		p.now++
		p.report("router-0", "1", p.now)
	}
	if _, complete := p.requests(0); complete != -1 {
		t.Errorf("within %d seconds it is waited for; complete up to %d", lateAfter, complete)
	}
	p.now++
	p.report("router-0", "1", p.now)
	if _, complete := p.requests(0); complete != lateAfter {
		t.Errorf("then it is not; complete up to %d", complete)
	}
	p.tell()
	p.since("m", p.now-1) // as a judgement that has taken all of it
	p.report("router-1", "1", p.now, route.Second{Unix: start, ID: "v", Pod: "a", Requests: 4})
	if got := testutil.ToFloat64(p.metrics.tooLate.WithLabelValues("m")); got != 4 {
		t.Errorf("%v requests are told to be too late", got)
	}
}

func TestARouterThatBeganAnewIsReadFromThere(t *testing.T) {
	p := newPolled(t, "m")
	second := route.Second{Unix: p.now - 1, ID: "v", Pod: "a", Requests: 1}
	p.report("router-0", "1", p.now, second)
	p.report("router-0", "2", p.now, second)
	if sums, _ := p.requests(0); sums["-1 a"] != 1 {
		t.Errorf("heard %v", sums)
	}
}

func TestModelsAtRestAreReadInTurnAndKeepNothing(t *testing.T) {
	p := newPolled(t)
	for i := range 100 {
		p.follow(fmt.Sprint("m", i), atRest)
	}
	asked := map[string]int{}
	for p.round = 1; p.round <= restRounds; p.round++ {
		p.now++
		pod := &corev1.Pod{}
		pod.Name = "router-0"
		for _, q := range p.meet(pod) {
			report := &route.Report{Process: "1", Now: p.now, Models: map[string]route.ModelReport{}}
			for _, model := range q.models {
				asked[model]++
				report.Models[model] = route.ModelReport{Seconds: []route.Second{{Unix: p.now - 1, ID: "v", Pod: "a", Requests: 1}}}
			}
			p.note("router-0", q, report)
		}
		p.tell()
	}
	for i := range 100 {
		model := fmt.Sprint("m", i)
		if asked[model] != 1 || len(p.told[model]) != 1 {
			t.Errorf("%s was asked for %d times, and %d seconds were told", model, asked[model], len(p.told[model]))
		}
		if a := p.ledger[model]; a != nil && len(a.seconds) > 0 {
			t.Errorf("%s keeps %d seconds", model, len(a.seconds))
		}
	}
}

func TestAModelIsLookedAtWhenSomethingTurnsOnIt(t *testing.T) {
	p := newPolled(t, "confirms")
	p.follow("rests", atRest)
	for i := range 30 {
		p.follow(fmt.Sprint("judged", i), byVerdict)
	}
	looked := map[string]int{}
	for p.round = 1; p.round <= 2*judgingRounds; p.round++ {
		for _, c := range p.due() {
			looked[c.model]++
		}
	}
	if looked["confirms"] != 2*judgingRounds || looked["rests"] != 0 {
		t.Errorf("in %d polls, one that waits for routers was looked at %d times, one at rest %d times", 2*judgingRounds, looked["confirms"], looked["rests"])
	}
	for i := range 30 {
		if n := looked[fmt.Sprint("judged", i)]; n != 2 {
			t.Errorf("model %d, whose verdict stays, was looked at %d times in %d polls", i, n, 2*judgingRounds)
		}
	}
	for p.round = 1; p.round <= judgingRounds; p.round++ {
		p.turning = map[string]bool{"judged7": true}
		if due := p.due(); due[0] != (call{"judged7", true}) || due[1].urgent {
			t.Errorf("a verdict changed, and %v are looked at first", due)
		}
		p.looked("judged8")
		if !p.pressing() {
			t.Error("a verdict changed, and what is less urgent does not wait")
		}
		p.looked("judged7")
		if p.pressing() {
			t.Error("all whose verdict changed were looked at, and what is less urgent waits on")
		}
	}
}

func TestQuestionsCanBeAnsweredAtOnce(t *testing.T) {
	var models []string
	for i := range 500 {
		models = append(models, fmt.Sprintf("%0200d", i))
	}
	for sentence, c := range map[string]struct {
		since int64
		most  int
	}{
		"read a second ago": {999, askedAtOnce}, "read long ago": {900, askedAtOnceLong}, "never read": {0, askedAtOnceLong},
	} {
		t.Run(sentence, func(t *testing.T) {
			seen := map[string]bool{}
			for _, q := range divide(models, c.since, 1000) {
				if len(q.models) > c.most || q.since != c.since {
					t.Errorf("%d models since %d", len(q.models), q.since)
				}
				for _, model := range q.models {
					seen[model] = true
				}
			}
			if len(seen) != len(models) {
				t.Errorf("%d of %d are asked for", len(seen), len(models))
			}
		})
	}
}

func TestTimesAreCountedInTheirBuckets(t *testing.T) {
	counted := times(nil).plus(map[int]int64{route.Bucket(2 * time.Millisecond): 90, route.Bucket(time.Second): 10, math.MaxInt32: 1, -3: 2})
	for than, want := range map[time.Duration]int64{
		0: 0, 50 * time.Microsecond: 101, 2 * time.Millisecond: 11, 500 * time.Millisecond: 11, time.Second: 1, 24 * time.Hour: 0,
	} {
		if got := counted.slower(than); got != want {
			t.Errorf("%d are slower than %v, want %d", got, than, want)
		}
	}
	var p pace
	if slow := p.slowAfter(0.9, 0.2); slow != 0 {
		t.Errorf("of nothing, slow is beyond %v", slow)
	}
	for unix := range int64(10) {
		p.add(unix, times(nil).plus(map[int]int64{route.Bucket(10 * time.Millisecond): 90, route.Bucket(time.Second): 10}))
	}
	if slow := p.slowAfter(0.5, 0.2); slow < 12*time.Millisecond || slow > 13*time.Millisecond {
		t.Errorf("of a median of 10 ms, slow is beyond %v", slow)
	}
	if slow := p.slowAfter(0.99, 0.2); slow < 1200*time.Millisecond || slow > 1300*time.Millisecond {
		t.Errorf("of a 99th percentile of 1 s, slow is beyond %v", slow)
	}
	p.add(10_000, times(nil).plus(map[int]int64{route.Bucket(time.Second): 200}))
	if slow := p.slowAfter(0.5, 0); slow < time.Second {
		t.Errorf("hours later, a median of 1 s: slow is beyond %v", slow)
	}
}
