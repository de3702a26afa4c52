// Package analysis judges a candidate against stable from what the routers counted, second by second.
//
// A Statistic takes seconds in and gives a Judgement out. It is pure, holds all that is needed to go on after a restart,
// and reads every second once. The rule is the one for releases with little history of stable's Pods: what a candidate
// did in its first five seconds counts in full and must be overwhelming; after that, what any ten seconds can prove is
// capped, so that it takes several separate bad stretches to return it.
//
// Proved: if within each second, given the past, requests fail independently of each other, the chance of ever returning
// a candidate that fails no more often than stable is at most α, however often one looks and however the rate that both
// share moves (Ville 1939; a maximum is below the mixture; a cap only takes evidence away). In the same way, the chance
// of ever passing a candidate that always fails more often by the allowed increase is at most α.
//
// Measured, not proved: that false rollbacks stay below α where failures come in spells; the tests measure some worlds.
//
// Not claimed: that one Pod of a candidate can be told from one bad machine; anything where versions' Pods differ for
// good, where clients stick to a version, or where stable gets no requests: then a second says nothing.
package analysis
