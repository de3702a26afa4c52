package analysis

import "math"

// Config is what a person may choose, and what stable's history has taught. What is zero has its default.
type Config struct {
	// FalseRollbackRate is α, in (0, 1): the bound on the chance of ever returning a candidate that is no worse, and of
	// ever passing one that is worse by AllowedIncrease. The default is 0.01.
	FalseRollbackRate float64 `json:"falseRollbackRate,omitzero"`
	// AllowedIncrease is the increase in the share of failed requests, in (0, 1), that a Pass excludes. The default is 0.005.
	AllowedIncrease float64 `json:"allowedIncrease,omitzero"`
	// Slow says that slow requests are judged too.
	Slow bool `json:"slow,omitzero"`
	// AllowedDisagreement is the share of mirrored requests, in (0, 1), that the candidate may answer differently; 0 is
	// that disagreement is not judged.
	AllowedDisagreement float64 `json:"allowedDisagreement,omitzero"`
	// Limits are what History.Learn found.
	Limits Limits `json:"limits,omitzero"`
}

const (
	defaultFalseRollbackRate = 0.01
	defaultAllowedIncrease   = 0.005

	// memory of stable's rates, in seconds: counts weigh exp(-age/memory).
	memory = 1800
	// priorBad and priorRequests stand in for the past before there is one.
	priorBad      = 0.5
	priorRequests = 100
)

func (c Config) alpha() float64 {
	if c.FalseRollbackRate == 0 {
		return defaultFalseRollbackRate
	}
	return c.FalseRollbackRate
}

func (c Config) allowed() float64 {
	if c.AllowedIncrease == 0 {
		return defaultAllowedIncrease
	}
	return c.AllowedIncrease
}

// passThreshold is what it takes to pass, in nats.
func (c Config) passThreshold() float64 { return math.Log(1 / c.alpha()) }

// share of α of each kind that is judged: equal parts, as none is known to be likelier.
func (c Config) share() float64 {
	kinds := 1.0
	if c.Slow {
		kinds++
	}
	if c.AllowedDisagreement > 0 {
		kinds++
	}
	return c.alpha() / kinds
}
