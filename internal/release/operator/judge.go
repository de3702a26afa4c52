package operator

import (
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
	// Candidate, Attempt and Version of the release that is, or was last, judged, and the version that it is compared with.
	ID            rollout.ID `json:"id,omitempty"`
	Attempt       int        `json:"attempt,omitempty"`
	Version       string     `json:"version,omitempty"`
	StableVersion string     `json:"stableVersion,omitempty"`
	// Digests of the two models.
	StableDigest    string `json:"stableDigest,omitempty"`
	CandidateDigest string `json:"candidateDigest,omitempty"`
	// Since is when the candidate first had weight; Last is the last second that was judged; SavedAt when this was stored.
	// UpSince is since when it has had weight and a ready Pod without interruption, zero while it has not.
	Since   time.Time `json:"since,omitzero"`
	UpSince time.Time `json:"upSince,omitzero"`
	Last    int64     `json:"last,omitempty"`
	SavedAt time.Time `json:"savedAt,omitzero"`
	// SlowAfter is what an answer may take, and StepAt the start of the step that it was fixed for.
	SlowAfter time.Duration `json:"slowAfter,omitempty"`
	StepAt    time.Time     `json:"stepAt,omitzero"`
	// Stable and Candidate count since the first weight; FirstFailure is the Unix second of the candidate's first failure.
	Stable       analysis.Counts `json:"stable"`
	Candidate    analysis.Counts `json:"candidate"`
	FirstFailure int64           `json:"firstFailure,omitempty"`
	// Accuracy in the evaluation.
	Accuracy *float64 `json:"accuracy,omitempty"`
	// Statistic is what the verdict follows from. It is Base with Recent added: the last seconds as they were judged.
	Statistic analysis.Statistic `json:"statistic"`
	Base      analysis.Statistic `json:"base"`
	Recent    []recent           `json:"recent,omitempty"`
}

// subject is what is judged: a candidate on its way, or one that was promoted and is still watched.
type subject struct {
	id, stable     rollout.ID
	version        string
	attempt        int
	since, upSince time.Time
	stepAt         time.Time
	// watched says that it was promoted, alone that a step has given it all of the traffic before that.
	watched, alone bool
}

// subjectOf is what the state has to be judged, if there is anything to compare it with.
func subjectOf(state rollout.State) (subject, bool) {
	if r := state.Release; r != nil {
		return subject{
			id: r.Candidate, stable: state.Stable, version: r.Version, attempt: r.Attempt,
			since: r.FirstWeightAt, upSince: r.UpSince, stepAt: r.StepStartedAt,
			alone: r.Returning == nil && !r.FirstWeightAt.IsZero() && state.Weights[state.Stable] == 0,
		}, state.Stable != "" && r.Candidate != state.Stable
	}
	if w := state.Watch; w != nil {
		return subject{
			id: w.Candidate, stable: w.Previous, version: w.Version, attempt: w.Attempt,
			since: w.FirstWeightAt, upSince: w.UpSince, stepAt: w.Since, watched: true,
		}, w.Previous != ""
	}
	return subject{}, false
}

// serves says whether the subject has, or had, traffic to be judged by.
func (s subject) serves() bool { return s.watched || !s.since.IsZero() }

// lostTraffic says that what the subject is compared with had no traffic any more in a second.
func (s subject) lostTraffic(unix int64) bool { return s.hasAll() && unix >= s.stepAt.Unix() }

// hasAll says that the subject has all of the traffic now.
func (s subject) hasAll() bool { return s.watched || s.alone }

func (j judge) of(s subject) bool { return j.ID == s.id && j.Attempt == s.attempt }

// judged takes the judgement of a model's release as far as the routers have reported. Of what this process judged and
// what is stored, the one that is further counts; what lies between is still known to the routers.
func (m *models) judged(seen *observed) judge {
	s, judging := subjectOf(seen.memory.state)
	j := seen.memory.judge
	if !judging {
		return j
	}
	stored := j.of(s)
	if mine, found := m.judgeOf(seen.model.Name); found && mine.of(s) && (!stored || mine.Last >= j.Last) {
		mine.SavedAt = j.SavedAt
		j = mine.judge
	} else if !stored {
		// Its beginning is not known: what was known of stable then is lost.
		j = seen.judgeOf(s, analysis.Statistic{Config: seen.config, Last: max(0, s.since.Unix()-1)})
	}
	m.countingClock().known(j.Last)
	j.Since, j.UpSince = s.since, s.upSince
	j.Accuracy = seen.evaluations[s.id].engine().Accuracy
	if !s.serves() {
		j.Statistic.Config = seen.config // fixed with the first weight
		j.settle()
	}
	m.freeze(&j, s, seen)
	m.hear(&j, s, seen)
	m.judges.Store(seen.model.Name, underJudgement{j, s})
	return j
}

// begun is the judgement of what the engine has just begun. Stable's past is that of the seconds before.
func (m *models) begun(seen *observed, state rollout.State) judge {
	s, judging := subjectOf(state)
	if !judging || seen.judge.of(s) {
		return seen.judge
	}
	statistic := m.histories.statistic(seen.model.Name)
	statistic.Config = seen.config
	j := seen.judgeOf(s, statistic)
	m.judges.Store(seen.model.Name, underJudgement{j, s})
	return j
}

// underJudgement is a judgement as far as this process has taken it, and what it is of.
type underJudgement struct {
	judge
	subject subject
}

