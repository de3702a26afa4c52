// Package registry keeps models and data sets, and looks after the registries that models come from. It promises an OCI
// registry on a directory, which deletes nothing, and a status on every ModelRegistry that says whether its endpoint
// answers, how many models were resolved through it, and of each other why not. It does not decide what is served.
package registry
