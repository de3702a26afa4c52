package operator

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// shelves hold ConfigMaps by name, and nothing else.
type shelves struct {
	client.Client

	mu      sync.Mutex
	objects map[string]*corev1.ConfigMap
	writes  int
}

func (s *shelves) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	object, found := s.objects[key.Name]
	to, ok := into.(*corev1.ConfigMap)
	if !found || !ok {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	object.DeepCopyInto(to)
	return nil
}

func (s *shelves) Update(_ context.Context, object client.Object, _ ...client.UpdateOption) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if held, ok := object.(*corev1.ConfigMap); ok {
		s.objects[object.GetName()] = held.DeepCopy()
	}
	return nil
}

func newShelves() *shelves { return &shelves{objects: map[string]*corev1.ConfigMap{}} }

// remembering is a keeper of histories that knows the model digits, with v1 stable.
func remembering(t *testing.T, on *shelves, learned func(string)) *histories {
	t.Helper()
	return rememberingFrom(t, on, learned, "v1")
}

// rememberingFrom is one that first heard of the model when that version was stable.
func rememberingFrom(t *testing.T, on *shelves, learned func(string), stable rollout.ID) *histories {
	t.Helper()
	h := newHistories(&Operator{Client: on, Live: on, Log: slog.New(slog.DiscardHandler), Now: time.Now}, learned)
	model := digits()
	model.UID = "1"
	h.know(t.Context(), model, rollout.State{Stable: stable}, suokev1.Analysis{LatencyQuantile: 0.9, MaxLatencyIncrease: 0.5})
	return h
}

// at is a second in which each of two Pods of v1 answered so many requests, all in the time given, and v2 fails.
func at(unix int64, requests int64, took time.Duration) heardSecond {
	counts := counted{requests: requests, ended: requests, times: times(nil).plus(map[int]int64{route.Bucket(took): requests})}
	return heardSecond{unix: unix, pods: []heardPod{
		{origin{"v1", "v1-a"}, counts}, {origin{"v1", "v1-b"}, counts}, {origin{"v2", "v2-a"}, counted{requests: 9, failures: 9}},
	}}
}

func TestStablesPastIsWhatItsPodsDid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := newShelves()
		h := remembering(t, on, func(string) {})
		start := time.Now().Unix()
		for i := range int64(120) {
			took := 10 * time.Millisecond
			if i == 119 {
				took = 20 * time.Millisecond // slow beside the seconds before, and of no weight in them
			}
			h.hear(news{model: "digits", seconds: []heardSecond{at(start+i, 10, took)}})
		}
		past := h.statistic("digits")
		if past.Last != start+119 || past.Failures.Past.Bad != 0 || past.Failures.Candidate.Requests != 0 {
			t.Errorf("the past of stable: %+v", past.Failures)
		}
		if slow := past.Slow.Recent; slow[0].Bad+slow[1].Bad != 20 {
			t.Errorf("slow of late: %+v", slow)
		}
		h.saveAll()
		again := remembering(t, on, func(string) {})
		if diff := cmp.Diff(past, again.statistic("digits")); diff != "" {
			t.Errorf("read again (-want +got):\n%s", diff)
		}
		if got, want := again.of("digits").history.PodHours(), h.of("digits").history.PodHours(); got != want || got == 0 {
			t.Errorf("read again: %v Pod-hours, want %v", got, want)
		}
		again.saveAll()
		if on.writes != 1 {
			t.Errorf("written %d times, though nothing was heard", on.writes)
		}
		h.know(t.Context(), h.of("digits").model, rollout.State{Stable: "v2"}, suokev1.Analysis{})
		if after := h.statistic("digits"); after.Failures.Past != (analysis.Rate{}) {
			t.Errorf("of another stable version: %+v", after.Failures.Past)
		}
	})
}

