package load

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/bench"
)

func TestTargetsThatCouldBeSomebodyElses(t *testing.T) {
	for target, want := range map[string]struct{ alone, cluster bool }{
		"http://127.0.0.1:3000/x":                   {true, true},
		"http://[::1]:3000/x":                       {true, true},
		"http://localhost:3000/x":                   {true, true},
		"http://10.96.0.10/x":                       {false, true},
		"http://suokelife-service/x":                {false, true},
		"http://suokelife-service.suoke-life.svc/x": {false, true},
		"http://a.b.svc.cluster.local:80/x":         {false, true},
		"http://localhost.example.com/x":            {false, false},
		"http://suoke.life/x":                       {false, false},
		"http://8.8.8.8/x":                          {false, false},
		"http://0.0.0.0/x":                          {false, false},
		"https://127.0.0.1/x":                       {false, false},
		"ftp://127.0.0.1/x":                         {false, false},
		"127.0.0.1:3000":                            {false, false},
		"http://":                                   {false, false},
		"":                                          {false, false},
		"http://127.0.0.1@suoke.life/":              {false, false},
		"http://service.suoke-life.svc.evil.io":     {false, false},
	} {
		for cluster, allowed := range map[bool]bool{false: want.alone, true: want.cluster} {
			if err := Check(target, cluster); (err == nil) != allowed {
				t.Errorf("%q with cluster %v: %v, want allowed %v", target, cluster, err, allowed)
			}
		}
	}
}

func TestWrongTraces(t *testing.T) {
	const at = "2023-11-16 18:15:46.6805900\n"
	for sentence, c := range map[string]struct{ text, want string }{
		"nothing at all":       {"", "reading the trace's header: EOF"},
		"no such column":       {"time\n" + at, "the trace has the columns [time]; name the one with times TIMESTAMP"},
		"a time that is none":  {"TIMESTAMP\nnoon\n", "write times such as 2023-11-16 18:15:46.68"},
		"a row too long":       {"TIMESTAMP\na,b\n", "reading the trace: record on line 2"},
		"one arrival":          {"TIMESTAMP\n" + at, "at least two arrivals at different times"},
		"all at the same time": {"TIMESTAMP\n" + at + at, "at least two arrivals at different times"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if _, err := ReadTrace(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestTheRecordedConversation(t *testing.T) {
	recorded, err := bench.Conversation()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ReadTrace(recorded)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.offsets) != 19366 || p.period < 58*time.Minute || p.period > time.Hour {
		t.Errorf("%d arrivals in %v; bench/data/README.md says 19,366 in 58 minutes", len(p.offsets), p.period)
	}
	for _, rate := range []float64{1, 100, 180} {
		if got, want := p.At(19366, rate), seconds(19366/rate); (got - want).Abs() > time.Microsecond {
			t.Errorf("at %v a second the pattern begins again after %v, want %v", rate, got, want)
		}
	}
}

func TestArrivalsKeepTheirOrderAndTheirRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.Int64Range(0, 3e9), 1, 20).Draw(t, "gaps")
		gaps[0]++
		at := []time.Time{time.Unix(1700000000, 0).UTC()}
		for _, gap := range gaps {
			at = append(at, at[len(at)-1].Add(time.Duration(gap)))
		}
		p, err := newPattern(at)
		if err != nil {
			t.Fatal(err)
		}
		rate := rapid.Float64Range(0.1, 1000).Draw(t, "rate")
		last := time.Duration(0)
		for n := range 5 * len(at) {
			now := p.At(n, rate)
			if now < last {
				t.Fatalf("request %d is due at %v, before the one before it (%v)", n, now, last)
			}
			last = now
		}
		rounds := 7 * len(at)
		if got, want := p.At(rounds, rate).Seconds(), float64(rounds)/rate; math.Abs(got-want) > 1e-6*want {
			t.Fatalf("%d requests take %v s at %v a second, want %v s", rounds, got, rate, want)
		}
	})
}

func TestBodiesOfRows(t *testing.T) {
	for sentence, c := range map[string]struct {
		text string
		want []string
		err  string
	}{
		"a data set to classify":    {"a,b,label\n1,2.5,0\n3,4,1\n", []string{`{"inputs":[[1,2.5]]}`, `{"inputs":[[3,4]]}`}, ""},
		"a data set to predict":     {"a,target\n1,151\n", []string{`{"inputs":[[1]]}`}, ""},
		"rows without an answer":    {"a,b\n1,2\n", []string{`{"inputs":[[1,2]]}`}, ""},
		"a label in other places":   {"label,b\n1,2\n", []string{`{"inputs":[[1,2]]}`}, ""},
		"nothing at all":            {"", nil, "reading the header of the rows: EOF"},
		"a header only":             {"a,label\n", nil, "write at least one row"},
		"a text":                    {"a,b\n1,2\n1,x\n", nil, `row 2: column 2: write a number, not "x"`},
		"what JSON has no word for": {"a\nNaN\n", nil, `row 1: column 1: write a number, not "NaN"`},
		"a row too short":           {"a,b\n1\n", nil, "reading rows: record on line 2: wrong number of fields"},
	} {
		t.Run(sentence, func(t *testing.T) {
			bodies, err := ReadBodies(strings.NewReader(c.text))
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Fatalf("got %v, want %q", err, c.err)
			}
			var got []string
			for _, b := range bodies {
				got = append(got, string(b))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestQuantiles holds the buckets against the sorted times themselves.
func TestQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := rapid.SliceOfN(rapid.Int64Range(1, int64(10*time.Minute)), 1, 200).Draw(t, "took")
		r, due := newRecorder(), time.Unix(0, 0)
		sorted := make([]time.Duration, len(took))
		for i, d := range took {
			sorted[i] = time.Duration(d)
			r.sent()
			r.ended(due, due.Add(time.Duration(d)), "v1", "")
		}
		for i := range sorted { // slow and plain
			for j := i; j > 0 && sorted[j] < sorted[j-1]; j-- {
				sorted[j], sorted[j-1] = sorted[j-1], sorted[j]
			}
		}
		s := r.snapshot()
		for q, got := range map[float64]time.Duration{.5: s.P50, .95: s.P95, .99: s.P99} {
			exact := sorted[int(math.Ceil(q*float64(len(sorted))))-1]
			if got < exact-time.Microsecond || float64(got) > 1.021*float64(exact)+float64(time.Microsecond) {
				t.Fatalf("p%.0f is %v, the buckets say %v", 100*q, exact, got)
			}
		}
		if s.Max != sorted[len(sorted)-1] {
			t.Fatalf("max is %v, want %v", s.Max, sorted[len(sorted)-1])
		}
	})
}

func TestReasonsAreBounded(t *testing.T) {
	r := newRecorder()
	for i := range 100 {
		r.sent()
		r.ended(time.Unix(0, 0), time.Unix(1, 0), "", fmt.Sprintf("reason %d", i))
	}
	s := r.snapshot()
	if len(s.Reasons) != maxReasons+1 || s.Reasons[otherReasons] != 100-maxReasons || s.Failed != 100 {
		t.Errorf("%d reasons, %d others, %d failed", len(s.Reasons), s.Reasons[otherReasons], s.Failed)
	}
}
