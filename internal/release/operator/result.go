package operator

import (
	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

// gated holds a result against the thresholds as they are now.
func gated(r *record, gate suokev1.Validation) evaluation {
	passed, message := evaluate.Gate(*r.Result, evaluate.Metrics(gate.Metrics))
	e := evaluation{outcome: rollout.EvaluationFailed, message: message, record: r}
	if passed {
		e.outcome = rollout.EvaluationPassed
	}
	return e
}

// quality is the one number that tells how good a version is: accuracy, or r2 of a regression without bands.
func (e evaluation) quality() *float64 {
	if e.record == nil || e.record.Result == nil {
		return nil
	}
	if m := e.record.Result.Metrics; m.Accuracy == nil {
		return m.R2
	}
	return e.record.Result.Metrics.Accuracy
}

// project is the result as an AIModel's status shows it; nil if there is none.
func (e evaluation) project(version string) *suokev1.ValidationResults {
	if e.record == nil || e.record.Result == nil {
		return nil
	}
	r := e.record.Result
	at := whole(e.record.At)
	out := &suokev1.ValidationResults{
		Passed: e.outcome == rollout.EvaluationPassed, Metrics: suokev1.Measurements(r.Metrics), Timestamp: &at, Version: version,
		Rows:        int32(min(r.Rows, 1<<30)),  //nolint:gosec // bounded here
		Texts:       int32(min(r.Texts, 1<<30)), //nolint:gosec // bounded here
		ModelDigest: r.ModelDigest, DatasetDigest: r.DatasetDigest, Runtime: r.Runtime,
	}
	if len(r.Intervals) > 0 {
		out.Intervals = map[string]suokev1.Interval{}
		for name, i := range r.Intervals {
			out.Intervals[name] = suokev1.Interval(i)
		}
	}
	if r.Comparison != nil {
		out.Comparison = new(suokev1.Comparison(*r.Comparison))
	}
	return out
}
