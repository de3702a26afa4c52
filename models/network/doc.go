// Package network trains small feed-forward networks: dense layers with rectifiers between them, by Adam.
//
// It promises that the same data and seed give the same weights, bit for bit, on every machine: sums run in one fixed
// order on one goroutine, every product is rounded before it is added, which forbids the compiler to fuse the two
// (Go specification, Floating-point operators), and the exponential is the package's own, as the one of the standard
// library depends on what the processor can do. It does not promise speed, nor anything beyond a few thousand weights.
package network
