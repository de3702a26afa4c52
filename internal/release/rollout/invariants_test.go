package rollout_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// happening is something that may happen to a world.
type happening struct {
	name string
	do   func(*world)
}

func (h happening) String() string { return h.name }

var versions = []string{"v1", "v2", "v3"}

// happenings draws what may happen in any order, but for what decides where a release ends.
func happenings() *rapid.Generator[happening] {
	return rapid.Custom(func(t *rapid.T) happening {
		version := rapid.SampledFrom(versions).Draw(t, "version")
		router := rapid.IntRange(0, 2).Draw(t, "router")
		few := rapid.IntRange(0, 4).Draw(t, "few")
		pass := rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, time.Minute, 10 * time.Minute}).Draw(t, "time")
		all := []happening{
			{fmt.Sprintf("%v pass", pass), func(w *world) { w.now = w.now.Add(pass) }},
			{"every Pod is ready", (*world).podsReady},
			{fmt.Sprintf("%s has at most %d ready Pods", version, few), func(w *world) {
				w.change(version, func(v *rollout.Version) { v.Ready = min(few, w.replicas[id(version)]) })
			}},
			{fmt.Sprintf("router %d confirms", router), func(w *world) { w.confirm(router) }},
			{fmt.Sprintf("router %d changes readiness", router), func(w *world) { w.setReady(router, !w.routers[router].Ready) }},
			{fmt.Sprintf("router %d has %d requests to %s in flight", router, few, version), func(w *world) {
				w.routers[router].InFlight = map[rollout.ID]int{id(version): few}
			}},
			{"the candidate is asked", func(w *world) { w.ask() }},
			{"the model is paused or resumed", func(w *world) { w.policy.Paused = !w.policy.Paused }},
			{fmt.Sprintf("the model is scaled to %d replicas", few+1), func(w *world) { w.policy.Replicas = few + 1 }},
			{fmt.Sprintf("the autoscaler gives %s %d Pods", version, 3*few), func(w *world) { w.autoscale(id(version), 3*few) }},
			{"an autoscaler comes or goes", func(w *world) { w.policy.MaxReplicas = 12 - min(w.policy.MaxReplicas, 12) }},
			{fmt.Sprintf("all requests need %d Pods", 3*few), func(w *world) { w.needed = 3 * few }},
			{fmt.Sprintf("%d %% are mirrored", 25*few), func(w *world) { w.policy.Shadow = 25 * few }},
			{"a person promotes " + version, func(w *world) { w.act(rollout.Promote, version, 0) }},
			{"the state is lost", (*world).lose},
			{version + " is wanted", func(w *world) { w.want(version) }},
			{"it is not known what is wanted", func(w *world) { w.want("") }},
		}
		return rapid.SampledFrom(all).Draw(t, "happening")
	})
}

// ask counts requests to the candidate, with the verdict that it is to get.
func (w *world) ask() {
	name, under := w.release()
	if !under {
		return
	}
	j := w.judged[name]
	j.CandidateRequests += 100
	j.Verdict = analysis.Inconclusive
	w.judged[name] = j
}

// act asks for something of the latest attempt at a version, or of one so many before.
func (w *world) act(kind rollout.ActionType, version string, before int) {
	w.policy.Action = rollout.Action{Type: kind, Version: version, Attempt: w.state.Attempts[version] - before}
}

// worlds draws a world of three routers in which nothing has happened.
func worlds(t *rapid.T) *world {
	w := newWorld()
	w.policy.Strategy = rapid.SampledFrom([]rollout.Strategy{rollout.RollingUpdate, rollout.BlueGreen, rollout.Canary}).Draw(t, "strategy")
	w.policy.Replicas = rapid.IntRange(1, 10).Draw(t, "replicas")
	w.policy.MaxReplicas = rapid.SampledFrom([]int{0, 0, 10, 15}).Draw(t, "maxReplicas")
	weights := rapid.SliceOfNDistinct(rapid.IntRange(1, 100), 1, 3, rapid.ID).Draw(t, "weights")
	slices.Sort(weights)
	for _, weight := range weights {
		w.policy.Steps = append(w.policy.Steps, rollout.Step{Weight: weight, Hold: time.Minute})
	}
	w.policy.AutoPromotion = rapid.Bool().Draw(t, "autoPromotion")
	w.policy.RollbackEnabled = rapid.Bool().Draw(t, "rollbackEnabled")
	w.policy.ScaleDownDelay = rapid.SampledFrom([]time.Duration{0, time.Minute, 10 * time.Minute}).Draw(t, "scaleDownDelay")
	for i := range 3 {
		w.routers = append(w.routers, rollout.Router{Name: strconv.Itoa(i), Ready: true, Since: w.now})
	}
	return w
}

