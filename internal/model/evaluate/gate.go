package evaluate

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// significance is the p-value of the paired comparison below which a version counts as worse than stable.
const significance = 0.05

// Gate says whether a result holds against limits and stable, and why, in a sentence. The point estimate is held against
// the limit. A version that holds every limit is still refused where stable did better on the same rows by more than
// chance.
func Gate(r Result, limits Metrics) (passed bool, message string) {
	if r.Error != "" {
		return false, r.Error
	}
	if misplaced := Misplaced(r.Task, limits); misplaced != "" {
		return false, misplaced
	}
	var against, favour []string
	for _, m := range measures() {
		limit, value := m.of(limits), m.of(r.Metrics)
		if limit == nil || value == nil {
			continue
		}
		if holds, why := m.judge(r, *value, *limit); holds {
			favour = append(favour, why)
		} else {
			against = append(against, why)
		}
	}
	against = append(against, r.unmeasured(limits)...)
	if c := r.Comparison; c != nil {
		if c.worse() {
			against = append(against, c.say(r))
		} else {
			favour = append(favour, c.say(r))
		}
	}
	if len(against) > 0 {
		return false, fmt.Sprintf("%s; on %d rows", strings.Join(against, "; "), r.Rows)
	}
	if len(favour) == 0 {
		return true, fmt.Sprintf("no limits are set, so %s on %d rows is enough", r.summary(), r.Rows)
	}
	return true, fmt.Sprintf("%s; on %d rows", strings.Join(favour, "; "), r.Rows)
}

// Misplaced says which limits do not belong to the task, and which do; nothing where all do.
func Misplaced(task Task, limits Metrics) string {
	var asked []string
	for _, m := range measures() {
		if m.of(limits) != nil && !slices.Contains(m.tasks, task) {
			asked = append(asked, m.name)
		}
	}
	if len(asked) == 0 {
		return ""
	}
	write := "accuracy, precision, recall or f1Score"
	switch task {
	case Classification:
	case Regression:
		write = "rmse, mae or r2, or " + write + " where the data set names bands"
	case Language:
		write = "bitsPerByte, or " + write + " where the data set has labelled prompts"
	}
	return fmt.Sprintf("validation.metrics asks for %s of %s, which has none; write %s", list(asked), task.model(), write)
}

// unmeasured says which limits are on what the data set does not yield, and what to write.
func (r Result) unmeasured(limits Metrics) []string {
	var reasons []string
	names := map[string][]string{}
	for _, m := range measures() {
		if m.of(limits) == nil || m.of(r.Metrics) != nil {
			continue
		}
		why := r.lacks(m)
		if names[why] == nil {
			reasons = append(reasons, why)
		}
		names[why] = append(names[why], m.name)
	}
	for i, why := range reasons {
		reasons[i] = fmt.Sprintf("%s cannot be measured on this data set: %s", list(names[why]), why)
	}
	return reasons
}

// lacks is why a data set does not yield a measure of its task.
func (r Result) lacks(m measure) string {
	switch {
	case r.Task == Regression && slices.Contains(m.tasks, Classification):
		return "it names no bands; write rmse, mae or r2, or push it under a new tag with " + bandsFile + " beside the CSV file"
	case r.Task == Regression:
		return "every target is the same"
	case m.name == "bitsPerByte":
		return `it has no text; write accuracy, precision, recall or f1Score, or push it under a new tag with lines {"text": "…"}`
	default:
		return `it has no labelled prompts; write bitsPerByte, or push it under a new tag with lines {"prompt": "…", "label": "…"}`
	}
}

// judge holds one measure against its limit.
func (m measure) judge(r Result, value, limit float64) (holds bool, why string) {
	said := m.name + " " + number(value)
	if i, known := r.Intervals[m.name]; known {
		said += fmt.Sprintf(" (95 %% interval %s–%s)", number(i.Low), number(i.High))
	}
	side := "above"
	holds = value <= limit
	if m.least {
		side = "below"
		holds = value >= limit
	}
	if holds {
		return true, said + " holds against " + plain(limit)
	}
	return false, fmt.Sprintf("%s is %s %s by %s", said, side, plain(limit), number(math.Abs(value-limit)))
}

// worse says whether stable did better by more than chance.
func (c Comparison) worse() bool { return c.StableOnly > c.CandidateOnly && c.PValue < significance }

func (c Comparison) say(r Result) string {
	did, test := "was right", "McNemar's exact test"
	switch {
	case r.Task == Regression:
		did, test = "came closer", "exact sign test"
	case r.Task == Language && r.Metrics.Accuracy == nil:
		did, test = "needed fewer bits", "exact sign test"
	}
	counts := fmt.Sprintf("of the rows where they differ stable %s alone %s on %d and the candidate on %d (%s, p = %s)",
		c.Version, did, c.StableOnly, c.CandidateOnly, test, probability(c.PValue))
	switch {
	case c.worse():
		return "worse than stable: " + counts
	case c.PValue < significance:
		return "better than stable: " + counts
	default:
		return "not distinguishable from stable: " + counts
	}
}

// summary names the measures of a result.
func (r Result) summary() string {
	var all []string
	for _, m := range measures() {
		if value := m.of(r.Metrics); value != nil {
			all = append(all, m.name+" "+number(*value))
		}
	}
	return list(all)
}

// list joins words as a sentence does.
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	end := len(words) - 1
	return strings.Join(words[:end], ", ") + " and " + words[end]
}

// number writes a measure: three decimals, more where they would all be zero.
func number(v float64) string {
	if v != 0 && math.Abs(v) < 0.0005 {
		return fmt.Sprintf("%.1g", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// plain writes a limit as a person wrote it.
func plain(v float64) string { return fmt.Sprintf("%g", v) }

func probability(p float64) string {
	if p < 0.001 {
		return fmt.Sprintf("%.1g", p)
	}
	return fmt.Sprintf("%.3f", p)
}
