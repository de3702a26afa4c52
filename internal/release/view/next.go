package view

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// next says what happens if nobody does anything.
func (r Release) next(command string, now time.Time) string {
	switch {
	case r.Candidate == "" && r.Paused:
		return fmt.Sprintf("%s The model is paused: `%s resume %s` lets a release begin.", r.nextAtRest(now), command, r.Model)
	case r.Candidate == "":
		return r.nextAtRest(now)
	case r.returning():
		return "The rest of its traffic goes back to " + r.Stable + " as that has Pods for it."
	case r.Reason == suokev1.ReasonRollbackDisabled:
		return "Nothing: " + r.Candidate + " keeps its weight until a person aborts or promotes it."
	case r.Paused:
		return "Nothing, until the pause ends. " + r.Candidate + " is still judged, and returned if it is worse."
	case r.Reason == suokev1.ReasonAwaitingPromotion:
		return "Nothing: a person promotes or aborts it. It is still judged, and returned if it is worse."
	case r.find(r.Candidate).Weight == 0:
		return r.nextBeforeWeight()
	default:
		return r.nextWeight(now)
	}
}

func (r Release) nextAtRest(now time.Time) string {
	switch {
	case r.Stopped:
		return "Nothing begins until that is put right in the AIModel, or found."
	case r.Paused && r.Wanted != r.Stable && !r.Refused:
		return "Nothing, until the pause ends; then the release of " + r.Wanted + " begins."
	case r.Refused && r.Stable != "":
		return fmt.Sprintf("Nothing: %s is not tried again until a person asks, or the AIModel changes. %s goes on serving.", r.Wanted, r.Stable)
	case r.Refused:
		return fmt.Sprintf("Nothing: %s is not tried again until a person asks, or the AIModel changes.", r.Wanted)
	case r.Wanted != r.Stable:
		return "The release of " + r.Wanted + " begins once its artifact is found."
	case !r.WindowEnds(now).IsZero():
		return fmt.Sprintf("%s is still judged until then, against what %s did, and returned if it is worse.", r.Stable, r.before())
	case r.Paused:
		return "Nothing: what is wanted serves."
	default:
		return "Nothing: what is wanted serves. Write another spec.version into the AIModel to release it."
	}
}

func (r Release) nextBeforeWeight() string {
	gate := "Once a Pod of it is ready it is evaluated at weight 0. "
	if enabled := r.seen.Model.Spec.Validation.Enabled; enabled != nil && !*enabled {
		gate = "It is not evaluated, as validation.enabled is false. "
	}
	if r.Reason == suokev1.ReasonEvaluating {
		gate = "Its evaluation ends in its own time; if it fails it is refused. "
	}
	return gate + "Then it gets " + r.firstWeight() + ". If its Pods do not come up in time it is refused (ProgressDeadline)."
}

func (r Release) firstWeight() string {
	if r.Stable != "" {
		switch r.strategy(r.Candidate) {
		case suokev1.StrategyCanary:
			first := r.canarySteps(r.Candidate)[0]
			return fmt.Sprintf("%d %% of the traffic for %s", first.Weight, full(first.Duration.Duration))
		case suokev1.StrategyRollingUpdate:
			if replicas := r.size(); replicas > 1 {
				return "the share of one Pod of " + strconv.Itoa(replicas)
			}
		case suokev1.StrategyBlueGreen:
		}
	}
	return "all of the traffic in one write"
}

// nextWeight is what a candidate that has traffic gets after it.
func (r Release) nextWeight(now time.Time) string {
	v := r.find(r.Candidate)
	if r.strategy(v.Version) != suokev1.StrategyCanary {
		return "It gets the next Pod's share as its Pods are ready, up to all of the traffic, and everything goes back to " + r.Stable + " if it is worse."
	}
	back := ". Everything goes back to " + r.Stable + " in one write if it is worse."
	after := "After this step it gets "
	if ends := instant(r.Message); r.Reason == suokev1.ReasonStepHolding && ends.After(now) {
		after = fmt.Sprintf("At %s (%s) it gets ", ends.Format(time.TimeOnly), when(ends, now))
	}
	steps := r.canarySteps(v.Version)
	for i := max(v.Step, 1); i < len(steps); i++ {
		if steps[i].Weight > v.Weight {
			return after + fmt.Sprintf("%d %% for %s", steps[i].Weight, full(steps[i].Duration.Duration)) + back
		}
	}
	if waits := r.promotes(v.Version); waits != "" {
		return after + "all of the traffic, once " + waits + back
	}
	return after + "all of the traffic" + back
}

// returning says that the candidate's release has ended badly and stable does not have all of the traffic yet. It can be
// neither promoted nor aborted any more.
func (r Release) returning() bool {
	return r.Candidate != "" && r.find(r.Candidate).Phase == suokev1.VersionRollback
}

// choices are what a person can do now.
func (r Release) choices(command string, now time.Time) []Choice {
	var all []Choice
	add := func(verb, effect string, args ...any) {
		all = append(all, Choice{Command: strings.Join([]string{command, verb, r.Model}, " "), Effect: fmt.Sprintf(effect, args...)})
	}
	switch {
	case r.Candidate != "" && !r.returning():
		add("promote", "gives %s all of the traffic as soon as it is evaluated and its Pods are ready", r.Candidate)
		if r.Stable == "" {
			add("abort", "ends the release")
		} else {
			add("abort", "returns all of the traffic to %s", r.Stable)
		}
	case r.Wanted != r.Stable:
		if r.Refused {
			add("retry", "releases %s once more", r.Wanted)
		}
		if r.Stable != "" {
			add("undo", "wants %s again", r.Stable)
		}
	default:
		if !r.WindowEnds(now).IsZero() {
			add("abort", "takes %s back: %s gets all of the traffic, and %s is not tried again", r.Stable, r.before(), r.Stable)
		}
		if previous := r.Previous(); previous != "" {
			add("undo", "wants %s again", previous)
		}
	}
	switch {
	case r.Paused:
		add("resume", "ends the pause")
	case r.Candidate != "" && !r.returning():
		add("pause", "holds the release where it is; what serves is still judged")
	default:
		add("pause", "begins no release until resumed")
	}
	add("history", "shows what became of each version")
	return all
}
