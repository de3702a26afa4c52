package analysis_test

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/release/analysis"
)

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h analysis.History
		if rapid.Bool().Draw(t, "whole") {
			h.Whole()
		}
		unix := rapid.Int64Range(0, 2_000_000_000).Draw(t, "begin")
		add := func(h *analysis.History, unix int64, seed int64) {
			n, to := 1+seed%50, h.Add
			if seed%7 == 0 {
				to = h.AddCandidate
			}
			to(unix-seed%3, "pod-"+strconv.FormatInt(seed%4, 10), analysis.Counts{Requests: n, Failures: seed % (n + 1), Slow: seed % 2})
		}
		seeds := rapid.SliceOfN(rapid.Int64Range(0, 1000), 0, 12).Draw(t, "seconds")
		for _, seed := range seeds {
			unix += 1 + seed*seed%700
			add(&h, unix, seed)
		}
		add(&h, unix, 0)
		data, err := h.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var read analysis.History
		if err := read.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		add(&read, unix, 0)          // it was read, and counts once
		for _, seed := range seeds { // what was read goes on as what was written
			unix += 3 + seed*seed%700
			add(&h, unix, seed)
			add(&read, unix, seed)
		}
		want, _ := h.MarshalBinary()
		got, _ := read.MarshalBinary()
		if diff := cmp.Diff(want, got); diff != "" || h.PodHours() != read.PodHours() {
			t.Errorf("%g Pod-hours, read %g: %s", h.PodHours(), read.PodHours(), diff)
		}
	})
}