func TestStartsAreKnownOfStableVersions(t *testing.T) {
	for sentence, c := range map[string]struct {
		first rollout.ID
		// stable is what served in turn, for a minute each.
		stable  []rollout.ID
		refused map[rollout.ID]rollout.Refusal
		want    bool
	}{
		"from the model's first request on":            {"", []rollout.ID{"", "v1", "v2"}, nil, true},
		"but for those of a version that never served": {"", []rollout.ID{"", "v2", "v2"}, nil, false},
		"but not where it may have served before":      {"v1", []rollout.ID{"v1", "v1", "v2"}, nil, false},
		"but for those of one that was taken back":     {"", []rollout.ID{"", "v1", "v2"}, map[rollout.ID]rollout.Refusal{"v1": {}}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			on := newShelves()
			h := rememberingFrom(t, on, nil, c.first)
			model, start := h.of("digits").model, int64(1_700_000_000)
			for i, stable := range c.stable {
				h.know(t.Context(), model, rollout.State{Stable: stable, Refused: c.refused}, suokev1.Analysis{})
				for second := range int64(60) {
					h.hear(news{model: "digits", seconds: []heardSecond{at(start+int64(i)*60+second, 10, time.Millisecond)}})
				}
			}
			h.saveAll()
			if got := h.of("digits").history.StartsKnown(); got != c.want {
				t.Errorf("known: %t", got)
			}
			if again := rememberingFrom(t, on, nil, "v2"); again.of("digits").history.StartsKnown() != c.want {
				t.Error("another operator takes it otherwise")
			}
		})
	}
}

func TestAnotherModelsHistoryIsNotRead(t *testing.T) {
	on := newShelves()
	h := remembering(t, on, func(string) {})
	h.hear(news{model: "digits", seconds: []heardSecond{at(1_700_000_000, 10, time.Millisecond)}})
	h.saveAll()
	on.objects["digits-history"].OwnerReferences[0].UID = "of one that is gone"
	if hours := remembering(t, on, func(string) {}).of("digits").history.PodHours(); hours != 0 {
		t.Errorf("%v Pod-hours are read", hours)
	}
	another := digits()
	another.UID = "2"
	h.know(t.Context(), another, rollout.State{Stable: "v1"}, suokev1.Analysis{})
	if hours := h.of("digits").history.PodHours(); hours != 0 {
		t.Errorf("%v Pod-hours go over to another model of the same name", hours)
	}
}

func TestAGapIsWhereSecondsWereNotPassedOn(t *testing.T) {
	h := remembering(t, newShelves(), func(string) {})
	tell := func() { h.tell("digits", []heardSecond{at(1_700_000_000, 10, time.Millisecond)}) }
	for range waitingNews + 1 { // one more than there is room for
		tell()
	}
	for i := range waitingNews {
		if n := <-h.news; n.missed {
			t.Errorf("seconds are missed before the news number %d, which was passed on as all before it", i)
		}
	}
	tell()
	tell()
	if first, second := <-h.news, <-h.news; !first.missed || second.missed {
		t.Errorf("seconds are missed before the next: %v, and before the one after it: %v", first.missed, second.missed)
	}
}

func TestHistoriesAreWrittenRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on := newShelves()
		h := remembering(t, on, func(string) {})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.Start(ctx) }()
		for range 3600 {
			h.tell("digits", []heardSecond{at(time.Now().Unix(), 1, time.Millisecond)})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if on.writes < 3 || on.writes > 5 {
			t.Errorf("written %d times in an hour", on.writes)
		}
		before := on.writes
		stop()
		if err := <-ended; err != nil || on.writes != before+1 {
			t.Errorf("at the end: %d writes, %v", on.writes-before, err)
		}
	})
}

