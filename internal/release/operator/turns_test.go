package operator

import (
	"testing"
	"time"

	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

func TestASecondTurnsAVerdictBeforeItIsJudged(t *testing.T) {
	second := func(id string, unix, requests, failures int64) route.Second {
		return route.Second{Unix: unix, ID: id, Pod: id + "-a", Requests: requests, Failures: failures}
	}
	at := newPolled(t).now - 1
	var known analysis.Statistic
	for unix := at - 1000; unix < at; unix++ {
		known = known.Add(analysis.Second{Unix: unix, Pods: []analysis.PodSecond{
			{Pod: "v1-a", Counts: analysis.Counts{Requests: 90}}, {Pod: "v2-a", Candidate: true, Counts: analysis.Counts{Requests: 10}},
		}})
	}
	serving := subject{id: "v2", stable: "v1", since: time.Unix(at-1000, 0)}
	for sentence, c := range map[string]struct {
		of      subject
		seconds []route.Second
		want    bool
	}{
		"the candidate fails":               {serving, []route.Second{second("v1", at, 90, 0), second("v2", at, 100, 100)}, true},
		"stable fails":                      {serving, []route.Second{second("v1", at, 90, 90), second("v2", at, 10, 0)}, false},
		"all is as before":                  {serving, []route.Second{second("v1", at, 90, 0), second("v2", at, 10, 0)}, false},
		"there was no request":              {serving, nil, false},
		"a candidate without traffic yet":   {subject{id: "v2", stable: "v1"}, []route.Second{second("v2", at, 100, 100)}, false},
		"a watched one, whose past is lost": {subject{id: "v2", stable: "v1", watched: true, stepAt: time.Unix(at, 0)}, []route.Second{second("v2", at, 100, 100)}, true},
		"one that was given everything":     {subject{id: "v2", stable: "v1", since: serving.since, alone: true, stepAt: time.Unix(at, 0)}, []route.Second{second("v2", at, 100, 100)}, true},
		"one whose last step is over":       {subject{id: "v2", stable: "v1", since: serving.since, alone: true}, []route.Second{second("v2", at, 100, 100)}, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := newPolled(t, "m")
			o := &Operator{routers: p.routers}
			if o.turns("m") {
				t.Error("nothing is judged, and its verdict changes")
			}
			before := judge{ID: "v2", Last: at - 1, Statistic: known}
			o.judges.Store("m", underJudgement{before, c.of})
			p.report("router-0", "1", p.now, c.seconds...)
			for range 2 { // it is asked until it is judged
				if got := o.turns("m"); got != c.want {
					t.Errorf("the verdict %v changes: %v, want %v", known.Verdict(), got, c.want)
				}
			}
			if seconds, _ := p.since("m", at-1); len(seconds) == 0 && len(c.seconds) > 0 {
				t.Error("asking took the seconds away from the judgement")
			}
			if j, _ := o.judgeOf("m"); j.Last != at-1 || j.Statistic.Last != known.Last {
				t.Error("asking judged")
			}
		})
	}
}

func TestAJudgementIsStoredEveryHalfMinuteAtMost(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for sentence, c := range map[string]struct {
		stored time.Duration
		last   int64
		want   bool
	}{
		"a moment ago":                        {persistJudgement - time.Second, 2, false},
		"half a minute ago":                   {persistJudgement, 2, true},
		"half a minute ago, and nothing came": {persistJudgement, 1, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			seen := &observed{model: digits(), now: now, judge: judge{Last: c.last}}
			seen.memory.judge = judge{Last: 1, SavedAt: now.Add(-c.stored)}
			if d := (&models{Operator: &Operator{}}).decide(seen); d.write != c.want {
				t.Errorf("written: %v, want %v", d.write, c.want)
			}
		})
	}
}
