package demo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/traffic/load"
)

// everyday is 100 requests per second over the four agents, as their share of the work goes.
func everyday() map[string]float64 {
	return map[string]float64{"xiaoai": 88, "xiaoke": 6, "laoke": 3, "soer": 3}
}

// clientRows say what clients saw. None of their requests may fail.
func clientRows(seen Seen) []Row {
	rows := []Row{{
		What: "client requests, failed", Value: fmt.Sprintf("%d, %d", seen.Sent(), seen.Failed()),
		Good: seen.Failed() == 0 && seen.Sent() > 0,
	}}
	for _, failure := range seen.Failures() {
		rows = append(rows, Row{What: "a failure", Value: failure})
	}
	return rows
}

// phaseRow is the time from the asking to the version's change into the phase.
func phaseRow(what string, version *suokev1.ModelVersion, phase suokev1.VersionPhase, asked time.Time) Row {
	for _, transition := range version.Status.PromotionHistory {
		if transition.ToPhase == phase && !transition.Timestamp.Time.Before(asked.Truncate(time.Second)) {
			return Row{What: what, Value: fmt.Sprintf("%.0f s", max(0, transition.Timestamp.Sub(asked)).Seconds()), Good: true}
		}
	}
	return Row{What: what, Value: "did not happen"}
}

// reasonRow says why a version was returned; the promise is that it was for this reason.
func reasonRow(version *suokev1.ModelVersion, reason string) Row {
	history := version.Status.PromotionHistory
	if len(history) == 0 {
		return Row{What: "why", Value: "not told"}
	}
	told := history[len(history)-1].Reason
	return Row{What: "why", Value: told, Good: strings.HasPrefix(told, reason)}
}

// stableRow is the version that all of the traffic goes to, which is the better one from its release on.
func stableRow(model *suokev1.AIModel) Row {
	stable := model.Status.StableVersion
	return Row{What: "version that has all of the traffic", Value: stable, Good: stable == betterVersion}
}

// detectionRow is the time from the second of the candidate's first failed answer until clients got its last answer: then
// all of the traffic was back on stable.
func detectionRow(first time.Time, candidate load.Answers) Row {
	row := Row{What: "first failed answer → all of the traffic back"}
	if candidate.Count == 0 || first.IsZero() {
		row.Value = "no client got an answer of the candidate, or it never failed"
		return row
	}
	took := max(0, candidate.Last.Sub(first))
	row.Value = fmt.Sprintf("%.1f s (bound %.0f s)", took.Seconds(), longestDetection.Seconds())
	row.Good = took <= longestDetection
	return row
}

// accuracyRow is the evaluation's outcome with its interval.
func accuracyRow(model *suokev1.AIModel) Row {
	results := model.Status.ValidationResults
	if results == nil || results.Metrics.Accuracy == nil || results.Version != model.Spec.Version {
		return Row{What: "evaluation", Value: "no result"}
	}
	value := fmt.Sprintf("accuracy %.3f on %d rows", *results.Metrics.Accuracy, results.Rows)
	if interval, ok := results.Intervals["accuracy"]; ok {
		value += fmt.Sprintf(" (95 %% interval %.3f–%.3f)", interval.Low, interval.High)
	}
	if c := results.Comparison; c != nil {
		value += fmt.Sprintf("; beside %s: %d rows right that it gets wrong, %d the other way, p = %.2g", c.Version, c.CandidateOnly, c.StableOnly, c.PValue)
	}
	return Row{What: "evaluation", Value: value, Good: true}
}

// unserved is good if no client got an answer of the version.
func unserved(version string) func(Seen) Row {
	return func(seen Seen) Row {
		n := seen[busyAgent].Versions[version].Count
		return Row{What: "answers of " + version + " to clients", Value: strconv.FormatInt(n, 10), Good: n == 0}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
