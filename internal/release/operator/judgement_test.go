package operator_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/record"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// untilEvidence waits for what a ModelVersion says that its judgement stands on.
func (s *system) untilEvidence(name, what string, holds func(suokev1.Evidence) bool) suokev1.Evidence {
	s.t.Helper()
	var seen suokev1.Evidence
	s.until(what, func() (bool, string) {
		v := s.readVersion(name)
		if v.Status.Evidence == nil {
			return false, "no evidence"
		}
		seen = *v.Status.Evidence
		return holds(seen), text(seen)
	})
	return seen
}

// recompute adds the seconds of an evidence to its statistic.
func recompute(t *testing.T, e suokev1.Evidence) analysis.Judgement {
	t.Helper()
	if e.Statistic == nil {
		t.Fatalf("no statistic in %s", text(e))
	}
	var s analysis.Statistic
	if err := json.Unmarshal(e.Statistic.Raw, &s); err != nil {
		t.Fatal(err)
	}
	counts := func(tally []int64) analysis.Counts {
		var all [5]int64
		copy(all[:], tally)
		return analysis.Counts{Requests: all[0], Failures: all[1], Slow: all[2], Mirrored: all[3], Disagreed: all[4]}
	}
	for _, second := range e.Seconds {
		s = s.Add(analysis.Second{Unix: second.Second, Pods: []analysis.PodSecond{
			{Pod: "stable", Counts: counts(second.Stable)}, {Pod: "candidate", Candidate: true, Counts: counts(second.Candidate)},
		}})
	}
	return s.Judgement()
}

// untilHeard waits until the router has counted so many seconds of the model, the latest included.
func (s *system) untilHeard(seconds int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d seconds of traffic", seconds), func() (bool, string) {
		n := 0
		s.get(func(k *cluster) { n = len(k.counted[modelName]) })
		return n >= seconds, strconv.Itoa(n)
	})
}

func TestEvidenceOfARollbackCanBeRecomputed(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.failing["v2"] = 0.5 })
	s.canary("v2", time.Minute)
	s.want("v2")
	s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
	e := s.untilEvidence("canary-v2", "the evidence of a Fail", func(e suokev1.Evidence) bool { return e.Verdict == string(analysis.Fail) })
	again := recompute(t, e)
	if again.Verdict != analysis.Fail || again.Score != e.Score || again.Threshold != e.Threshold || again.Reason != e.Reason || again.Message != e.Message {
		t.Errorf("recomputed %+v\nfrom %s", again, text(e))
	}
	if e.StableDigest != digest("/digits:v1") || e.CandidateDigest != digest("/digits:v2") || e.StableVersion != "v1" || e.Attempt != 1 {
		t.Errorf("what was compared: %s", text(e))
	}
	if len(e.Kinds) != 2 || e.Kinds[0].Kind != analysis.ErrorRate || e.Kinds[0].CandidateBad == 0 || e.Kinds[1].Kind != analysis.Latency {
		t.Errorf("kinds: %s", text(e.Kinds))
	}
	s.untouched()
}

func TestSlowCanaryIsReturned(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.slow["v2"] = 3 })
	s.untilHeard(5)
	s.canary("v2", time.Minute)
	s.want("v2")
	s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonLatency))
	e := s.untilEvidence("canary-v2", "the evidence", func(e suokev1.Evidence) bool { return e.Reason == analysis.Latency })
	if slow := e.SlowAfter; slow == nil || slow.Duration < 2400*time.Microsecond || slow.Duration > 2600*time.Microsecond {
		t.Errorf("of answers in 2 ms, slow is beyond %v", slow)
	}
	if e.CandidateFailures != 0 || e.Kinds[1].CandidateBad == 0 || e.Kinds[1].StableBad != 0 {
		t.Errorf("counted %s", text(e))
	}
	s.untilEvent("canary-v2", suokev1.ReasonLatency)
}

