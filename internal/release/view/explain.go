package view

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
)

// Explanation is a release in sentences.
type Explanation struct {
	// Wanted, Serves, Release, Why, Evidence and Next are empty where there is nothing to say.
	Wanted   string `json:"wanted"`
	Serves   string `json:"serves"`
	Release  string `json:"release,omitempty"`
	Why      string `json:"why,omitempty"`
	Evidence string `json:"evidence,omitempty"`
	Next     string `json:"next"`
	// Paused says that no release begins or goes on until the model is resumed.
	Paused bool `json:"paused,omitempty"`
	// Choices are what a person can do now.
	Choices []Choice `json:"choices"`
}

// Choice is a command with what it does.
type Choice struct {
	Command string `json:"command"`
	Effect  string `json:"effect"`
}

// Explain says what is wanted, what serves, where the release is and why, what it is judged by, and what comes next.
// Command is how the person calls these commands, such as suoke rollout.
func (r Release) Explain(command string, now time.Time) Explanation {
	e := Explanation{
		Wanted: fmt.Sprintf("%s of %s, for agent %s.", r.Wanted, r.Model, r.Agent),
		Serves: r.serves(now), Release: r.attempt(now), Next: r.next(command, now), Paused: r.Paused, Choices: r.choices(command, now),
	}
	if r.Unseen {
		e.Wanted += " The operator has not seen the last change yet: what follows is of before it."
	}
	if r.Reason != "" {
		e.Why = sentence(r.Reason + ": " + dated(r.Message, now))
	}
	e.Evidence = r.evidence(now)
	return e
}

// serves says what answers requests.
func (r Release) serves(now time.Time) string {
	if r.Stable == "" {
		return "Nothing serves yet."
	}
	v := r.find(r.Stable)
	text := fmt.Sprintf("%s has %d %% of the traffic, on %s", v.Version, v.Weight, count(v.ready(), "ready Pod"))
	if v.ready() < len(v.Pods) {
		text += fmt.Sprintf(" of %d", len(v.Pods))
	}
	if since := r.last(v.Version, suokev1.VersionProduction); !since.At.IsZero() {
		text += fmt.Sprintf("; it became stable %s (%s)", when(since.At, now), since.Reason)
	}
	return text + "."
}

// attempt says where the release under way is, or what became of the last one.
func (r Release) attempt(now time.Time) string {
	if r.Candidate == "" {
		return r.noAttempt(now)
	}
	v := r.find(r.Candidate)
	text := v.Version
	if v.Attempt > 0 {
		text = fmt.Sprintf("Attempt %d at %s", v.Attempt, v.Version)
	}
	if begun := r.last(v.Version, suokev1.VersionTesting); !begun.At.IsZero() {
		text += ", begun " + when(begun.At, now) + ","
	}
	text += fmt.Sprintf(" has %d %% of the traffic, on %s", v.Weight, count(v.ready(), "ready Pod"))
	if v.Steps > 1 {
		text += fmt.Sprintf(", in step %d of %d", v.Step, v.Steps)
	}
	return text + ". The plan: " + r.plan(v.Version) + "."
}

func (r Release) noAttempt(now time.Time) string {
	wanted := r.find(r.Wanted)
	switch ends := r.WindowEnds(now); {
	case r.Refused && r.Wanted != r.Stable && wanted.Attempt > 0:
		return fmt.Sprintf("None is under way: attempt %d at %s was refused.", wanted.Attempt, r.Wanted)
	case !ends.IsZero():
		return fmt.Sprintf("None is under way. %s can still be taken back to %s until %s.", r.Stable, r.before(), dated(ends.UTC().Format(time.RFC3339), now))
	default:
		return "None is under way."
	}
}

// evidence says in words and numbers what speaks for and against the wanted version.
func (r Release) evidence(now time.Time) string {
	var parts []string
	if results := r.seen.Model.Status.ValidationResults; results != nil {
		parts = append(parts, evaluated(results))
	}
	for _, v := range r.Versions {
		if v.Evidence != nil && (v.Version == r.Candidate || v.Version == r.Wanted) {
			parts = append(parts, v.judged(now)...)
			break
		}
	}
	return strings.Join(parts, " ")
}