func TestAHistoryFitsIntoItsObject(t *testing.T) {
	h := remembering(t, newShelves(), func(string) {})
	p := h.of("digits")
	random := rand.New(rand.NewPCG(1, 2))
	for i := range int64(8 * 3600) {
		for pod := range 10 {
			n := random.Int64N(1 << 16)
			p.history.Add(1_700_000_000+i, strconv.Itoa(pod), analysis.Counts{Requests: n, Failures: random.Int64N(n + 1), Slow: random.Int64N(n + 1)})
		}
	}
	before := p.history.PodHours()
	object, err := p.object(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if size := object.Size(); size > 920<<10 || p.history.PodHours() == before || p.history.PodHours() == 0 {
		t.Errorf("%d bytes, of %v Pod-hours %v are left", size, before, p.history.PodHours())
	}
}

func TestNamesOfHistoriesAreNames(t *testing.T) {
	names := map[string]bool{}
	for _, model := range []string{"digits", strings.Repeat("a", longestName), strings.Repeat("a", longestName-1) + "b", strings.Repeat("a.", 120) + "bcdef"} {
		name := historyName(model)
		if wrong := validation.IsDNS1123Subdomain(name); len(wrong) > 0 || names[name] {
			t.Errorf("%s: %v", name, wrong)
		}
		names[name] = true
	}
}

func TestWhatIsLearnedHoldsForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var woken []string
		on := newShelves()
		h := remembering(t, on, func(model string) { woken = append(woken, model) })
		config := analysis.Config{FalseRollbackRate: 0.02, Slow: true}
		if _, known := h.learn("digits", config, nil); !known {
			t.Error("of no history, it takes time to learn nothing")
		}
		time.Sleep(learnedFor)
		for i := range int64(7200) {
			h.hear(news{model: "digits", seconds: []heardSecond{at(1_700_000_000+i, 10, time.Millisecond)}})
		}
		if _, known := h.learn("digits", config, nil); known {
			t.Error("it is known at once")
		}
		synctest.Wait()
		learned, known := h.learn("digits", config, nil)
		if !known || learned.Limits.PodHours < 4 || learned.FalseRollbackRate != 0.02 || len(woken) != 1 || on.writes != 1 {
			t.Errorf("known %v: %+v; woken %v, written %d times", known, learned, woken, on.writes)
		}
		time.Sleep(learnedFor - time.Second)
		if _, known := h.learn("digits", config, nil); !known {
			t.Error("it is forgotten before an hour is over")
		}
		time.Sleep(time.Second)
		if _, known := h.learn("digits", config, nil); known {
			t.Error("it is not learned anew after an hour")
		}
		synctest.Wait()
		if _, known := h.learn("digits", config, []analysis.Step{{Pods: 2, Share: 0.5}}); known {
			t.Error("other steps teach the same")
		}
		synctest.Wait()
	})
}

func TestAReleaseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := remembering(t, newShelves(), func(string) {})
		h.hear(news{model: "digits", seconds: []heardSecond{at(1_700_000_000, 10, time.Millisecond)}})
		h.learning <- struct{}{} // others are being learned from
		if _, known := h.learn("digits", analysis.Config{}, nil); known {
			t.Error("it does not wait at all")
		}
		time.Sleep(learnedWithin)
		if _, known := h.learn("digits", analysis.Config{}, nil); !known {
			t.Error("it waits on")
		}
		<-h.learning
		synctest.Wait()
	})
}

func TestACandidateWaitsForWhatIsLearned(t *testing.T) {
	seen := &observed{model: digits(), unlearned: "v2", known: map[rollout.ID]frozen{"v1": {}, "v2": {}}, evaluations: map[rollout.ID]evaluation{
		"v1": {outcome: rollout.EvaluationPassed}, "v2": {outcome: rollout.EvaluationPassed},
	}}
	if o := seen.observation(); o.Versions["v2"].Evaluation.Outcome != rollout.EvaluationPending || o.Versions["v1"].Evaluation.Outcome != rollout.EvaluationPassed {
		t.Errorf("%+v", o.Versions)
	}
	seen.evaluations["v2"] = evaluation{outcome: rollout.EvaluationFailed}
	if o := seen.observation(); o.Versions["v2"].Evaluation.Outcome != rollout.EvaluationFailed {
		t.Errorf("one that failed does not: %+v", o.Versions)
	}
}

