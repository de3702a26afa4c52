// Package evaluate measures a served model on a data set and says whether it may get traffic.
//
// It promises that what was measured is what serves: a model is asked over the protocol that it serves by, rows over the
// Open Inference Protocol and the likelihood of texts over the OpenAI protocol, of any server that speaks it; that every
// measure comes with a 95 % interval, and two versions are compared on the same rows; and that the same answers give the
// same Result, bit for bit. Data sets are bounded, and BadInput tells what must be written differently from what asking
// again may cure. The measures and Gate are pure: they know no network and no clock.
// The package does not decide what becomes of a version that is refused, and it knows no Kubernetes.
package evaluate
