package operator

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// minute is the window of latency and throughput, in seconds.
const minute = 60

// judge is the judgement of one release: the sufficient statistic, and what people are shown of it. It is stored with
// the route, so that a new operator goes on where the last one stood.
type judge struct {
	// Candidate, Attempt and Version of the release that is, or was last, judged.
	ID      rollout.ID `json:"id,omitempty"`
	Attempt int        `json:"attempt,omitempty"`
	Version string     `json:"version,omitempty"`
	// Since is when the candidate first had weight; Last is the last second that was judged; SavedAt when this was stored.
	// UpSince is since when it has had weight and a ready Pod without interruption, zero while it has not.
	Since   time.Time `json:"since,omitzero"`
	UpSince time.Time `json:"upSince,omitzero"`
	Last    int64     `json:"last,omitempty"`
	SavedAt time.Time `json:"savedAt,omitzero"`
	// Stable and Candidate count since then; FirstFailure is the Unix second of the candidate's first failure.
	Stable       analysis.Counts `json:"stable"`
	Candidate    analysis.Counts `json:"candidate"`
	FirstFailure int64           `json:"firstFailure,omitempty"`
	// Recent are the candidate's last seconds, for its latency and throughput.
	Recent []recent `json:"recent,omitempty"`
	// Accuracy in the evaluation.
	Accuracy *float64 `json:"accuracy,omitempty"`
	// Statistic is what the verdict follows from.
	Statistic analysis.Statistic `json:"statistic"`
}

// recent is one second of a version.
type recent struct {
	Unix       int64 `json:"t"`
	Requests   int64 `json:"n"`
	LatencySum int64 `json:"us"`
}

// judged takes the judgement of a model's release as far as the routers have reported. Of what this process judged and
// what is stored, the one that is further counts; what lies between is still known to the routers.
func (m *models) judged(seen *observed) judge {
	release := seen.memory.state.Release
	j := seen.memory.judge
	if release == nil || release.FirstWeightAt.IsZero() {
		return j
	}
	if j.ID != release.Candidate || j.Attempt != release.Attempt {
		j = judge{
			ID: release.Candidate, Attempt: release.Attempt, Version: release.Version, Since: release.FirstWeightAt,
			Last: release.FirstWeightAt.Unix() - 1,
		}
	}
	if mine, found := m.judges.Load(seen.model.Name); found {
		if mine, ok := mine.(judge); ok && mine.ID == j.ID && mine.Attempt == j.Attempt && mine.Last >= j.Last {
			mine.SavedAt = j.SavedAt
			j = mine
		}
	}
	j.UpSince = release.UpSince
	j.Accuracy = seen.evaluations[release.Candidate].engine().Accuracy
	seconds, complete := m.routers.since(seen.model.Name, j.Last)
	j.Statistic = j.Statistic.Add(j.hear(seconds, complete, seen.memory.state.Stable)...)
	m.judges.Store(seen.model.Name, j)
	return j
}

// hear counts seconds in their order and returns them as they are judged.
func (j *judge) hear(seconds map[int64]second, complete int64, stable rollout.ID) []analysis.Second {
	var all []analysis.Second
	fresh := slices.Clone(j.Recent) // what this process keeps shares nothing with what was read
	for _, unix := range slices.Sorted(maps.Keys(seconds)) {
		s, c := seconds[unix][stable], seconds[unix][j.ID]
		heard := analysis.Second{
			Unix:      unix,
			Stable:    analysis.Counts{Requests: s.requests, Failures: s.failures, Slow: s.slow},
			Candidate: analysis.Counts{Requests: c.requests, Failures: c.failures, Slow: c.slow},
		}
		j.Stable, j.Candidate = sum(j.Stable, heard.Stable), sum(j.Candidate, heard.Candidate)
		if j.FirstFailure == 0 && c.failures > 0 {
			j.FirstFailure = unix
		}
		if c.requests > 0 {
			fresh = append(fresh, recent{Unix: unix, Requests: c.requests, LatencySum: c.latencySum})
		}
		all = append(all, heard)
	}
	j.Last = max(j.Last, complete)
	j.Recent = slices.DeleteFunc(fresh, func(r recent) bool { return r.Unix <= j.Last-minute })
	return all
}

func sum(a, b analysis.Counts) analysis.Counts {
	return analysis.Counts{Requests: a.Requests + b.Requests, Failures: a.Failures + b.Failures, Slow: a.Slow + b.Slow}
}

// metrics are what was measured of the candidate.
func (j judge) metrics() *suokev1.VersionMetrics {
	out := &suokev1.VersionMetrics{Accuracy: j.Accuracy}
	requests, latency := int64(0), int64(0)
	for _, r := range j.Recent {
		requests += r.Requests
		latency += r.LatencySum
	}
	if requests > 0 {
		out.Latency = new(float64(latency) / float64(requests) / 1000) // microseconds to milliseconds
		window := min(minute, max(1, j.Last-j.Since.Unix()))
		out.Throughput = new(float64(requests) / float64(window))
	}
	if j.Candidate.Requests > 0 {
		out.ErrorRate = new(float64(j.Candidate.Failures) / float64(j.Candidate.Requests))
	}
	if !j.UpSince.IsZero() && j.SavedAt.After(j.UpSince) {
		out.Uptime = &metav1.Duration{Duration: j.SavedAt.Sub(j.UpSince).Truncate(time.Second)}
	}
	return out
}

// judgement is what the engine needs of it: nothing, unless it is the one of the release under way.
func (j judge) judgement(release *rollout.Release) rollout.Judgement {
	if release == nil || release.FirstWeightAt.IsZero() {
		return rollout.Judgement{}
	}
	shows := j.Statistic.Judgement()
	return rollout.Judgement{
		Verdict: shows.Verdict, Reason: shows.Reason, Message: shows.Message,
		CandidateRequests: j.Candidate.Requests, CandidateFailures: j.Candidate.Failures,
	}
}

// evidence is what people are shown of it.
func (j judge) evidence() *suokev1.Evidence {
	shows := j.Statistic.Judgement()
	e := &suokev1.Evidence{
		Verdict: string(shows.Verdict), Message: shows.Message, Rule: shows.Rule, FalseRollbackRate: shows.FalseRollbackRate,
		Score: shows.Score, Threshold: shows.Threshold,
		StableRequests: j.Stable.Requests, StableFailures: j.Stable.Failures,
		CandidateRequests: j.Candidate.Requests, CandidateFailures: j.Candidate.Failures,
	}
	if j.FirstFailure > 0 {
		e.FirstFailure = new(metav1.Unix(j.FirstFailure, 0))
	}
	return e
}
