package analysis

import "math"

// Config is what a person may choose. What is zero has its default.
type Config struct {
	// FalseRollbackRate is α, in (0, 1): the bound on the chance of ever returning a candidate that is no worse, and of
	// ever passing one that is worse by AllowedIncrease. The default is 0.01.
	FalseRollbackRate float64 `json:"falseRollbackRate,omitzero"`
	// AllowedIncrease is the increase in the share of failed requests, in (0, 1), that a Pass excludes. The default is 0.005.
	AllowedIncrease float64 `json:"allowedIncrease,omitzero"`
}

const (
	defaultFalseRollbackRate = 0.01
	defaultAllowedIncrease   = 0.005

	// earlySeconds since the candidate's first request, of which the first is seldom whole: in them evidence counts
	// without a cap, and earlyThreshold is the nats it takes. As good a candidate reaches 20 nats with a chance of at
	// most exp(-20) where failures are independent; where they come in spells, one seldom falls into so short a time,
	// and must be a collapse to count.
	earlySeconds   = 5
	earlyThreshold = 20

	// blockSeconds is the length of the blocks whose evidence is capped: worseCap nats a block that the candidate is
	// worse, noWorseCap that it is not. Uncapped, one spell on the candidate's Pod returns it, and one on stable's
	// flatters it.
	blockSeconds = 10
	worseCap     = 2
	noWorseCap   = 0.75

	// memory of stable's failure rate, in seconds: counts weigh exp(-age/memory).
	memory = 1800
	// priorFailures and priorRequests stand in for the past before there is one.
	priorFailures = 0.5
	priorRequests = 100

	// rateCap bounds the candidate's failure rate under an alternative.
	rateCap = 0.99
)

// alternatives is how many increases are tried; see increases.
const alternatives = 5

// increases are the δ by which a worse candidate may fail more often than stable: the grid of alternatives, with equal
// prior weights.
func increases() [alternatives]float64 { return [...]float64{0.01, 0.03, 0.1, 0.3, 0.8} }

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

// lateThreshold is what the capped score takes, in nats. Half of α is spent on it; the early seconds need exp(-20) of
// the rest.
func (c Config) lateThreshold() float64 { return math.Log(2 / c.alpha()) }

// passThreshold is what it takes to pass, in nats.
func (c Config) passThreshold() float64 { return math.Log(1 / c.alpha()) }
