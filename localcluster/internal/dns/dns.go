// Package dns is CoreDNS with the plugins that a cluster's names need. It promises no forwarding to outside servers: a node
// of a local cluster has no way out.
package dns

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/cache"      // a plugin registers itself
	_ "github.com/coredns/coredns/plugin/errors"     // likewise
	_ "github.com/coredns/coredns/plugin/health"     // likewise
	_ "github.com/coredns/coredns/plugin/kubernetes" // likewise
	_ "github.com/coredns/coredns/plugin/ready"      // likewise
)

// Run serves DNS as the Corefile named by the arguments says, until the process is told to end.
func Run() {
	// The order of the directives is the order in which a query passes the plugins; naming only ours keeps the plugins for
	// cloud providers, and all that they import, out of the program.
	dnsserver.Directives = []string{"health", "ready", "errors", "cache", "kubernetes"}
	coremain.Run()
}
