package demo

import (
	"fmt"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
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
			return Row{What: what, Value: fmt.Sprintf("%.0f s", transition.Timestamp.Sub(asked).Seconds()), Good: true}
		}
	}
	return Row{What: what, Value: "did not happen"}
}

// accuracyRow is the evaluation's outcome with its interval.
func accuracyRow(model *suokev1.AIModel) Row {
	results := model.Status.ValidationResults
	if results == nil || results.Metrics.Accuracy == nil {
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
		return Row{What: "answers of " + version + " to clients", Value: fmt.Sprint(n), Good: n == 0}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
