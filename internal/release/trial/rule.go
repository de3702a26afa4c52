package trial

import "github.com/suoke-life/suoke/internal/release/analysis"

// Rule is a way to judge releases.
type Rule interface {
	// Name is the one to ask for and the one in tables.
	Name() string
	// Begin returns the judge of one release.
	Begin(past Past) Judge
}

// Past is what is known when a release begins.
type Past struct {
	// Config is what a person chose.
	Config analysis.Config
	// Learned is that with the limits which a day of stable's Pods teaches, and Recent with those of an hour that begins with
	// their first requests. Each takes time when it is called first.
	Learned, Recent func() analysis.Config
}

// Judge hears a release second by second, in rising order, from some time before the candidate's first request on. It says
// whether the candidate is to be returned.
type Judge func(*Second) bool

// falseRollbackRate is α of all rules that have one.
const falseRollbackRate = 0.01

// Rules are all there are, in the order of the table.
func Rules() []Rule {
	return []Rule{
		replay{},
		young{},
		plain{},
		bet{},
		strikes{name: "60s-x5", window: 60, most: 5},
		strikes{name: "60s-x1", window: 60, most: 1},
		strikes{name: "10s-x3", window: 10, most: 3},
	}
}

// replay is the rule of package analysis with the limits that history taught.
type replay struct{}

func (replay) Name() string { return "replay" }

func (replay) Begin(past Past) Judge { return judge(past.Learned()) }

// young is the rule of package analysis where there is too little history to learn from.
type young struct{}

func (young) Name() string { return "young" }

func (young) Begin(past Past) Judge { return judge(past.Recent()) }

func judge(c analysis.Config) Judge {
	s := analysis.Statistic{Config: c}
	return func(second *Second) bool {
		s = s.Add(second.Second)
		return s.Failed != ""
	}
}
