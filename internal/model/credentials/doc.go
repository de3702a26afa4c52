// Package credentials finds what proves who we are to a registry: in the Secret that an object names, or in the directory
// that a Secret is mounted at. It promises that both are read by the same rule, that what is missing is told with the
// command that makes it, and that what it finds does not show when it is printed. It asks no registry.
package credentials
