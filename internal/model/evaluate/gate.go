package evaluate

import (
	"fmt"
	"math"
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
	if misplaced := foreign(r.Task, limits); misplaced != "" {
		return false, misplaced
	}
	var against, favour []string
	for _, m := range measures() {
		limit := m.of(limits)
		if limit == nil {
			continue
		}
		if holds, why := m.judge(r, *limit); holds {
			favour = append(favour, why)
		} else {
			against = append(against, why)
		}
	}
	if c := r.Comparison; c != nil {
		if c.worse() {
			against = append(against, c.say(r.Task))
		} else {
			favour = append(favour, c.say(r.Task))
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

// foreign says which limits do not belong to the task, and which do.
func foreign(task Task, limits Metrics) string {
	var asked, known []string
	for _, m := range measures() {
		switch {
		case m.task == task:
			known = append(known, m.name)
		case m.of(limits) != nil:
			asked = append(asked, m.name)
		}
	}
	if len(asked) == 0 {
		return ""
	}
	return fmt.Sprintf("validation.metrics asks for %s of a %s, which has none; write %s", list(asked, "and"), task, list(known, "or"))
}

// judge holds one measure against its limit.
func (m measure) judge(r Result, limit float64) (holds bool, why string) {
	value := m.of(r.Metrics)
	if value == nil {
		return false, m.name + " cannot be measured on this data set: every target is the same"
	}
	said := m.name + " " + number(*value)
	if i, known := r.Intervals[m.name]; known {
		said += fmt.Sprintf(" (95 %% interval %s–%s)", number(i.Low), number(i.High))
	}
	side := "above"
	holds = *value <= limit
	if m.least {
		side = "below"
		holds = *value >= limit
	}
	if holds {
		return true, said + " holds against " + plain(limit)
	}
	return false, fmt.Sprintf("%s is %s %s by %s", said, side, plain(limit), number(math.Abs(*value-limit)))
}

// worse says whether stable did better by more than chance.
func (c Comparison) worse() bool { return c.StableOnly > c.CandidateOnly && c.PValue < significance }

func (c Comparison) say(task Task) string {
	did, test := "was right", "McNemar's exact test"
	if task == Regression {
		did, test = "came closer", "exact sign test"
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
	return list(all, "and")
}

func list(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	end := len(words) - 1
	return strings.Join(words[:end], ", ") + " " + last + " " + words[end]
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
