// Package analysis judges a candidate against stable from what the routers counted, second by second and Pod by Pod.
//
// A Statistic takes seconds in and gives a Judgement out. It is pure, small, holds all that is needed to go on after a
// restart, and reads every second once. Feed it stable's seconds of the half hour before the release too: they teach it
// stable's rates, and time is counted from the candidate's first request. A History keeps what stable's Pods did in the
// last day; what History.Learn finds in it is fixed in the Config, so that a verdict can be recomputed from the seconds.
//
// # What is judged
//
// Failures always; slow requests if Config.Slow; answers to mirrored requests that disagree if Config.AllowedDisagreement.
// Each kind has an equal share of α. For failures and slow requests the candidate is compared with stable (a two-sample
// test, for which a second with requests on one side only says nothing), for disagreement with the allowed rate (a
// one-sample test). In a block of seconds only so much counts, and the candidate may have turned bad at the start of any.
//
//   - replay: with 60 Pod-hours over 6 hours. Every stable Pod, or as many together as the candidate has where there are
//     twice as many, is replayed against the others as if it had been a canary. Three scores (uncapped, at most 1.5 nats a
//     second, at most 2 nats in ten seconds) must exceed what those replays reached, in each of four phases (seconds 1-3,
//     4-15, 16-60, later), but for the phase's and score's share of α. Whole releases are replayed for half an hour. Where
//     the weight is raised in steps, each second is compared at its own numbers, and the first and the last step are
//     replayed: with their Pods, and with failures as many times as large as the candidate's share is larger than the
//     Pods' was.
//   - young: with less. In seconds 1-3 what counts in full needs 20 nats; from second 4 on ten seconds prove at most 2 nats,
//     and ln(2/α) are needed. Then the same score must also not be below 0 against a candidate that is a margin as bad. Where
//     few starts are recorded, all of it must also speak against a start, and what counts in full does so until second 15.
//     Two stable Pods or fewer have no 60 Pod-hours in a day, and are judged so. So is disagreement, without a margin and a
//     start.
//   - historical: see Statistic.Historical.
//
// # Pods that differ
//
// A Pod may be worse than others for good. The margin is how many times as bad as all others one more Pod is but for a
// chance of α: learned from stable's Pods in history (Student's prediction bound for log-normal rates, less what chance and
// spells make of them), else 1.7, and at most that before three hours of three Pods are known. What few Pods that differ much
// say is drawn towards a usual spread of 0.25 in the logarithm, and the margin is at most 3, lest bad candidates stay. The replay
// rule tests against all candidates within the margin; the young rule asks that more speaks for worse than for within it, which
// costs little time.
//
// # Fresh Pods, and sessions
//
// If starts of Pods that served as stable's are recorded in which the first seconds were bad in excess, in more than one of
// them where there are several, a candidate's Pod warms up for as many seconds after its first request, by whatever rule it is
// judged; none recorded, no warm-up. Slow requests have a warm-up of their own, which is at least as long. What a Pod does while
// it warms up is left out of all scores of the kind but one, in which only a collapse counts: uncapped, at 20 nats, against
// stable and as much more as the worst five seconds of a recorded start were bad. If those were as bad as can be, nothing counts.
// Answers that disagree are left out while failures are.
//
// Unless two starts are recorded, the young rule takes for possible that a candidate's Pods fail for starting: in the 20
// seconds from its first request on by up to 0.3 more than stable's, and later no more often; of slow answers it does so in any
// case. Nobody is returned unless there are ln(1/α) nats against that: with a prior weight of 2/3 for the first 20 seconds, all
// of them, at 0.5 more than stable against 0.3 more (of slow answers at most 1.5 nats a second, as one pause makes all of them
// slow), or 1/3 for what comes later, in full. So less than 0.3 is only told after 20 seconds. Where no start was recorded, the
// replay rule takes a bad one for the version's.
//
// A client that sticks to a version is a cluster of requests, not many independent ones: the caller leaves out what a
// session asks again of a version at which it has failed before.
//
// # What may be claimed
//
// Proved: if within each second, given the past, requests fail independently of each other, the young rule returns a
// candidate that fails no more often than stable with a chance of at most α/2 + exp(-20) for each kind's α, however often
// one looks and however the rate that both share moves (Ville 1939; a maximum is below the mixture; a cap, and asking for
// more, only take evidence away), and where fewer than two starts are recorded one that is bad as a start may be, and later no
// more often than stable, with a chance of at most α. For the replay rule the same as the first holds at the floor of its thresholds,
// ln(2/α) for the uncapped score and ln(4/α) for each of the others, and for all candidates within the margin. Disagreement
// within the allowed rate: likewise. A warm-up in which Pods are bad by no more than the recorded excess adds exp(-20) for each kind. The chance of ever passing a
// candidate that always fails more often by the allowed increase is at most α.
//
// Measured, not proved: that false rollbacks stay below α where failures come in spells or Pods differ. Replay rests on
// Pods' windows being exchangeable and the history being representative: a kind of failure that it never showed is not
// covered, nor are Pods that differ by more than the margin's bound. The margin of 1.7 was chosen where Pods differ by a
// standard deviation of 0.3 in the logarithm and fail about one request in 200; where stable is bad far more often, or Pods
// differ more, it keeps too few of them.
//
// Not claimed: that one Pod of a candidate can be told from one bad machine; anything under drift for the historical rule,
// which compares with the upper bound of stable's rate in the quarter of an hour before; anything after the half hour
// that is replayed.
package analysis