// TestInvariantsHoldWhateverHappens: world holds every decision against DESIGN §5.
func TestInvariantsHoldWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := worlds(t)
		outcomes := []rollout.Outcome{
			rollout.EvaluationPending, rollout.EvaluationRunning, rollout.EvaluationPassed, rollout.EvaluationPassed, rollout.EvaluationDisabled,
			rollout.EvaluationFailed, rollout.EvaluationError,
		}
		for range rapid.IntRange(1, 150).Draw(t, "happenings") {
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0:
				version, outcome := rapid.SampledFrom(versions).Draw(t, "version"), rapid.SampledFrom(outcomes).Draw(t, "outcome")
				w.change(version, func(v *rollout.Version) {
					v.Evaluation = rollout.Evaluation{Outcome: outcome, Message: "as it is", Attempt: w.state.Attempts[version]}
				})
			case 1:
				reason := rapid.SampledFrom([]string{"ErrorRate", "Latency", "Disagreement"}).Draw(t, "fails by")
				if name, under := w.release(); under && rapid.Bool().Draw(t, "fails") {
					w.judged[name] = rollout.Judgement{Verdict: analysis.Fail, Reason: reason, Message: "it fails"}
				}
			case 2:
				kind := rapid.SampledFrom([]rollout.ActionType{rollout.Promote, rollout.Abort, rollout.Retry}).Draw(t, "a person asks to")
				w.act(kind, rapid.SampledFrom(versions).Draw(t, "version"), rapid.SampledFrom([]int{0, 0, 0, 1, -1}).Draw(t, "attempts before"))
			default:
				happenings().Draw(t, "happening").do(w)
			}
			w.turn()
			if w.fault != "" {
				t.Fatal(w.fault)
			}
		}
	})
}

// TestNothingEndsWithoutAReason: with evaluations that pass and no Fail verdict, lost Pods, late routers and missing data
// return nothing; only a wish or the deadline does.
func TestNothingEndsWithoutAReason(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := worlds(t)
		for _, version := range versions {
			w.change(version, func(v *rollout.Version) { v.Evaluation.Outcome = rollout.EvaluationPassed })
		}
		for range rapid.IntRange(1, 100).Draw(t, "happenings") {
			happenings().Draw(t, "happening").do(w)
			w.turn()
		}
		for _, h := range w.state.History {
			served := h.From == rollout.InCanary
			if h.To == rollout.Rollback && h.Reason != rollout.ReasonAborted && (served || h.Reason != rollout.ReasonProgressDeadline) {
				t.Fatalf("%s was returned: %s %s", h.Version, h.Reason, h.Message)
			}
		}
	})
}

// TestKillingTheOperatorEndsInTheSamePlace: a process that ends after any write, and another that starts, however often,
// end where one that was never killed ends: with the wanted version if it is good, and with all traffic on a good one if not.
func TestKillingTheOperatorEndsInTheSamePlace(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := worlds(t)
		w.policy.AutoPromotion, w.policy.RollbackEnabled, w.policy.ProgressDeadline = true, true, 1000*time.Hour
		w.policy.ScaleDownDelay = 10 * time.Minute
		fates := map[string]string{}
		for _, version := range versions {
			fates[version] = rapid.SampledFrom([]string{"good", "worse", "failing"}).Draw(t, "fate of "+version)
			w.know(version)
		}
		for range rapid.IntRange(1, 60).Draw(t, "happenings") {
			happenings().Draw(t, "happening").do(w)
			w.fulfil(fates)
			w.killed(rapid.IntRange(0, 3).Draw(t, "writes before it is killed"))
		}
		wanted := rapid.SampledFrom(versions).Draw(t, "wanted in the end")
		w.want(wanted)
		w.calm(fates)
		if w.fault != "" {
			t.Fatal(w.fault)
		}
		w.arrived(t, wanted, fates)
	})
}