// compared is an evaluation in which so many of 1,000 rows were answered differently than by v1.
func compared(differ *int32) ending {
	var r evaluate.Result
	if err := json.Unmarshal([]byte(passes.message), &r); err != nil {
		panic(err)
	}
	r.Rows, r.Comparison = 1000, &evaluate.Comparison{Version: "v1", PValue: 1, Differ: differ}
	message, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return ending{message: string(message)}
}

func TestDisagreementIsHeldAgainstTheEvaluation(t *testing.T) {
	for sentence, c := range map[string]struct {
		evaluated ending
		disagrees float64
		returned  bool
	}{
		"as much as in the evaluation":      {compared(new(int32(100))), 0.1, false},
		"more than the evaluation explains": {compared(new(int32(10))), 0.5, true},
		"where nothing was compared":        {compared(nil), 0.5, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := served(t)
			s.set(func(k *cluster) { k.evaluated["v2"], k.disagreeing["v2"] = c.evaluated, c.disagrees })
			s.canary("v2", 8*time.Second, func(how *suokev1.ModelVersionSpec) { how.CanaryDeployment.ShadowPercentage = 50 })
			s.want("v2")
			if c.returned {
				s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonDisagreement))
			} else {
				s.untilModel("v2 to serve", serving("v2"))
			}
			s.untilEvidence("canary-v2", "what disagreed to be told", func(e suokev1.Evidence) bool { return e.Mirrored > 0 && e.Disagreed > 0 })
		})
	}
}

func TestAVersionThatFailsAfterTheSwitchIsReturned(t *testing.T) {
	s := served(t)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Strategy = suokev1.StrategyBlueGreen })
	s.untilHeard(8)
	s.set(func(k *cluster) { k.failing["v2"] = 0.3 })
	s.want("v2")
	s.untilModel("v2 to be returned after the switch", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
	s.untilModel("v1 to serve again", serving("v1"))
	e := s.untilEvidence(s.versionOf("v2").Name, "the evidence", func(e suokev1.Evidence) bool { return e.Reason == analysis.ErrorRate })
	if e.Rule != analysis.Historical || e.Kinds[0].StableRequests == 0 {
		t.Errorf("evidence: %s", text(e))
	}
	if again := recompute(t, e); again.Verdict != analysis.Fail || again.Score != e.Score {
		t.Errorf("recomputed %+v", again)
	}
	header, verdict, _ := s.untilRecord()
	if verdict.Verdict != analysis.Fail || verdict.Rule != analysis.Historical || header.Candidate != "v2" {
		t.Errorf("the record says %+v", verdict)
	}
}

// TestAStepOfAllTrafficIsJudgedByThePast: stable answers nothing that could be compared, though nothing was promoted yet.
func TestAStepOfAllTrafficIsJudgedByThePast(t *testing.T) {
	for sentence, c := range map[string]struct {
		hold   time.Duration
		reason string
	}{
		"while it is held":                   {time.Hour, suokev1.ReasonStepHolding},
		"once it is over and a person waits": {0, suokev1.ReasonAwaitingPromotion},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := served(t)
			s.untilHeard(8)
			s.canary("v2", time.Hour, func(how *suokev1.ModelVersionSpec) {
				how.CanaryDeployment.Steps = []suokev1.CanaryStep{{Weight: 100, Duration: metav1.Duration{Duration: c.hold}}}
				how.AutoPromotion.Enabled = false
			})
			s.want("v2")
			s.untilModel("v2 to have everything, unpromoted", func(status suokev1.AIModelStatus) bool {
				return status.StableVersion == "v1" && len(status.Traffic) == 1 && status.Traffic[0] == suokev1.TrafficShare{Version: "v2", Weight: 100} &&
					condition(suokev1.ConditionProgressing, metav1.ConditionTrue, c.reason)(status)
			})
			s.set(func(k *cluster) { k.failing["v2"] = 0.3 })
			s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
			s.untilModel("v1 to serve again", serving("v1"))
			e := s.untilEvidence("canary-v2", "the evidence", func(e suokev1.Evidence) bool { return e.Reason == analysis.ErrorRate })
			if e.Rule != analysis.Historical {
				t.Errorf("evidence: %s", text(e))
			}
			if again := recompute(t, e); again.Verdict != analysis.Fail || again.Score != e.Score {
				t.Errorf("recomputed %+v", again)
			}
			if _, verdict, _ := s.untilRecord(); verdict.Verdict != analysis.Fail || verdict.Rule != analysis.Historical {
				t.Errorf("the record says %+v", verdict)
			}
		})
	}
}

