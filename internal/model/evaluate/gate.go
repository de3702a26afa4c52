package evaluate

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// significance is the p-value of the paired comparison below which a version counts as worse than stable; half of it where two
// kinds of rows are compared, so that the two together find what is chance as seldom as one (Bonferroni).
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
		if c.worse(r) {
			against = append(against, c.say(r))
		} else {
			favour = append(favour, c.say(r))
		}
	}
	if len(against) > 0 {
		return false, strings.Join(against, "; ") + r.asked()
	}
	if len(favour) == 0 {
		return true, fmt.Sprintf("no limits are set, so %s is enough", r.summary())
	}
	return true, strings.Join(favour, "; ") + r.asked()
}

// asked ends a sentence with how many rows it stands on, where that is one number.
func (r Result) asked() string {
	if r.mixed() {
		return ""
	}
	return fmt.Sprintf("; on %d rows", r.Rows)
}

// on says how many rows a measure of a mixed data set stands on.
func (r Result) on(m measure) string {
	switch {
	case !r.mixed():
		return ""
	case slices.Contains(m.tasks, Classification):
		return " on " + counted(r.Rows-r.Texts, "labelled prompt")
	default:
		return " on " + counted(r.Texts, "text")
	}
}

func counted(n int, what string) string { return fmt.Sprintf("%d %s", n, plural(n, what)) }

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
	said += r.on(m)
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
func (c Comparison) worse(r Result) bool {
	return c.StableOnly > c.CandidateOnly && c.significant(r)
}

func (c Comparison) significant(r Result) bool {
	if r.mixed() {
		return c.PValue < significance/2
	}
	return c.PValue < significance
}

func (c Comparison) say(r Result) string {
	did, test, rows, on := "was right", "McNemar's exact test", "rows", ""
	if r.mixed() {
		rows = "labelled prompts"
		if c.Texts {
			rows = "texts"
		}
		on = fmt.Sprintf(" on %d %s", r.Compared(), rows)
	}
	switch {
	case r.Task == Regression:
		did, test = "came closer", "exact sign test"
	case r.Task == Language && (c.Texts || r.Metrics.Accuracy == nil):
		did, test = "needed fewer bits", "exact sign test"
	}
	counts := fmt.Sprintf("of the %s where they differ stable %s alone %s on %d and the candidate on %d (%s, p = %s)",
		rows, c.Version, did, c.StableOnly, c.CandidateOnly, test, probability(c.PValue))
	switch {
	case c.worse(r):
		return "worse than stable" + on + ": " + counts
	case c.significant(r):
		return "better than stable" + on + ": " + counts
	default:
		return "not distinguishable from stable" + on + ": " + counts
	}
}

// summary names the measures of a result, and what they stand on.
func (r Result) summary() string {
	var all []string
	for _, m := range measures() {
		if value := m.of(r.Metrics); value != nil {
			all = append(all, m.name+" "+number(*value)+r.on(m))
		}
	}
	if r.mixed() {
		return list(all)
	}
	return fmt.Sprintf("%s on %d rows", list(all), r.Rows)
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