// killed takes a decision and ends after so many writes: the state, then the changes of scale.
func (w *world) killed(writes int) {
	d := w.decide()
	if writes == 0 {
		return
	}
	w.remember(d)
	w.apply(d, writes-1)
}

// fulfil gives versions the evaluation and the verdict of their fate.
func (w *world) fulfil(fates map[string]string) {
	for version, fate := range fates {
		outcome := rollout.EvaluationPassed
		if fate == "worse" {
			outcome = rollout.EvaluationFailed
		}
		w.change(version, func(v *rollout.Version) {
			if v.Ready > 0 {
				v.Evaluation = rollout.Evaluation{Outcome: outcome, Message: "as it is", Attempt: w.state.Attempts[version]}
			}
		})
	}
	under := ""
	switch {
	case w.state.Release != nil:
		under = w.state.Release.Version
	case w.state.Watch != nil:
		under = w.state.Watch.Version
	}
	if name, judged := w.release(); judged && fates[under] == "failing" {
		w.judged[name] = rollout.Judgement{Verdict: analysis.Fail, Reason: "ErrorRate", Message: "it fails", CandidateRequests: w.judged[name].CandidateRequests}
	}
}

// calm lets everything that is wanted come true, until nothing changes.
func (w *world) calm(fates map[string]string) {
	w.policy.Paused = false
	for i := range w.routers {
		w.setReady(i, true)
		w.routers[i].InFlight = nil
	}
	for range 100 {
		w.podsReady()
		for i := range w.routers {
			w.confirm(i)
		}
		w.ask()
		w.fulfil(fates)
		w.turn()
		w.now = w.now.Add(time.Minute)
	}
}

// arrived fails unless the world is where the fates of versions lead.
func (w *world) arrived(t *rapid.T, wanted string, fates map[string]string) {
	switch {
	case fates[wanted] == "good" && w.state.Stable != id(wanted):
		t.Fatalf("%s is good, and %q is stable: %s", wanted, w.state.Stable, w.last.Progress.Message)
	case fates[wanted] == "failing" && w.state.Stable == id(wanted) && !w.unwatched[id(wanted)]:
		t.Fatalf("%s fails, was watched and is stable", wanted)
	case fates[wanted] == "failing" && w.state.Stable != id(wanted) && w.state.Refused[id(wanted)].Reason != "ErrorRate":
		t.Fatalf("%s fails and is not stable, and was not returned for that: %+v", wanted, w.state.Refused)
	case fates[wanted] == "worse" && w.state.Stable == id(wanted):
		t.Fatalf("%s is worse, and stable", wanted)
	case w.state.Release != nil || len(w.state.Retiring) > 0:
		t.Fatalf("it does not come to rest: %+v", w.last.Progress)
	}
	weights, replicas := map[rollout.ID]int{}, map[rollout.ID]int{}
	if w.state.Stable != "" {
		weights[w.state.Stable], replicas[w.state.Stable] = 100, w.policy.Replicas
	}
	if diff := cmp.Diff(weights, w.state.Weights, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
	if diff := cmp.Diff(replicas, w.last.Replicas, cmpopts.EquateEmpty()); diff != "" {
		t.Fatal(diff)
	}
}

// TestHistoryIsBounded keeps the last transitions of a model that is released again and again.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 100 {
		if err := w.serve(versions[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.state.History); n != 50 {
		t.Errorf("%d transitions are kept", n)
	}
	if n := w.state.Attempts["v1"]; n != 50 {
		t.Errorf("%d attempts at v1", n)
	}
	if w.fault != "" {
		t.Error(w.fault)
	}
}