// TestAJudgementIsByWhatItsModelVersionSays.
func TestAJudgementIsByWhatItsModelVersionSays(t *testing.T) {
	s := served(t)
	s.untilHeard(5)
	s.canary("v2", 4*time.Second, func(how *suokev1.ModelVersionSpec) {
		how.Analysis = suokev1.Analysis{FalseRollbackRate: 0.05, MaxErrorRateIncrease: 0.02, LatencyQuantile: 0.9, MaxLatencyIncrease: 2}
	})
	s.want("v2")
	s.untilModel("v2 to serve", serving("v2"))
	e := s.untilEvidence("canary-v2", "what is slow", func(e suokev1.Evidence) bool { return e.SlowAfter != nil })
	if slow := e.SlowAfter.Duration; slow < 6*time.Millisecond || slow > 7*time.Millisecond {
		t.Errorf("of answers in 2 ms, three times that is slow, not %v", slow)
	}
	var judged analysis.Statistic
	if err := json.Unmarshal(e.Statistic.Raw, &judged); err != nil {
		t.Fatal(err)
	}
	if e.FalseRollbackRate != 0.05 || judged.Config.FalseRollbackRate != 0.05 || judged.Config.AllowedIncrease != 0.02 {
		t.Errorf("judged by %+v", judged.Config)
	}
}

// untilRecord waits for the record of the first attempt at v2, and judges by it.
func (s *system) untilRecord() (record.Header, analysis.Judgement, []record.Entry) {
	s.t.Helper()
	const name = "records/digits:v2-1"
	s.until("the record "+name, func() (bool, string) { return s.records.get(name) != "", text(s.records) })
	r, err := record.NewReader(strings.NewReader(s.records.get(name)))
	if err != nil {
		s.t.Fatal(err)
	}
	statistic, entries := r.Header.Start, []record.Entry(nil)
	for {
		entry, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header, statistic.Judgement(), entries
		}
		if err != nil {
			s.t.Fatal(err)
		}
		statistic = entry.AddTo(statistic)
		entries = append(entries, entry)
	}
}

func TestTheRecordOfARollbackGivesTheSameVerdict(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.failing["v2"] = 0.5 })
	s.canary("v2", time.Minute)
	s.want("v2")
	s.untilModel("v2 to be returned", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate))
	e := s.untilEvidence("canary-v2", "the evidence of a Fail", func(e suokev1.Evidence) bool { return e.Verdict == string(analysis.Fail) })
	header, verdict, entries := s.untilRecord()
	if verdict.Verdict != analysis.Fail || verdict.Score != e.Score || verdict.Message != e.Message {
		t.Errorf("the record says %+v\nand the evidence %s", verdict, text(e))
	}
	want := record.Header{
		Model: modelName, Stable: "v1", Candidate: "v2", Attempt: 1, StableDigest: digest("/digits:v1"), CandidateDigest: digest("/digits:v2"), Start: header.Start,
	}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Error(diff)
	}
	if last := entries[len(entries)-1]; len(last.Pods) != 2 || last.Pods[0].Candidate || !last.Pods[1].Candidate || last.Pods[1].Failures != 10 {
		t.Errorf("the last second of it: %+v", last)
	}
}