func TestWhatIsNoHistoryIsRefused(t *testing.T) {
	var h analysis.History
	h.Add(5000, "a", analysis.Counts{Requests: 7, Failures: 1})
	data, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for cut := range data {
		if err := new(analysis.History).UnmarshalBinary(data[:cut]); err == nil {
			t.Errorf("%d of %d bytes are read as a whole", cut, len(data))
		}
	}
	rapid.Check(t, func(t *rapid.T) { // nothing that is written there may stop the operator
		noise := append([]byte(nil), data...)
		for range 3 {
			noise[rapid.IntRange(0, len(noise)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		_ = new(analysis.History).UnmarshalBinary(noise)
	})
}

// quiet is a history of Pods that fail rarely, at 20 requests a second, with what else they do.
func quiet(hours int64, pods int, does func(pod int, age int64, c *analysis.Counts)) *analysis.History {
	var h analysis.History
	random := rand.New(rand.NewPCG(7, 8))
	for age := range hours * 3600 {
		for pod := range pods {
			c := analysis.Counts{Requests: 15 + random.Int64N(11)}
			c.Failures = failures(random, c.Requests, stableFails)
			does(pod, age, &c)
			h.Add(begin+age, strconv.Itoa(pod), c)
		}
	}
	return &h
}

// begin of an hour.
const begin = 1_700_000_000 / 3600 * 3600

func TestAHistoryIsBounded(t *testing.T) {
	h := quiet(49, 1, func(int, int64, *analysis.Counts) {})
	if got := h.PodHours(); got < 24 || got > 25.1 {
		t.Errorf("%g Pod-hours are kept of 49", got)
	}
	data, err := h.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 30_000 {
		t.Errorf("one Pod's day takes %d bytes", len(data))
	}
	t.Logf("%d bytes for %.1f Pod-hours", len(data), h.PodHours())
	var many analysis.History
	for pod := range 1000 {
		many.Add(begin, strconv.Itoa(pod), analysis.Counts{Requests: 1})
	}
	if got := many.PodHours(); got != 24.0/60 {
		t.Errorf("%g Pod-hours of a minute with 1000 Pods; 24 Pods are recorded", got)
	}
}

func TestWhatAHistoryTeaches(t *testing.T) {
	spell := func(pod int, age int64, c *analysis.Counts) {
		if (age+int64(pod)*1700)%7200 < 12 {
			c.Failures = c.Requests / 2
		}
	}
	young := quiet(5, 4, spell).Learn(analysis.Config{})
	if young.Limits.Failures.Thresholds != (analysis.Thresholds{}) || young.Limits.Failures.Margin == 0 {
		t.Errorf("of 20 Pod-hours: %+v", young.Limits)
	}
	day := quiet(15, 4, spell)
	old := day.Learn(analysis.Config{Slow: true}, analysis.Step{Pods: 1, Share: 0.2}, analysis.Step{Pods: 1, Share: 1})
	failures, slow := old.Limits.Failures, old.Limits.Slow
	if got := failures.Thresholds[3][0]; got < 30 {
		t.Errorf("a spell of 12 seconds could return a candidate at %g nats", got)
	}
	if got := slow.Thresholds[3][0]; got > 7 {
		t.Errorf("nothing was slow, and it takes %g nats", got)
	}
	if failures.Margin < 1 || failures.Margin > 1.5 {
		t.Errorf("Pods that do not differ may be %g times as bad", failures.Margin)
	}
	nats := func(steps ...analysis.Step) float64 {
		return day.Learn(analysis.Config{}, steps...).Limits.Failures.Thresholds[3][0]
	}
	one, two := nats(analysis.Step{Pods: 1, Share: 0.2}), nats(analysis.Step{Pods: 2, Share: 0.2})
	if busy := nats(analysis.Step{Pods: 1, Share: 0.2}, analysis.Step{Pods: 1, Share: 0.5}); two >= one || busy <= one {
		t.Errorf("one Pod takes %g nats, two together %g, one with half of the requests %g", one, two, busy)
	}
	worse := func(pod int, age int64, c *analysis.Counts) {
		if pod < 2 && age%20 == 0 {
			c.Failures++ // one more in 400 on top of one in 200
		}
	}
	for hours, most := range map[int64]float64{1: 1.7, 15: 3} {
		if got := quiet(hours, 4, worse).Learn(analysis.Config{}).Limits.Failures.Margin; got < 1.7 || got > most {
			t.Errorf("Pods that differ by a half may be %g times as bad after %d hours", got, hours)
		}
		if got := quiet(hours, 4, func(int, int64, *analysis.Counts) {}).Learn(analysis.Config{}).Limits.Failures.Margin; got <= 1 || got > 1.4 {
			t.Errorf("Pods that do not differ may be %g times as bad after %d hours", got, hours)
		}
	}
	if old.Limits.Failures.WarmUp != 0 {
		t.Errorf("no Pod's start is recorded, and %d s are left out", old.Limits.Failures.WarmUp)
	}
}

func TestAWarmUpIsLearnedFromRecordedStarts(t *testing.T) {
	h := quiet(2, 3, func(pod int, age int64, c *analysis.Counts) {
		switch started := int64(1800); {
		case pod > 0:
		case age < started:
			*c = analysis.Counts{}
		case age < started+18:
			c.Failures = c.Requests / 2
		}
	})
	config := h.Learn(analysis.Config{})
	if config.Limits.Failures.WarmUp != 20 {
		t.Fatalf("a start failed for 18 s, and %d s are left out", config.Limits.Failures.WarmUp)
	}
	if got := config.Limits.Failures.StartExcess; got < 0.45 || got > 0.6 {
		t.Errorf("half of a start's requests failed, which is %g more than usual", got)
	}
	s := analysis.Statistic{Config: config}.Add(steady(begin, 20, 80, 0, 20, 10)...)
	if j := s.Judgement(); j.Verdict != analysis.NoData || j.Rule != analysis.Young || s.Failures.Candidate.Requests != 0 {
		t.Errorf("while it warms up, rule %s: %s: %s", j.Rule, j.Verdict, j.Message)
	}
	if j := s.Add(steady(begin+20, 60, 80, 0, 20, 10)...).Judgement(); j.Verdict != analysis.Fail {
		t.Errorf("when it should be warm: %s: %s", j.Verdict, j.Message)
	}
}

func TestSlowStartsLeaveFailuresAlone(t *testing.T) {
	h := quiet(2, 3, func(pod int, age int64, c *analysis.Counts) {
		switch started := int64(1800) + int64(pod); {
		case pod == 0:
		case age < started:
			*c = analysis.Counts{}
		case age < started+18:
			c.Slow = c.Requests / 2
		}
	})
	config := h.Learn(analysis.Config{Slow: true})
	if failures, slow := config.Limits.Failures, config.Limits.Slow; failures.WarmUp != 0 || failures.StartExcess != 0 || slow.WarmUp != 20 || slow.StartExcess < 0.45 {
		t.Fatalf("starts were slow for 18 s, and %d s of failures are left out with an excess of %g, %d s of slow answers with %g",
			failures.WarmUp, failures.StartExcess, slow.WarmUp, slow.StartExcess)
	}
	starts := func(slow, failed int64) analysis.Statistic {
		return analysis.Statistic{Config: config}.Add(mapped(steady(begin, 20, 80, 0, 20, failed), func(c *analysis.Counts) { c.Slow = c.Requests * slow / 20 })...)
	}
	if s := starts(10, 0); s.Failed != "" || s.Slow.Candidate.Requests != 0 || s.Failures.Candidate.Requests != 400 {
		t.Errorf("half of its answers are slow while it starts: %+v", s.Judgement())
	}
	if s := starts(10, 10); s.Failed != analysis.ErrorRate || s.Collapsed() {
		t.Errorf("and half of them are failures: %+v", s.Judgement())
	}
}

func TestWhatIsNoWarmUp(t *testing.T) {
	for name, c := range map[string]struct {
		bad         int
		from, until int64
		want        int64
		// known says that starts are known.
		known bool
	}{
		"one start of four in a spell":   {1, 0, 10, 0, false},
		"two bad starts":                 {2, 0, 10, 10, true},
		"two Pods that are bad for long": {2, 0, 90, 90, true},
		"two spells, long after a start": {2, 110, 112, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var h analysis.History
			h.Whole()
			for age := range int64(600) {
				for pod := range 4 {
					counts := analysis.Counts{Requests: 20, Failures: (age + int64(pod)) % 10 / 9}
					if pod < c.bad && c.from <= age && age < c.until {
						counts.Failures = 2
					}
					h.Add(begin+age, strconv.Itoa(pod), counts)
				}
			}
			if got := h.Learn(analysis.Config{}).Limits; got.Failures.WarmUp != c.want || got.Failures.StartsKnown != c.known {
				t.Errorf("%d s are left out, not %d; starts are known: %t", got.Failures.WarmUp, c.want, got.Failures.StartsKnown)
			}
		})
	}
}

func TestStartsThatAreKnown(t *testing.T) {
	add := func(to func(int64, string, analysis.Counts), from, seconds, requests int64, pods ...string) {
		for unix := range seconds {
			for _, pod := range pods {
				to(begin+from+unix, pod, analysis.Counts{Requests: requests})
			}
		}
	}
	reread := func(h *analysis.History) {
		data, err := h.MarshalBinary()
		if err = errors.Join(err, h.UnmarshalBinary(data)); err != nil {
			t.Fatal(err)
		}
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	for name, c := range map[string]struct {
		heard func(h *analysis.History)
		want  bool
	}{
		"what was read goes on": {func(h *analysis.History) {
			add(h.Add, 0, 700, 2, "a")
			reread(h)
			add(h.Add, 690, 20, 2, "a")
			add(h.Add, 710, 60, 2, "b", "c", "d")
		}, true},
		"what was read goes on later": {func(h *analysis.History) {
			add(h.Add, 0, 700, 2, "a")
			reread(h)
			add(h.Add, 720, 60, 2, "b", "c", "d")
		}, false},
		"seconds were missed": {func(h *analysis.History) {
			add(h.Add, 0, 700, 2, "a")
			h.Missed()
			add(h.Add, 720, 60, 2, "b", "c", "d")
		}, false},
		"requests that were read count once": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 9, 2, "a", "b", "c")
			reread(h)
			add(h.Add, 0, 9, 2, "a", "b", "c")
		}, false},
		"candidates that waited for two days": {func(h *analysis.History) {
			add(h.AddCandidate, 0, 2*86400, 2, "a", "b", "c")
			add(h.Add, 2*86400, 60, 2, "a", "b", "c")
		}, false},
		"candidates after many others": {func(h *analysis.History) {
			h.Whole()
			add(h.AddCandidate, 0, 60, 2, many[:24]...)
			add(h.AddCandidate, 200, 60, 2, "a", "b", "c")
			add(h.Add, 260, 60, 2, "a", "b", "c")
		}, true},
		"candidates that there was no room for": {func(h *analysis.History) {
			h.Whole()
			add(h.AddCandidate, 0, 60, 2, many...)
			add(h.AddCandidate, 200, 60, 2, many[27:]...)
			add(h.Add, 260, 60, 2, many[27:]...)
		}, false},
		"more Pods than there is room for": {func(h *analysis.History) { add(h.Add, 0, 3700, 2, many...) }, false},
		"candidates that were mirrored to before": {func(h *analysis.History) {
			h.Whole()
			for _, pod := range []string{"a", "b", "c"} {
				h.AddCandidate(begin, pod, analysis.Counts{Mirrored: 1})
			}
			add(h.AddCandidate, 30, 60, 2, "a", "b", "c")
			add(h.Add, 90, 60, 2, "a", "b", "c")
		}, false},
		"Pods that are to be forgotten": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 60, 2, "a", "b", "c")
			h.Forget(func(name string) bool { return name != "a" })
		}, false},
		"the model's first Pods": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 60, 2, "a", "b", "c")
		}, true},
		"Pods that may have served before": {func(h *analysis.History) { add(h.Add, 0, 60, 2, "a", "b", "c") }, false},
		"Pods that were idle for days": {func(h *analysis.History) {
			add(h.Add, 0, 60, 2, "a", "b", "c")
			add(h.Add, 60*3600, 60, 2, "a", "b", "c")
		}, false},
		"Pods that were idle while another was busy": {func(h *analysis.History) {
			add(h.Add, 0, 60, 2, "a", "b", "c")
			add(h.Add, 60, 27*3600, 2, "a")
			add(h.Add, 27*3600+60, 60, 2, "b", "c")
		}, false},
		"Pods whose hours there was no room for": {func(h *analysis.History) {
			add(h.Add, 0, 60, 2, "b", "c")
			add(h.Add, 60, 3600, 2, "a")
			h.DropOldest()
			add(h.Add, 3660, 60, 2, "b", "c")
		}, false},
		"one": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 60, 2, "a")
		}, false},
		"of few requests": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 9, 2, "a", "b", "c")
		}, false},
		"Pods that came later": {func(h *analysis.History) {
			add(h.Add, 0, 700, 2, "a")
			add(h.Add, 700, 60, 2, "b", "c", "d")
		}, true},
		"Pods that came after an idle hour": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 60, 2, "a")
			add(h.Add, 3600, 60, 2, "b", "c", "d")
		}, true},
		"candidates that got stable": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 60, 2, "a")
			add(h.AddCandidate, 60, 60, 2, "b", "c")
			add(h.Add, 120, 1, 2, "b", "c")
		}, true},
		"candidates that did not": {func(h *analysis.History) {
			h.Whole()
			add(h.Add, 0, 60, 2, "a")
			add(h.AddCandidate, 60, 60, 2, "b", "c")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var h analysis.History
			c.heard(&h)
			if got := h.StartsKnown(); got != c.want || h.Learn(analysis.Config{}).Limits.Failures.StartsKnown != c.want {
				t.Errorf("known: %t", got)
			}
		})
	}
}

