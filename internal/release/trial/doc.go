// Package trial plays releases whose truth is known, to measure how good a rule of judgement is: how often it returns a
// candidate that is as good as stable, how long it leaves a bad one, and what that costs in failed requests.
//
// A World is a model's traffic and how it fails; a Rule is a way to judge. All rules hear the same simulated traffic. What a
// Run measures depends on its seed and sizes only, never on the number of workers or on which worlds and rules are
// measured beside.
//
// Promised: the random numbers are those of math/rand/v2 (PCG), requests that end in a second are Poisson distributed, and a request
// fails independently of the others given the state of its Pod. Not promised: that any world is yours. The worlds are kind
// in that a Pod's spells come at the same rate for ever; a failure that history never showed is in none of them.
package trial
