package operator

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	recordfile "github.com/suoke-life/suoke/internal/release/record"
)

// shownSeconds stand in the evidence.
const shownSeconds = 120

// recent is one second as it was judged: all of stable, and of the candidate what its Pods' warm-up leaves.
type recent struct {
	Unix      int64   `json:"t"`
	Stable    []int64 `json:"s,omitempty"`
	Candidate []int64 `json:"c,omitempty"`
	// Ended are all of the candidate's answers, warm-up and what sessions said again included; LatencySum is in microseconds.
	Ended      int64 `json:"n,omitempty"`
	LatencySum int64 `json:"us,omitempty"`
}

// settle begins the seconds of the evidence anew.
func (j *judge) settle() {
	j.Base = j.Statistic
	// What a warm-up leaves out is not among the seconds, and is not to be left out of them again.
	j.Base.Config.Limits.Failures.WarmUp, j.Base.Config.Limits.Slow.WarmUp, j.Base.Started = 0, 0, nil
}

// add takes a second into the judgement and into its evidence, which ends with the second of a Fail.
func (j *judge) add(second analysis.Second, heard heardSecond) {
	before := j.Statistic
	j.Statistic = before.Add(second)
	if before.Failed != "" || second.Unix <= before.Last {
		return
	}
	if j.Statistic.Collapsed() { // for what is not among the seconds
		j.settle()
	}
	r := recent{Unix: second.Unix, Stable: recordfile.Shown(total(second.Pods, false)), Candidate: recordfile.Shown(heardOf(before, j.Statistic))}
	for _, pod := range heard.pods {
		if pod.id == j.ID {
			r.Ended += pod.ended
			r.LatencySum += pod.latencySum
		}
	}
	j.Recent = append(j.Recent, r)
	for len(j.Recent) > 0 && j.Recent[0].Unix <= second.Unix-shownSeconds {
		if j.Recent[0].Unix > j.Base.Last {
			j.Base = j.Base.Add(recordfile.ShownSecond(j.Recent[0].Unix, j.Recent[0].Stable, j.Recent[0].Candidate))
		}
		j.Recent = j.Recent[1:]
	}
}

func total(pods []analysis.PodSecond, candidate bool) analysis.Counts {
	var all analysis.Counts
	for _, pod := range pods {
		if pod.Candidate == candidate {
			all = all.Plus(pod.Counts)
		}
	}
	return all
}

// heardOf is what a second counted of the candidate.
func heardOf(before, after analysis.Statistic) analysis.Counts {
	failures, slow, disagreed := after.Failures.Candidate, after.Slow.Candidate, after.Disagreement.Candidate
	c := analysis.Counts{
		Requests: failures.Requests - before.Failures.Candidate.Requests, Failures: failures.Bad - before.Failures.Candidate.Bad,
		Slow: slow.Bad - before.Slow.Candidate.Bad, Mirrored: disagreed.Requests - before.Disagreement.Candidate.Requests,
		Disagreed: disagreed.Bad - before.Disagreement.Candidate.Bad,
	}
	if after.Config.Slow {
		c.Untimed = c.Requests - (slow.Requests - before.Slow.Candidate.Requests)
	}
	return c
}

// evidence is what people are shown of it: with the last seconds added to the statistic, anyone gets the same verdict.
func (j judge) evidence() *suokev1.Evidence {
	shows := j.Statistic.Judgement()
	e := &suokev1.Evidence{
		Verdict: string(shows.Verdict), Reason: shows.Reason, Message: shows.Message, Rule: shows.Rule,
		FalseRollbackRate: shows.FalseRollbackRate, Score: shows.Score, Threshold: shows.Threshold,
		NoWorse: shows.NoWorse, NoWorseThreshold: shows.NoWorseThreshold,
		StableRequests: j.Stable.Requests, StableFailures: j.Stable.Failures,
		CandidateRequests: j.Candidate.Requests, CandidateFailures: j.Candidate.Failures,
		Mirrored: j.Candidate.Mirrored, Disagreed: j.Candidate.Disagreed,
		Attempt:       int32(j.Attempt), //nolint:gosec // counts releases
		StableVersion: j.StableVersion, StableDigest: j.StableDigest, CandidateDigest: j.CandidateDigest,
	}
	if j.SlowAfter > 0 {
		e.SlowAfter = &metav1.Duration{Duration: j.SlowAfter}
	}
	if j.FirstFailure > 0 {
		e.FirstFailure = new(metav1.Unix(j.FirstFailure, 0))
	}
	for _, k := range shows.Kinds {
		e.Kinds = append(e.Kinds, suokev1.KindEvidence(k))
	}
	if text, err := json.Marshal(j.Base); err == nil { // a statistic is numbers only
		e.Statistic = &runtime.RawExtension{Raw: text}
	}
	for _, r := range j.Recent {
		if r.Unix > j.Base.Last {
			e.Seconds = append(e.Seconds, suokev1.EvidenceSecond{Second: r.Unix, Stable: r.Stable, Candidate: r.Candidate})
		}
	}
	return e
}
