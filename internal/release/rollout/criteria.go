package rollout

import (
	"fmt"
	"math"
)

// mostRequests is the greatest number of requests that a criterion waits for.
const mostRequests = 3000

// leastRequests is how many requests a canary must answer in a step before "not Fail" says anything: as many failures in
// a row are enough for a Fail. The young rule asks at first for 20 nats and the ln 10 of its prior; against a quiet stable
// a failed answer is worth 1.2 nats where the candidate has half of the requests, and more where it has less, so 19 do it.
const leastRequests = 20

// answered is how many requests the candidate answered since the step began.
func (t *turn) answered() int64 {
	return t.seen.Judgement.CandidateRequests - t.State.Release.RequestsBefore
}

// unmet says what stands against a canary's promotion; its reason is empty if nothing does.
func (t *turn) unmet() Progress {
	r := t.State.Release
	switch {
	case r.UpSince.IsZero() && t.policy.MinUptime > 0:
		return Progress{Reason: ReasonAwaitingCriteria, Message: fmt.Sprintf("no Pod of %s is ready; minUptime begins anew when one is", r.Version)}
	case t.now.Before(r.UpSince.Add(t.policy.MinUptime)):
		return Progress{Reason: ReasonStepHolding, Message: fmt.Sprintf("%s holds %d %% of the traffic until %s (minUptime %s)",
			r.Version, t.State.Weights[r.Candidate], instant(r.UpSince.Add(t.policy.MinUptime)), t.policy.MinUptime)}
	case !t.policy.AutoPromotion:
		return Progress{Reason: ReasonAwaitingPromotion, Message: fmt.Sprintf(
			"%s holds %d %% of the traffic and has done its time; run `suoke rollout promote %s` to give it the rest",
			r.Version, t.State.Weights[r.Candidate], t.policy.Model)}
	}
	if p := t.unmetAccuracy(); p.Reason != "" {
		return p
	}
	return t.unmetErrorRate()
}

func (t *turn) unmetAccuracy() Progress {
	least, r := t.policy.MinAccuracy, t.State.Release
	if least == nil {
		return Progress{}
	}
	accuracy := t.evaluation().Accuracy
	switch {
	case accuracy == nil:
		return Progress{Reason: ReasonAwaitingCriteria, Message: fmt.Sprintf(
			"criteria.minAccuracy is %g, and no evaluation measured the accuracy of %s; remove the criterion or evaluate on a data set that measures it", *least, r.Version)}
	case *accuracy < *least:
		return Progress{Reason: ReasonAwaitingCriteria, Message: fmt.Sprintf("the accuracy of %s is %.4f, and criteria.minAccuracy is %g", r.Version, *accuracy, *least)}
	default:
		return Progress{}
	}
}

// unmetErrorRate asks for enough requests to say something: with 3/r requests and no failure, a failure rate above r can be
// excluded at 95 % (the rule of three, Hanley and Lippman-Hand, JAMA 249, 1983).
func (t *turn) unmetErrorRate() Progress {
	most, r := t.policy.MaxErrorRate, t.State.Release
	if most == nil {
		return Progress{}
	}
	requests, failures := t.seen.Judgement.CandidateRequests, t.seen.Judgement.CandidateFailures
	needed := int64(mostRequests)
	if *most > 3.0/mostRequests {
		needed = int64(math.Ceil(3 / *most))
	}
	switch {
	case requests < needed:
		return Progress{Reason: ReasonInsufficientTraffic, Message: fmt.Sprintf("criteria.maxErrorRate %g needs %d requests to %s, and fewer came so far", *most, needed, r.Version)}
	case float64(failures) > *most*float64(requests):
		return Progress{Reason: ReasonAwaitingCriteria, Message: fmt.Sprintf("more of the requests to %s failed than criteria.maxErrorRate %g allows", r.Version, *most)}
	default:
		return Progress{}
	}
}
