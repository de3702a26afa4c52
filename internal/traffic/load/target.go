package load

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// Check refuses a target that could be somebody else's. Loopback is always ours; with cluster also a Service by its name
// within the cluster, or a private address.
func Check(target string, cluster bool) error {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" {
		return fmt.Errorf("target %q: write a URL such as http://127.0.0.1:3000/api/agents/xiaoai/v1/infer", target)
	}
	host := u.Hostname()
	if host == "localhost" {
		return nil
	}
	if address, err := netip.ParseAddr(host); err == nil {
		if address.IsLoopback() || cluster && address.IsPrivate() {
			return nil
		}
		return refusal(host, cluster)
	}
	inside := !strings.Contains(host, ".") || strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local")
	if cluster && inside {
		return nil
	}
	return refusal(host, cluster)
}

func refusal(host string, cluster bool) error {
	if cluster {
		return fmt.Errorf("target %s: load goes only to loopback, to private addresses, and to Services such as suokelife-service.suoke-life.svc", host)
	}
	return fmt.Errorf("target %s: load goes only to loopback; with --allow-cluster also to a Service of the cluster", host)
}
