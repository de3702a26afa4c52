// Package ref reads and makes names: where a model or a data set comes from, which version of it is meant, and what the
// objects of a version are called. It promises that two names are equal exactly if they mean the same thing, and that an
// error says what to write. It asks nobody whether the named thing exists.
package ref
