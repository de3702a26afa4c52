// Package scrape reads a counter of each agent Pod, and of each model server's that is scaled by it, every second and keeps how fast it grew over the last 6 and 60
// seconds. It promises that a restart of a Pod never makes a rate negative or lost beyond one second, that a Pod which
// stopped answering has no rate rather than an old one, and that no Pod can hold up the reading of another: answers are
// bounded in size and time. It keeps nothing beyond a minute and knows nothing of HPAs.
package scrape
