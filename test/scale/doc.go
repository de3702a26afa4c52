// Package scale measures one operator that takes a thousand releases at once. It has no code but its tests:
//
//	make bench                                                      # 1,000 models, and the table below on standard output
//	go test -run='^$' -bench=. -benchtime=1x ./test/scale -models=200 # fewer
//	go test ./test/scale                                            # twenty models: does it still work?
//
// The API server is real: etcd and kube-apiserver on this machine. The operator is a process of its own, set up as
// `suoke operator` sets it up and limited as it is limited, so that what it takes of memory and CPU is all its own, and
// what it asks of the API server is counted at its transport. The rest is played: Deployments get Pods that are ready at
// once, registries name digests, and two routers apply what they watch and report about 100 requests a second of every model.
// Evaluations are turned off.
//
// What is measured, in the order of the run:
//
//   - how long it takes until every model's canary has its share of the requests;
//   - memory, CPU and requests to the API server while all of these releases are under way, for a while of real time;
//   - the heap after garbage collections over an hour of simulated time: the clock of operator and routers runs faster, and
//     a report holds as many seconds as passed. It is read at the usual speed, once those seconds are judged; what memory is
//     resident at its highest in between is told by itself, as it holds many seconds at once;
//   - the time from a verdict to the route, in waves of one model in a hundred, and then with all others at once. The candidate
//     of a model gets no request until its wave, and fails all requests from then on; the first such second is enough for a
//     verdict. The time runs from the moment at which both routers served a report with that second, and ends when the route
//     that gives everything back to stable comes out of a watch. So it includes the operator's share of the wait for its next
//     turn, and none of the second that the routers count;
//   - the duration of reconciles of a system at rest with five ModelVersions a model: all of them after a restart, and
//     each after its ModelVersion was touched.
//
// Nothing fails for being slow. It fails when something does not happen: a release that does not start, a verdict without
// a route, a heap that nobody could read.
package scale