// evaluated is an evaluation in words.
func evaluated(results *suokev1.ValidationResults) string {
	outcome := "passed"
	if !results.Passed {
		outcome = "did not pass"
	}
	on := count(int(results.Rows), "row")
	if texts := int(results.Texts); texts > 0 && results.Texts < results.Rows {
		on = count(int(results.Rows)-texts, "labelled prompt") + " and " + count(texts, "text")
	}
	text := fmt.Sprintf("%s %s its evaluation on %s", results.Version, outcome, on)
	var measured []string
	for _, m := range []struct {
		name, label string
		value       *float64
	}{
		{"accuracy", "accuracy", results.Metrics.Accuracy},
		{"precision", "precision", results.Metrics.Precision},
		{"recall", "recall", results.Metrics.Recall},
		{"f1Score", "F1", results.Metrics.F1Score},
		{"rmse", "RMSE", results.Metrics.RMSE},
		{"mae", "MAE", results.Metrics.MAE},
		{"r2", "R²", results.Metrics.R2},
		{"bitsPerByte", "bits per byte", results.Metrics.BitsPerByte},
	} {
		if m.value == nil {
			continue
		}
		one := fmt.Sprintf("%s %.4g", m.label, *m.value)
		if i, known := results.Intervals[m.name]; known {
			one += fmt.Sprintf(" (95 %% interval %.4g to %.4g)", i.Low, i.High)
		}
		measured = append(measured, one)
	}
	if len(measured) > 0 {
		text += ": " + strings.Join(measured, ", ")
	}
	return text + "."
}

// judged is what the answers of a version show.
func (v Version) judged(now time.Time) []string {
	e := v.Evidence
	meaning := map[string]string{
		"Pass":         "is good enough",
		"Fail":         "is worse than stable",
		"Inconclusive": "is neither shown to be worse nor to be good enough yet",
		"NoData":       "cannot be judged yet",
	}[e.Verdict]
	parts := []string{sentence(fmt.Sprintf("By its answers %s %s (%s): %s", v.Version, meaning, e.Verdict, e.Message))}
	for _, k := range e.Kinds {
		parts = append(parts, wager(v.Version, k))
	}
	parts = append(parts, claimed(e))
	if at := e.FirstFailure; at != nil {
		parts = append(parts, fmt.Sprintf("Its first failure was %s.", dated(at.UTC().Format(time.RFC3339), now)))
	}
	if m := v.Metrics; m != nil && m.Latency != nil && m.Throughput != nil {
		parts = append(parts, fmt.Sprintf("In the last minute it answered %.3g requests a second in %.3g ms on average.", *m.Throughput, *m.Latency))
	}
	return parts
}

// claimed is what may be said of the threshold. Where stable has no traffic any more that is less: what moves its rate now
// would be taken for the candidate's (docs/judgement.md).
func claimed(e *suokev1.Evidence) string {
	chance := "a version that is no worse is returned with a chance of at most " + percent(e.FalseRollbackRate)
	if e.Rule == analysis.Historical {
		stable := comparedWith(e)
		return fmt.Sprintf("As %s had no traffic beside it, it is compared with the rates of %s in the quarter of an hour before (rule %s). That %s holds only if those rates stand still; where they drift nothing is claimed.",
			stable, stable, e.Rule, chance)
	}
	return fmt.Sprintf("The threshold is set so that %s (rule %s).", chance, e.Rule)
}

// wager is a score in words: an e-variable is what a fair bet that the version is worse makes of its stake.
func wager(version string, k suokev1.KindEvidence) string {
	worse := map[string]string{
		suokev1.ReasonErrorRate: "fails more often", suokev1.ReasonLatency: "is slow more often", suokev1.ReasonDisagreement: "disagrees more often than is allowed",
	}[k.Kind]
	return fmt.Sprintf("That %s %s has %.1f nats of evidence, a factor of %s in its favour; at %.1f nats, a factor of %s, it is returned.",
		version, worse, max(0, k.Score), factor(k.Score), k.Threshold, factor(k.Threshold))
}

// factor of a score in nats. What speaks for the contrary is not told.
func factor(nats float64) string { return fmt.Sprintf("%.3g", math.Exp(max(0, min(nats, 30)))) }

// String is the explanation as people read it.
func (e Explanation) String() string {
	var text strings.Builder
	for _, p := range []struct{ title, text string }{
		{"Wanted", e.Wanted}, {"Serves", e.Serves}, {"Release", e.Release}, {"Why", e.Why}, {"Evidence", e.Evidence}, {"Next", e.Next},
	} {
		if p.text != "" {
			fmt.Fprintf(&text, "%-10s%s\n", p.title, strings.Join(wrapped(p.text), "\n"+strings.Repeat(" ", titleWidth)))
		}
	}
	var rows [][]string
	for _, c := range e.Choices {
		rows = append(rows, []string{c.Command, c.Effect})
	}
	for i, line := range columns(rows) {
		title := ""
		if i == 0 {
			title = "You can"
		}
		fmt.Fprintf(&text, "%-10s%s\n", title, line)
	}
	return text.String()
}

const (
	titleWidth = 10
	textWidth  = 100
	// bound stands for a space that no line is broken at.
	bound = "\x00"
)

// wrapped are the lines of a text, broken between words. An amount stays with its sign for percent.
func wrapped(text string) []string {
	words := strings.Fields(strings.ReplaceAll(text, " %", bound+"%"))
	var lines []string
	line := ""
	for _, word := range words {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > textWidth {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], bound, " ")
	}
	return slices.Clip(lines)
}
