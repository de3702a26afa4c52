// Package rollout decides how a version gets to all of the traffic. Decide is a pure function of the stored State, the
// Policy, what was observed and the time; it does no I/O and reads no clock. The caller gathers, decides and applies.
//
// It promises that weights are none or sum to 100; that no weight is raised beyond a version's ready Pods, with what is
// mirrored to it; that no version gets a weight before its evaluation passed, unless that is switched off; that capacity
// goes only after the routers confirmed that it is not needed; that a canary or a switch gives everything back in one
// write; that within the rollback window after a promotion the version before can take everything back; that a pause
// raises no candidate, and an action acts once; and that at most one release is under way. A State is all it remembers, so
// a process that ends between any two writes loses nothing; where the State itself is lost, Recover leaves all traffic on
// stable. It does not judge the candidate (package analysis does) and does not know what a Pod or a router is made of.
package rollout