func TestARecordThatIsRefusedHoldsNothingUp(t *testing.T) {
	s := served(t)
	s.records.mu.Lock()
	s.records.refuses = true
	s.records.mu.Unlock()
	s.canary("v2", 2*time.Second)
	s.want("v2")
	s.untilModel("v2 to serve", serving("v2"))
}

func TestTheRecordGoesOnUnderANewOperator(t *testing.T) {
	s := served(t)
	s.canary("v2", 6*time.Second)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Version = "v2" })
	s.untilModel("a canary of v2", func(status suokev1.AIModelStatus) bool { return len(status.Traffic) == 2 })
	s.stop()
	s.start()
	s.untilModel("v2 to serve", serving("v2"))
	// Wanting another version ends the rollback window.
	s.set(func(k *cluster) { k.evaluated["v3"] = passes })
	s.want("v3")
	header, verdict, entries := s.untilRecord()
	if len(entries) == 0 || verdict.Kinds[0].CandidateRequests == 0 || header.Attempt != 1 {
		t.Errorf("%d seconds, %+v", len(entries), verdict)
	}
}

func (s *system) history() *corev1.ConfigMap {
	s.t.Helper()
	var object corev1.ConfigMap
	err := s.client.Get(s.t.Context(), client.ObjectKey{Namespace: s.namespace, Name: modelName + "-history"}, &object)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return &object
}

// written is what a history's ConfigMap holds.
func written(t *testing.T, object *corev1.ConfigMap) (history analysis.History, past analysis.Statistic) {
	t.Helper()
	if err := errors.Join(history.UnmarshalBinary(object.BinaryData["history"]), json.Unmarshal([]byte(object.Data["statistic.json"]), &past)); err != nil {
		t.Fatal(err)
	}
	return history, past
}

func TestHistoryOutlivesTheOperator(t *testing.T) {
	s := served(t)
	s.set(func(k *cluster) { k.failing["v1"] = 0.1 })
	// A model at rest is asked for every 20 seconds.
	s.untilHeard(22)
	s.stop()
	object := s.history()
	if !metav1.IsControlledBy(object, s.read()) || object.Labels["suoke.life/route"] != "" {
		t.Errorf("history %+v", object.ObjectMeta)
	}
	history, past := written(t, object)
	if history.PodHours() == 0 || past.Failures.Past.Bad == 0 {
		t.Fatalf("%v Pod-hours, %+v", history.PodHours(), past.Failures.Past)
	}
	s.set(func(k *cluster) { k.counted = map[string][]route.Second{} }) // so that nobody else knows it
	s.start()
	s.canary("v2", 2*time.Second)
	s.want("v2")
	s.untilModel("v2 to serve", serving("v2"))
	e := s.untilEvidence("canary-v2", "the evidence", func(suokev1.Evidence) bool { return true })
	s.stop()
	after, _ := written(t, s.history())
	if after.PodHours() < history.PodHours() {
		t.Errorf("%v Pod-hours, and %v before", after.PodHours(), history.PodHours())
	}
	var start analysis.Statistic
	if err := json.Unmarshal(e.Statistic.Raw, &start); err != nil {
		t.Fatal(err)
	}
	if knew, knows := past.Failures.Past.Bad, start.Failures.Past.Bad; knows < 0.8*knew {
		t.Errorf("of %v failures of stable's before, the judgement knows %v", knew, knows)
	}
}

func TestAHistoryThatCannotBeReadIsWrittenAnew(t *testing.T) {
	s := served(t)
	s.stop()
	object := s.history()
	object.BinaryData = map[string][]byte{"history": []byte("no history")}
	if object.Name == "" {
		object.Name, object.Namespace = modelName+"-history", s.namespace
		object.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(s.read(), suokev1.GroupVersion.WithKind("AIModel"))}
		if err := s.client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	} else if err := s.client.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.canary("v2", 2*time.Second)
	s.want("v2")
	s.untilModel("v2 to serve", serving("v2"))
	s.stop()
	if history, _ := written(t, s.history()); history.PodHours() == 0 {
		t.Error("nothing was written")
	}
}