func TestDisagreementThatIsAllowed(t *testing.T) {
	comparison := func(version string, differ *int32) *evaluate.Comparison {
		return &evaluate.Comparison{Version: version, Differ: differ}
	}
	for sentence, c := range map[string]struct {
		shadow     int32
		comparison *evaluate.Comparison
		low, high  float64
	}{
		"twice the bound of what differed":           {10, comparison("v1", new(int32(100))), 0.2, 0.25},
		"a hundredth where hardly anything did":      {10, comparison("v1", new(int32(0))), 0.01, 0.01},
		"less than everything":                       {10, comparison("v1", new(int32(1000))), 0.99, 0.99},
		"nothing is mirrored, so nothing is judged":  {0, comparison("v1", new(int32(100))), 0, 0},
		"nothing was compared":                       {10, nil, 0, 0},
		"it was not counted what differs":            {10, comparison("v1", nil), 0, 0},
		"what was compared with is not stable (now)": {10, comparison("v0", new(int32(100))), 0, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			stable := frozen{}
			stable.Version.Version = "v1"
			seen := &observed{
				memory: memory{state: rollout.State{Stable: "id1"}}, known: map[rollout.ID]frozen{"id1": stable},
				evaluations: map[rollout.ID]evaluation{"id2": {record: &record{Result: &evaluate.Result{Rows: 1000, Comparison: c.comparison}}}},
			}
			var how suokev1.ModelVersionSpec
			how.CanaryDeployment.ShadowPercentage = c.shadow
			if got := seen.allowedDisagreement("id2", how); got < c.low || got > c.high {
				t.Errorf("%v is allowed, want %v to %v", got, c.low, c.high)
			}
		})
	}
}

// Where a data set has labelled prompts and texts, what differed is a share of those that were compared.
func TestDisagreementIsAShareOfWhatWasCompared(t *testing.T) {
	stable := frozen{}
	stable.Version.Version = "v1"
	var how suokev1.ModelVersionSpec
	how.CanaryDeployment.ShadowPercentage = 10
	allowed := func(c evaluate.Comparison) float64 {
		c.Version = "v1"
		seen := &observed{
			memory: memory{state: rollout.State{Stable: "id1"}}, known: map[rollout.ID]frozen{"id1": stable},
			evaluations: map[rollout.ID]evaluation{"id2": {record: &record{Result: &evaluate.Result{Rows: 10_100, Texts: 10_000, Comparison: &c}}}},
		}
		return seen.allowedDisagreement("id2", how)
	}
	if got := allowed(evaluate.Comparison{Differ: new(int32(1000)), Texts: true}); got < 0.2 || got > 0.25 {
		t.Errorf("%v is allowed where a tenth of the texts differ", got)
	}
	if got := allowed(evaluate.Comparison{Differ: new(int32(10))}); got < 0.2 || got > 0.36 {
		t.Errorf("%v is allowed where a tenth of the labelled prompts differ", got)
	}
}

func TestStepsToReplay(t *testing.T) {
	for sentence, c := range map[string]struct {
		policy rollout.Policy
		want   []analysis.Step
	}{
		"a canary's": {
			rollout.Policy{Strategy: rollout.Canary, Replicas: 5, Steps: []rollout.Step{{Weight: 5}, {Weight: 50}, {Weight: 100}}},
			[]analysis.Step{{Pods: 1, Share: 0.05}, {Pods: 3, Share: 0.5}},
		},
		"of a rolling update": {
			rollout.Policy{Strategy: rollout.RollingUpdate, Replicas: 4},
			[]analysis.Step{{Pods: 1, Share: 0.25}, {Pods: 2, Share: 0.5}, {Pods: 3, Share: 0.75}},
		},
		"none of a switch": {rollout.Policy{Strategy: rollout.BlueGreen, Replicas: 4}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, stepsOf(c.policy)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
