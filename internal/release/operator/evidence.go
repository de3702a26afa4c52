package operator

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
)

// shownSeconds stand in the evidence.
const shownSeconds = 120

// recent is one second as it was judged: all of stable, and of the candidate what its Pods' warm-up leaves.
type recent struct {
	Unix      int64 `json:"t"`
	Stable    tally `json:"s,omitempty"`
	Candidate tally `json:"c,omitempty"`
	// Ended are all of the candidate's answers, warm-up and what sessions said again included; LatencySum is in microseconds.
	Ended      int64 `json:"n,omitempty"`
	LatencySum int64 `json:"us,omitempty"`
}

// tally is analysis.Counts in a few bytes: requests, failures, slow, mirrored and disagreed, up to the last that is not 0.
type tally []int64

func tallyOf(c analysis.Counts) tally {
	all := [...]int64{c.Requests, c.Failures, c.Slow, c.Mirrored, c.Disagreed}
	n := len(all)
	for n > 0 && all[n-1] == 0 {
		n--
	}
	t := make(tally, n)
	copy(t, all[:])
	return t
}

func (t tally) counts() analysis.Counts {
	var all [5]int64
	copy(all[:], t)
	return analysis.Counts{Requests: all[0], Failures: all[1], Slow: all[2], Mirrored: all[3], Disagreed: all[4]}
}

// second is one for a statistic without a warm-up.
func (r recent) second() analysis.Second {
	return analysis.Second{Unix: r.Unix, Pods: []analysis.PodSecond{
		{Pod: "stable", Counts: r.Stable.counts()}, {Pod: "candidate", Candidate: true, Counts: r.Candidate.counts()},
	}}
}

// settle begins the seconds of the evidence anew.
func (j *judge) settle() {
	j.Base = j.Statistic
	// What a warm-up leaves out is not among the seconds, and is not to be left out of them again.
	j.Base.Config.Limits.WarmUp, j.Base.Started = 0, nil
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
	r := recent{Unix: second.Unix, Stable: tallyOf(total(second.Pods, false)), Candidate: tallyOf(heardOf(before, j.Statistic))}
	for _, pod := range heard.pods {
		if pod.id == j.ID {
			r.Ended += pod.ended
			r.LatencySum += pod.latencySum
		}
	}
	j.Recent = append(j.Recent, r)
	for len(j.Recent) > 0 && j.Recent[0].Unix <= second.Unix-shownSeconds {
		if j.Recent[0].Unix > j.Base.Last {
			j.Base = j.Base.Add(j.Recent[0].second())
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
	return analysis.Counts{
		Requests: failures.Requests - before.Failures.Candidate.Requests, Failures: failures.Bad - before.Failures.Candidate.Bad,
		Slow: slow.Bad - before.Slow.Candidate.Bad, Mirrored: disagreed.Requests - before.Disagreement.Candidate.Requests,
		Disagreed: disagreed.Bad - before.Disagreement.Candidate.Bad,
	}
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
