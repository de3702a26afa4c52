// Package cluster describes a local cluster: its name, directory, addresses and what it publishes. It decides nothing about
// processes and touches nothing but the cluster's own description on disk.
package cluster

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
)

// MaxNetwork is the highest number of a network.
const MaxNetwork = 99

// Config is what makes one cluster different from another beside it.
type Config struct {
	// Name tells the clusters of a machine apart: in the name of the link, of the node and of the cgroup.
	Name string `json:"name"`
	// Dir holds everything of the cluster.
	Dir string `json:"dir"`
	// BuildDir holds the programs.
	BuildDir string `json:"buildDir"`
	// Network is the number of the private address block.
	Network int `json:"network"`
	// APIPort is the loopback port of the API server.
	APIPort int `json:"apiPort"`
	// Publish are the Services to be reached on loopback.
	Publish []Publication `json:"publish"`
}

// Validate says what to write if something is wrong, and makes the directories absolute.
func (c *Config) Validate() error {
	// 15 characters is the longest name of a link, and "suoke-" goes before.
	if !regexp.MustCompile(`^[a-z][a-z0-9]{0,8}$`).MatchString(c.Name) {
		return fmt.Errorf("--name %q: write 1 to 9 lower-case letters and digits, a letter first", c.Name)
	}
	if c.Network < 0 || c.Network > MaxNetwork {
		return fmt.Errorf("--network %d: write a number from 0 to %d", c.Network, MaxNetwork)
	}
	ports := map[int]bool{}
	for _, port := range append([]int{c.APIPort}, portsOf(c.Publish)...) {
		if port < 1 || port > 65535 {
			return fmt.Errorf("port %d: write a number from 1 to 65535", port)
		}
		if ports[port] {
			return fmt.Errorf("port %d is published twice: give each its own by --api-port and --publish", port)
		}
		ports[port] = true
	}
	for _, dir := range []*string{&c.Dir, &c.BuildDir} {
		absolute, err := filepath.Abs(*dir)
		if err != nil {
			return fmt.Errorf("finding %s: %w", *dir, err)
		}
		*dir = absolute
	}
	return nil
}

func portsOf(publications []Publication) []int {
	var ports []int
	for _, p := range publications {
		ports = append(ports, p.Port)
	}
	return ports
}

// Path is a file or directory of the cluster.
func (c Config) Path(elem ...string) string {
	return filepath.Join(append([]string{c.Dir}, elem...)...)
}

// Program is the path of a built program.
func (c Config) Program(elem ...string) string {
	return filepath.Join(append([]string{c.BuildDir}, elem...)...)
}

// NodeName is the name of the only node, and its host name.
func (c Config) NodeName() string { return "suoke-" + c.Name }

// Link is the host's end of the pair of links that is all the host sees of the cluster's network.
func (c Config) Link() string { return "suoke-" + c.Name }

// Cgroup is the cluster's place in every hierarchy; the node's own processes are in its child "system".
func (c Config) Cgroup() string { return "/suoke-" + c.Name }

// Addresses of a cluster are all in 10.(100+Network).0.0/16.
type Addresses struct {
	Host, Node netip.Addr
	// Link is the length of the prefix that Host and Node share.
	Link           int
	Pods, Services netip.Prefix
	// Kubernetes is the Service of the API server, DNS that of the names.
	Kubernetes, DNS netip.Addr
}

// Addresses lays out the private address block.
func (c Config) Addresses() Addresses {
	at := func(third, fourth byte) netip.Addr {
		return netip.AddrFrom4([4]byte{10, byte(100 + c.Network), third, fourth}) //nolint:gosec // at most 199
	}
	return Addresses{
		Host: at(255, 1), Node: at(255, 2), Link: 30,
		Pods: netip.PrefixFrom(at(0, 0), 17), Services: netip.PrefixFrom(at(128, 0), 18),
		Kubernetes: at(128, 1), DNS: at(128, 10),
	}
}

// API is the URL of the API server on the cluster's own network: for the node's processes and the supervisor.
func (c Config) API() string { return fmt.Sprintf("https://%s:6443", c.Addresses().Node) }

// PublishedAPI is the URL of the API server on loopback: for everybody else.
func (c Config) PublishedAPI() string { return fmt.Sprintf("https://127.0.0.1:%d", c.APIPort) }

// Kubeconfig is the file by which people and programs reach the cluster.
func (c Config) Kubeconfig() string { return c.Path("kubeconfig") }

// Socket is where containerd listens, as the host sees it through the root of the node's first process.
func Socket(nodePID int) string {
	return fmt.Sprintf("/proc/%d/root/run/containerd/containerd.sock", nodePID)
}
