package view_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
	"github.com/suoke-life/suoke/internal/release/view"
)

// story is a model whose releases the engine decides. A version's name is its ID, and its Pods are ready at once, but for
// those of which the story says how many are.
type story struct {
	model     suokev1.AIModel
	versions  map[string]*suokev1.ModelVersion
	ready     map[rollout.ID]int
	judgement rollout.Judgement

	state rollout.State
	now   time.Time
	last  rollout.Decision
}

// serving is a story that begins with v1, in 4 replicas. What replaces a version keeps it for 10 minutes.
func serving(strategy suokev1.Strategy) *story {
	s := &story{versions: map[string]*suokev1.ModelVersion{}, ready: map[rollout.ID]int{}, now: now()}
	s.model.Name = "xiaoai-llm-model"
	s.model.Spec.Deployment = suokev1.Deployment{Strategy: strategy, Replicas: 4}
	for _, name := range []string{"v1", "v2", "v3"} {
		v := version(name, suokev1.VersionDraft, 0, 0)
		v.Spec.BlueGreen.ScaleDownDelay.Duration = 10 * time.Minute
		s.versions[name] = &v
	}
	s.wants("v1")
	return s
}

// decide is what the engine decides if this is asked for.
func (s *story) decide(action rollout.Action) rollout.Decision {
	how := s.versions[s.model.Spec.Version].Spec
	policy := rollout.Policy{
		Model: s.model.Name, Strategy: rollout.Strategy(s.model.Spec.Deployment.Strategy), Replicas: 4, Action: action,
		ScaleDownDelay: how.BlueGreen.ScaleDownDelay.Duration, ProgressDeadline: time.Hour, RollbackEnabled: true, AutoPromotion: true,
	}
	if how.CanaryDeployment.Enabled {
		policy.Strategy, policy.Steps = rollout.Canary, []rollout.Step{{Weight: 50, Hold: time.Minute}}
	}
	seen := rollout.Observation{
		Wanted: rollout.Wanted{ID: rollout.ID(how.Version), Version: how.Version}, Versions: map[rollout.ID]rollout.Version{}, Judgement: s.judgement,
	}
	for name := range s.versions {
		id := rollout.ID(name)
		pods := s.last.Replicas[id]
		if few, told := s.ready[id]; told {
			pods = min(pods, few)
		}
		seen.Versions[id] = rollout.Version{Version: name, Ready: pods, Evaluation: rollout.Evaluation{Outcome: rollout.EvaluationPassed, Attempt: 9}}
	}
	seen.Judgement.CandidateRequests = s.now.Unix() // more than any step waits for
	return rollout.Decide(s.state, policy, seen, s.now)
}

// goesOn lets time pass, in which the engine decides each second.
func (s *story) goesOn(d time.Duration) {
	for ends := s.now.Add(d); s.now.Before(ends); {
		s.now = s.now.Add(time.Second)
		s.last = s.decide(rollout.Action{})
		s.state = s.last.State
	}
}

// wants another version, and lets a minute and a half pass.
func (s *story) wants(version string) {
	s.model.Spec.Version = version
	s.goesOn(90 * time.Second)
}

// canary brings a version by a step of a minute to all of its traffic.
func (s *story) canary(version string) {
	s.versions[version].Spec.CanaryDeployment = suokev1.CanaryDeployment{Enabled: true}
}

// seen is what the statuses say.
func (s *story) seen() view.Seen {
	seen := view.Seen{Model: s.model}
	seen.Model.Status.StableVersion = string(s.state.Stable)
	if s.state.Release != nil {
		seen.Model.Status.CandidateVersion = s.state.Release.Version
	}
	if s.state.Watch != nil {
		seen.Model.Status.RollbackUntil = new(metav1.NewTime(s.state.Watch.Until))
	}
	for _, v := range s.versions {
		shown := v.DeepCopy()
		shown.Status.Weight = int32(s.state.Weights[rollout.ID(v.Spec.Version)])
		for _, h := range s.state.History {
			if h.Version == v.Spec.Version {
				shown.Status.Phase = suokev1.VersionPhase(h.To)
				shown.Status.PromotionHistory = append(shown.Status.PromotionHistory, suokev1.Transition{
					FromPhase: suokev1.VersionPhase(h.From), ToPhase: shown.Status.Phase, Timestamp: metav1.NewTime(h.At), Reason: h.Reason + ": " + h.Message,
				})
			}
		}
		seen.Versions = append(seen.Versions, *shown)
	}
	return seen
}

