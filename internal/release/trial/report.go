package trial

import (
	"fmt"
	"math"
	"slices"
)

// Report is what was measured.
type Report struct {
	Seed       uint64 `json:"seed"`
	Releases   int    `json:"releases"`
	Detections int    `json:"detections"`
	Histories  int    `json:"histories"`

	FalseRollbacks []FalseRollback `json:"falseRollbacks,omitempty"`
	Detection      []Detection     `json:"detection,omitempty"`
	Late           []Detection     `json:"late,omitempty"`
	SlowFalse      []FalseRollback `json:"slowFalseRollbacks,omitempty"`
	Slow           []Detection     `json:"slow,omitempty"`
	Passes         []Passes        `json:"passes,omitempty"`
}

// FalseRollback is how often a rule returned a candidate that is as good as stable, in releases of half an hour.
type FalseRollback struct {
	World    string `json:"world"`
	Title    string `json:"title"`
	Rule     string `json:"rule"`
	Releases int    `json:"releases"`
	Returned int    `json:"returned"`
	// Percent of the releases, and the one-sided upper 95 % bound on it.
	Percent      float64 `json:"percent"`
	UpperPercent float64 `json:"upperPercent"`
}

// Detection is how long a rule left a bad candidate.
type Detection struct {
	World string `json:"world"`
	Title string `json:"title"`
	Rule  string `json:"rule"`
	// Fails is the share of the candidate's requests that fail; Slower the factor by which its answers take longer.
	Fails  float64 `json:"fails,omitzero"`
	Slower float64 `json:"slower,omitzero"`
	// BoundSeconds is the information bound, and Ratio how many times as long the median is.
	BoundSeconds float64 `json:"boundSeconds"`
	Ratio        float64 `json:"ratio,omitzero"`
	// BoundBad is how many failed (or slow) requests the bound costs.
	BoundBad float64 `json:"boundBad"`
	// Runs are the releases in which the candidate was not returned before it turned bad; Missed of them did not end within
	// half an hour of it.
	Runs   int `json:"runs"`
	Missed int `json:"missed"`
	// Seconds from when it turned bad to the rollback, and failed (or slow) requests to the candidate in them; none where
	// there are no runs.
	Seconds *Quantiles `json:"seconds,omitempty"`
	Bad     *Quantiles `json:"bad,omitempty"`
}

// Quantiles of runs; 0 is that so many runs did not end.
type Quantiles struct {
	Median int64 `json:"median,omitzero"`
	P99    int64 `json:"p99,omitzero"`
}

// Passes is how soon a rule passed candidates that are as good as stable, and how often ones that are worse by the
// allowed increase, within half an hour.
type Passes struct {
	World    string `json:"world"`
	Title    string `json:"title"`
	Rule     string `json:"rule"`
	Releases int    `json:"releases"`
	// Passed of the candidates as good as stable, and when.
	Passed  int       `json:"passed"`
	Seconds Quantiles `json:"seconds"`
	// FalsePasses of the worse candidates.
	FalsePasses  int     `json:"falsePasses"`
	Percent      float64 `json:"percent"`
	UpperPercent float64 `json:"upperPercent"`
}

// share of n in percent, and the bound on it.
func share(k, n int) (percent, upper float64) {
	return rounded(100 * float64(k) / float64(n)), rounded(100 * upperBound(k, n))
}

// rounded to four places, as more are noise.
func rounded(x float64) float64 { return math.Round(x*1e4) / 1e4 }

// quantiles of runs, of which a number did not end and are longer than all that did: the least value that so many percent
// do not exceed.
func quantiles(ended []int64, missed int) Quantiles {
	slices.Sort(ended)
	of := func(percent int) int64 {
		if rank := ((len(ended)+missed)*percent + 99) / 100; rank > 0 && rank <= len(ended) {
			return ended[rank-1]
		}
		return 0
	}
	return Quantiles{Median: of(50), P99: of(99)}
}

// Tables are what a Run can measure beside the worlds' false rollbacks, by the names to ask for.
const (
	TableDetection = "detection"
	TableLate      = "late"
	TableSlow      = "slow"
	TablePass      = "pass"
)

// Names of all that can be asked for: worlds, then tables.
func Names() []string {
	var names []string
	for _, w := range Worlds() {
		names = append(names, w.Name)
	}
	return append(names, TableDetection, TableLate, TableSlow, TablePass)
}

// rulesOf returns those of the rules that are named, in the order of the table.
func rulesOf(names []string) ([]Rule, error) {
	all := Rules()
	known := make([]string, len(all))
	for i, r := range all {
		known[i] = r.Name()
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("rule %q: write one of %q", name, known)
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(r Rule) bool { return !slices.Contains(names, r.Name()) }), nil
}