// judgeOf is the judgement of a model as far as this process has taken it.
func (o *Operator) judgeOf(model string) (underJudgement, bool) {
	stored, _ := o.judges.Load(model)
	j, found := stored.(underJudgement)
	return j, found
}

// turns says whether the verdict on a model changes with what the routers have completed since it was judged last. It
// judges nothing: that is done when the model is looked at.
func (o *Operator) turns(model string) bool {
	j, found := o.judgeOf(model)
	if !found || !j.subject.serves() {
		return false
	}
	before := j.Statistic.Verdict()
	for _, heard := range o.routers.next(model, j.Last) {
		second := j.compare(heard, j.subject.stable)
		if len(second.Pods) == 0 {
			continue
		}
		if j.subject.lostTraffic(heard.unix) {
			j.Statistic = j.Statistic.Historical()
		}
		if j.Statistic = j.Statistic.Add(second); j.Statistic.Verdict() != before {
			return true
		}
	}
	return false
}

func (seen *observed) judgeOf(s subject, statistic analysis.Statistic) judge {
	j := judge{
		ID: s.id, Attempt: s.attempt, Version: s.version, StableVersion: seen.versionName(s.stable),
		StableDigest: seen.known[s.stable].Version.Digest, CandidateDigest: seen.known[s.id].Version.Digest,
		Since: s.since, UpSince: s.upSince, Last: statistic.Last, Statistic: statistic,
	}
	j.settle()
	return j
}

// freeze fixes what is slow: at the start of each step, by what stable took before, as soon as there is enough to tell.
// What has all of the traffic is held against what was fixed before.
func (m *models) freeze(j *judge, s subject, seen *observed) {
	if j.SlowAfter > 0 && (s.hasAll() || s.stepAt.Equal(j.StepAt)) {
		return
	}
	if slow := m.histories.slowAfter(seen.model.Name, howOf(describes(seen.versions, seen.model.Name, s.version)).Analysis); slow > 0 {
		j.SlowAfter, j.StepAt = slow, s.stepAt
	}
}

// hear judges the seconds that the routers have completed since the last.
func (m *models) hear(j *judge, s subject, seen *observed) {
	recording := m.recordings.of(seen.model, j, s)
	seconds, complete := m.routers.since(seen.model.Name, j.Last)
	for _, heard := range seconds {
		second := j.compare(heard, s.stable)
		if len(second.Pods) == 0 {
			continue
		}
		historical := s.lostTraffic(heard.unix)
		if historical {
			j.lookBack()
		}
		if s.serves() {
			recording.add(second, historical)
			j.count(second)
		}
		j.add(second, heard)
	}
	if !s.serves() {
		recording.restart(j.Statistic)
	}
	j.Last = max(j.Last, complete)
}

// lookBack compares with what stable did before, from when it has no traffic any more.
func (j *judge) lookBack() {
	if j.Statistic.Failures.Before == nil && j.Statistic.Failed == "" {
		j.Statistic = j.Statistic.Historical()
		j.settle()
	}
}

// compare is a second as it is judged: the Pods of the two versions that have something to say.
func (j *judge) compare(heard heardSecond, stable rollout.ID) analysis.Second {
	second := analysis.Second{Unix: heard.unix}
	for _, pod := range heard.pods {
		if pod.id != stable && pod.id != j.ID {
			continue
		}
		counts := pod.judged(j.SlowAfter)
		if pod.id == stable {
			counts.Mirrored, counts.Disagreed = 0, 0
		}
		if counts != (analysis.Counts{}) {
			second.Pods = append(second.Pods, analysis.PodSecond{Pod: pod.pod, Candidate: pod.id == j.ID, Counts: counts})
		}
	}
	return second
}

// judged are a Pod's counts as they are judged.
func (c counted) judged(slowAfter time.Duration) analysis.Counts {
	return analysis.Counts{
		Requests: c.requests, Failures: c.failures, Slow: min(c.requests, c.times.slower(slowAfter)),
		Mirrored: c.mirrored, Disagreed: min(c.mirrored, c.disagreed),
	}
}

// count adds up what people are told of a second.
func (j *judge) count(second analysis.Second) {
	candidate := total(second.Pods, true)
	j.Stable, j.Candidate = j.Stable.Plus(total(second.Pods, false)), j.Candidate.Plus(candidate)
	if candidate.Failures > 0 && j.FirstFailure == 0 {
		j.FirstFailure = second.Unix
	}
}

// metrics are what was measured of the candidate.
func (j judge) metrics() *suokev1.VersionMetrics {
	out := &suokev1.VersionMetrics{Accuracy: j.Accuracy}
	requests, latency := int64(0), int64(0)
	for _, r := range j.Recent {
		if r.Unix > j.Last-minute {
			requests += r.Ended
			latency += r.LatencySum
		}
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

// judgement is what the engine needs of it: nothing, unless it is the one of what has traffic now.
func (j judge) judgement(state rollout.State) rollout.Judgement {
	s, judging := subjectOf(state)
	if !judging || !s.serves() || !j.of(s) {
		return rollout.Judgement{}
	}
	shows := j.Statistic.Judgement()
	return rollout.Judgement{
		Verdict: shows.Verdict, Reason: shows.Reason, Message: shows.Message,
		CandidateRequests: j.Candidate.Requests, CandidateFailures: j.Candidate.Failures,
	}
}
