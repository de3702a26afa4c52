package node

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/image"
)

// WriteFiles writes the configuration files of the node's processes.
func WriteFiles(c cluster.Config) error {
	at := c.Addresses()
	for name, text := range map[string]string{
		"resolv.conf": "", // the node has no way out, so it has no name server either
		"kubelet.yaml": fmt.Sprintf(kubeletFile, c.Cgroup(), at.DNS, c.Path("pki", "ca.crt"),
			c.Path("pki", "kubelet-serving.crt"), c.Path("pki", "kubelet-serving.key"), c.Path("config", "resolv.conf")),
		"proxy.yaml":            fmt.Sprintf(proxyFile, at.Pods, c.Path("pki", "proxy.kubeconfig"), c.NodeName(), at.Node),
		"containerd.toml":       fmt.Sprintf(containerdFile, image.Pause, c.Program("cni"), c.Path("config", "cni"), c.Program("containerd-shim-runc-v2"), c.Program("runc")),
		"cni/10-suoke.conflist": fmt.Sprintf(networkFile, at.Pods.String()),
	} {
		file := c.Path("config", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // nothing in it is secret
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // nothing in it is secret
			return fmt.Errorf("writing the node's configuration: %w", err)
		}
	}
	return nil
}

const kubeletFile = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: %s
clusterDNS: [%s]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %q}}
authorization: {mode: Webhook}
tlsCertFile: %q
tlsPrivateKeyFile: %q
resolvConf: %q
failSwapOn: false
oomScoreAdj: 0
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%, nodefs.inodesFree: 1%%}
# Images come from archives: one that was collected could not be pulled again.
imageGCHighThresholdPercent: 100
nodeStatusUpdateFrequency: 5s
`

const proxyFile = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: %s
clientConnection: {kubeconfig: %q}
hostnameOverride: %s
bindAddress: %s
oomScoreAdj: 0
conntrack: {maxPerCore: 0, min: 0}
nftables: {minSyncPeriod: 50ms}
`

const containerdFile = `version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = %q
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  enable_unprivileged_ports = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = [%q]
    conf_dir = %q
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd]
    default_runtime_name = "runc"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      runtime_path = %q
      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
        BinaryName = %q
        SystemdCgroup = false
`

// The ptp plugin routes every packet through the node: a ClusterIP's answers find back without bridge filters, and a policy
// in the forward hook sees what Pods send each other.
const networkFile = `{"cniVersion": "1.0.0", "name": "suoke", "plugins": [
 {"type": "ptp", "ipMasq": false, "mtu": 1500,
  "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
 {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "nftables"}]}
`
