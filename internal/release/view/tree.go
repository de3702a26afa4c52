package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/release/analysis"
)

// Tree shows the release, each version with its weight, its Pods, and what it is judged by.
func (r Release) Tree(now time.Time) string {
	lines := []string{r.head(), r.reason(now)}
	var names, phases, weights []string
	for _, v := range r.Versions {
		names, phases, weights = append(names, v.Version), append(phases, v.phase()), append(weights, v.weight())
	}
	names, phases = padded(names), padded(phases)
	for i, v := range r.Versions {
		node, below := "├── ", "│   "
		if i == len(r.Versions)-1 {
			node, below = "└── ", "    "
		}
		lines = append(lines, node+names[i]+"  "+phases[i]+"  "+weights[i])
		for _, line := range v.branches(now) {
			lines = append(lines, below+line)
		}
	}
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return l == "" }), "\n") + "\n"
}

// head is the model with what is wanted and what serves.
func (r Release) head() string {
	parts := []string{r.Model, string(r.Phase), r.Wanted + " is wanted"}
	switch r.Stable {
	case "":
		parts = append(parts, "nothing serves yet")
	case r.Wanted:
	default:
		parts = append(parts, r.Stable+" is stable")
	}
	if r.Paused {
		parts = append(parts, "paused")
	}
	if r.Unseen {
		parts = append(parts, "the operator has not seen the last change yet")
	}
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), " · ")
}

func (r Release) reason(now time.Time) string {
	if r.Reason == "" {
		return ""
	}
	return r.Reason + ": " + dated(r.Message, now)
}

func (v Version) phase() string {
	if v.Phase == "" {
		return string(suokev1.VersionDraft)
	}
	return string(v.Phase)
}

// weight is the version's share, and where it is in its plan.
func (v Version) weight() string {
	text := fmt.Sprintf("%s %3d %%", bar(float64(v.Weight)/100), v.Weight)
	if v.Step > 0 {
		text += fmt.Sprintf("  attempt %d, step %d of %d", v.Attempt, v.Step, v.Steps)
	}
	return text
}

// branches are the lines below a version.
func (v Version) branches(now time.Time) []string {
	var lines []string
	evidence := v.Evidence != nil
	for i, pod := range v.podLines(now) {
		node := "├── "
		if i == len(v.Pods)-1 && !evidence {
			node = "└── "
		}
		lines = append(lines, node+pod)
	}
	if !evidence {
		return lines
	}
	for i, line := range evidenceLines(v.Evidence) {
		node := "    "
		if i == 0 {
			node = "└── "
		}
		lines = append(lines, node+line)
	}
	return lines
}

func (v Version) podLines(now time.Time) []string {
	var rows [][]string
	for _, p := range v.Pods {
		dot := "○ "
		if p.Ready {
			dot = "● "
		}
		rows = append(rows, []string{dot + p.Name, p.State, span(now.Sub(p.Since)), count(int(p.Restarts), "restart")})
	}
	return columns(rows)
}

// evidenceLines are the verdict, then how far each kind of evidence is from its threshold, and how far a Pass is.
func evidenceLines(e *suokev1.Evidence) []string {
	verdict := e.Verdict
	if e.Reason != "" {
		verdict += " for " + e.Reason
	}
	lines := []string{fmt.Sprintf("%s  (%s)", verdict, ruleAndChance(e))}
	var rows [][]string
	for _, k := range e.Kinds {
		rows = append(rows, append(meter(kindName(k.Kind), k.Score, k.Threshold), kindCounts(k)))
	}
	if e.NoWorseThreshold > 0 {
		rows = append(rows, meter("good enough", e.NoWorse, e.NoWorseThreshold))
	}
	return append(lines, columns(rows)...)
}

// ruleAndChance are the rule, and the chance that it leaves to a false rollback.
func ruleAndChance(e *suokev1.Evidence) string {
	chance := "α = " + percent(e.FalseRollbackRate)
	if e.Rule == analysis.Historical {
		return fmt.Sprintf("rule %s, against %s of the quarter of an hour before; %s only if its rates stand still", e.Rule, comparedWith(e), chance)
	}
	return fmt.Sprintf("rule %s, %s", e.Rule, chance)
}

// comparedWith is the version that the evidence compares with.
func comparedWith(e *suokev1.Evidence) string { return cmp.Or(e.StableVersion, "stable") }

// meter shows how far a score is from its threshold. One that speaks for the contrary is shown as none.
func meter(name string, score, threshold float64) []string {
	share := 0.0
	if threshold > 0 {
		share = score / threshold
	}
	return []string{name, bar(share), fmt.Sprintf("%.1f of %.1f nats", max(0, score), threshold)}
}

func kindName(kind string) string {
	switch kind {
	case suokev1.ReasonErrorRate:
		return "fails more"
	case suokev1.ReasonLatency:
		return "is slower"
	case suokev1.ReasonDisagreement:
		return "disagrees"
	default:
		return kind
	}
}

func kindCounts(k suokev1.KindEvidence) string {
	text := of(k.CandidateBad, k.CandidateRequests)
	if k.StableRequests > 0 {
		text += ", stable " + of(k.StableBad, k.StableRequests)
	}
	return text
}

// padded are texts of one width.
func padded(texts []string) []string {
	rows := make([][]string, 0, len(texts))
	for _, text := range texts {
		rows = append(rows, []string{text, "|"})
	}
	lines := columns(rows)
	for i := range lines {
		lines[i] = strings.TrimSuffix(lines[i], "  |")
	}
	return lines
}

// List shows releases, one a line.
func List(releases []Release, now time.Time) string {
	rows := [][]string{{"MODEL", "WANTED", "SERVES", "CANDIDATE", "PHASE", "REASON"}}
	for _, r := range releases {
		candidate := "-"
		if r.Candidate != "" {
			candidate = fmt.Sprintf("%s %d %%", r.Candidate, r.find(r.Candidate).Weight)
		}
		stable := r.Stable
		if stable == "" {
			stable = "-"
		}
		phase := string(r.Phase)
		if r.Paused {
			phase += ", paused"
		}
		rows = append(rows, []string{r.Model, r.Wanted, stable, candidate, phase, r.reason(now)})
	}
	return strings.Join(columns(rows), "\n") + "\n"
}
