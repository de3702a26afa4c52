// Package rollout decides how a version gets to all of the traffic. Decide is a pure function of the stored State, the
// Policy, what was observed and the time; it does no I/O and reads no clock. The caller gathers, decides and applies.
package rollout