// TestWhatIsOfferedTheEngineDoes, and what it would ignore is not offered.
func TestWhatIsOfferedTheEngineDoes(t *testing.T) {
	const blueGreen, rolling = suokev1.StrategyBlueGreen, suokev1.StrategyRollingUpdate
	for sentence, c := range map[string]struct {
		strategy suokev1.Strategy
		tell     func(s *story)
		offered  []string
	}{
		"a first version serves":        {blueGreen, func(*story) {}, nil},
		"one was promoted a moment ago": {blueGreen, func(s *story) { s.wants("v2") }, []string{"abort"}},
		"its rollback window is over":   {blueGreen, func(s *story) { s.wants("v2"); s.goesOn(10 * time.Minute) }, nil},
		"its delay is changed when its rollback window is over": {blueGreen, func(s *story) {
			s.wants("v2")
			s.goesOn(10 * time.Minute)
			s.versions["v2"].Spec.BlueGreen.ScaleDownDelay.Duration = time.Hour
			s.goesOn(time.Minute)
		}, nil},
		"its delay is changed while it is open": {blueGreen, func(s *story) {
			s.wants("v2")
			s.versions["v2"].Spec.BlueGreen.ScaleDownDelay.Duration = time.Hour
			s.goesOn(10 * time.Minute)
		}, []string{"abort"}},
		"one that keeps no version before it": {blueGreen, func(s *story) { s.versions["v2"].Spec.BlueGreen = suokev1.BlueGreen{}; s.wants("v2") }, nil},
		"back at one that was warm":           {blueGreen, func(s *story) { s.wants("v2"); s.wants("v1") }, nil},
		"back and forth while both were warm": {blueGreen, func(s *story) { s.wants("v2"); s.wants("v1"); s.wants("v2") }, nil},
		"back at one that was let go":         {blueGreen, func(s *story) { s.wants("v2"); s.goesOn(10 * time.Minute); s.wants("v1") }, []string{"abort"}},
		"back after a rolling update":         {rolling, func(s *story) { s.wants("v2"); s.wants("v1") }, []string{"abort"}},
		"back and forth after a canary":       {rolling, func(s *story) { s.canary("v2"); s.wants("v2"); s.wants("v1"); s.wants("v2") }, nil},
		"back at one that was kept for a second": {blueGreen, func(s *story) {
			s.versions["v2"].Spec.BlueGreen.ScaleDownDelay.Duration = time.Second
			s.wants("v2")
			s.wants("v1")
		}, []string{"abort"}},
		"another was begun and left again": {blueGreen, func(s *story) {
			s.wants("v2")
			s.ready["v3"] = 0
			s.wants("v3")
			s.wants("v2")
		}, nil},
		"a canary is under way": {blueGreen, func(s *story) {
			s.canary("v2")
			s.model.Spec.Version = "v2"
			s.goesOn(30 * time.Second)
		}, []string{"promote", "abort"}},
		"a warm one is under way again": {blueGreen, func(s *story) {
			s.wants("v2")
			s.ready["v1"] = 3
			s.wants("v1")
		}, []string{"promote", "abort"}},
		"the traffic is going back": {rolling, func(s *story) {
			s.model.Spec.Version = "v2"
			s.ready["v2"] = 2
			s.goesOn(time.Minute)
			s.ready["v1"] = 3
			s.judgement = rollout.Judgement{Verdict: analysis.Fail, Reason: suokev1.ReasonErrorRate}
			s.goesOn(time.Minute)
		}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := serving(c.strategy)
			c.tell(s)
			var offered []string
			for _, choice := range view.Of(s.seen()).Explain("suoke rollout", s.now).Choices {
				for _, verb := range []string{"promote", "abort"} {
					if strings.Contains(choice.Command, " "+verb+" ") {
						offered = append(offered, verb)
					}
				}
			}
			if diff := cmp.Diff(c.offered, offered); diff != "" {
				t.Errorf("offered (-want +got):\n%s", diff)
			}
			for verb, kind := range map[string]rollout.ActionType{"promote": rollout.Promote, "abort": rollout.Abort} {
				wanted := s.model.Spec.Version
				asked := s.decide(rollout.Action{Type: kind, Version: wanted, Attempt: s.state.Attempts[wanted]})
				does := !cmp.Equal(s.decide(rollout.Action{}).State, asked.State)
				if does != slices.Contains(offered, verb) {
					t.Errorf("%s is offered: %v; it does something: %v", verb, !does, does)
				}
			}
		})
	}
}