func TestPodsThatRanBeforeAHistoryDoNotStartInIt(t *testing.T) {
	for name, from := range map[string]int64{
		"it begins with an hour":             0,
		"it begins in the middle of an hour": 2800,
	} {
		t.Run(name, func(t *testing.T) {
			h := quiet(2, 3, func(pod int, age int64, c *analysis.Counts) {
				switch {
				case age < from:
					*c = analysis.Counts{}
				case pod == 0 && age < from+12:
					c.Failures = c.Requests / 2
				}
			})
			if got := h.Learn(analysis.Config{}).Limits; got.Failures.WarmUp != 0 || got.Failures.StartExcess != 0 {
				t.Errorf("a Pod was in a spell when the history began, and %d s are left out, with an excess of %g", got.Failures.WarmUp, got.Failures.StartExcess)
			}
		})
	}
}

func TestACollapseCountsWhileAPodWarmsUp(t *testing.T) {
	warming := analysis.Config{Limits: analysis.Limits{Failures: analysis.Limit{WarmUp: 30, StartExcess: 0.3}, Slow: analysis.Limit{WarmUp: 30}}}
	replayed := warming
	replayed.Limits.Failures.Thresholds = flat(60)
	slow := warming
	slow.Slow = true
	anew := func(from, seconds int64) []analysis.Second {
		all := steady(from, seconds, 80, 0, 20, 20)
		for i := range all {
			all[i].Pods[1].Pod = "another"
		}
		return all
	}
	for name, c := range map[string]struct {
		start   analysis.Statistic
		seconds []analysis.Second
		want    string
	}{
		"all fail":                     {analysis.Statistic{Config: warming}, steady(1, 3, 80, 0, 20, 20), analysis.ErrorRate},
		"all fail, by the replay rule": {analysis.Statistic{Config: replayed}, steady(1, 3, 80, 0, 20, 20), analysis.ErrorRate},
		"all fail when it was good for an hour, and has a new Pod": {
			analysis.Statistic{Config: warming}.Add(steady(1, 3600, 80, 0, 20, 0)...),
			anew(3601, 2), analysis.ErrorRate,
		},
		"all fail, and stable has no traffic": {
			analysis.Statistic{Config: warming}.Add(steady(1, 1, 80, 0, 0, 0)...).Historical(), steady(2, 3, 0, 0, 100, 100), analysis.ErrorRate,
		},
		"all are slow":                {analysis.Statistic{Config: slow}, mapped(steady(1, 3, 80, 0, 20, 0), func(c *analysis.Counts) { c.Slow = c.Requests }), analysis.Latency},
		"as many fail as at a start":  {analysis.Statistic{Config: warming}, steady(1, 30, 80, 0, 20, 6), ""},
		"all fail, and all of stable": {analysis.Statistic{Config: warming}, steady(1, 30, 80, 80, 20, 20), ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.start.Add(c.seconds...)
			j := s.Judgement()
			if j.Reason != c.want || s.Collapsed() != (c.want != "") || (j.Score >= j.Threshold) != (c.want != "") {
				t.Errorf("%s %s, %.1f of %.1f nats: %s", j.Verdict, j.Reason, j.Score, j.Threshold, j.Message)
			}
			if after := s.Add(steady(s.Last+1, 1, 80, 0, 20, 20)...); c.want != "" && after.Last != s.Last {
				t.Error("a Fail is added to")
			}
		})
	}
}

func TestOnlySoManyStartsAreRemembered(t *testing.T) {
	s := analysis.Statistic{Config: analysis.Config{Limits: analysis.Limits{Failures: analysis.Limit{WarmUp: 30}}}}
	for unix := range int64(300) {
		s = s.Add(analysis.Second{Unix: begin + unix, Pods: []analysis.PodSecond{
			{Pod: strconv.FormatInt(unix, 10), Candidate: true, Counts: analysis.Counts{Requests: 1}},
		}})
	}
	if _, last := s.Started["299"]; len(s.Started) != 100 || !last {
		t.Errorf("%d starts are remembered, the last one: %t", len(s.Started), last)
	}
}
