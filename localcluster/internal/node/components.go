package node

import (
	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// component is one process of the node.
type component struct {
	name string
	// file is the program's file; its name is what the process calls itself, by which one file knows its part.
	file string
	args []string
}

// Names of the components, in the order in which they start.
const (
	etcd              = "etcd"
	containerd        = "containerd"
	apiserver         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	kubelet           = "kubelet"
	kubeProxy         = "kube-proxy"
	netpol            = "netpol"
)

// foundation needs no API server to start; the rest waits for it.
func foundation(c cluster.Config) []component {
	kubernetes := c.Program("kubernetes")
	return []component{
		{etcd, kubernetes, etcdArgs()},
		{containerd, c.Program("containerd"), []string{"--config", c.Path("config", "containerd.toml")}},
		{apiserver, kubernetes, apiserverArgs(c)},
	}
}

func rest(c cluster.Config) []component {
	kubernetes := c.Program("kubernetes")
	return []component{
		{controllerManager, kubernetes, controllerManagerArgs(c)},
		{scheduler, kubernetes, append(as(c, "scheduler"), "--bind-address=127.0.0.1", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000")},
		{kubelet, kubernetes, []string{
			"--config=" + c.Path("config", "kubelet.yaml"), "--kubeconfig=" + c.Path("pki", "kubelet.kubeconfig"),
			"--hostname-override=" + c.NodeName(), "--node-ip=" + c.Addresses().Node.String(), "--root-dir=/var/lib/kubelet",
		}},
		{kubeProxy, kubernetes, []string{"--config=" + c.Path("config", "proxy.yaml")}},
		{netpol, kubernetes, []string{"--kubeconfig=" + c.Path("pki", "netpol.kubeconfig")}},
	}
}

func etcdArgs() []string {
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	return []string{
		"--name=node", "--data-dir=/var/lib/etcd", "--log-level=warn",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=node=" + peer,
		"--auto-compaction-retention=5m",
		"--unsafe-no-fsync",                                 // the data go with the cluster
		"--heartbeat-interval=20", "--election-timeout=200", // one member elects itself at once
	}
}

func apiserverArgs(c cluster.Config) []string {
	key := func(name string) string { return c.Path("pki", name) }
	at := c.Addresses()
	return []string{
		"--advertise-address=" + at.Node.String(), "--secure-port=6443", "--etcd-servers=http://127.0.0.1:2379",
		"--service-cluster-ip-range=" + at.Services.String(),
		"--client-ca-file=" + key("ca.crt"), "--tls-cert-file=" + key("apiserver.crt"), "--tls-private-key-file=" + key("apiserver.key"),
		"--kubelet-client-certificate=" + key("apiserver-kubelet.crt"), "--kubelet-client-key=" + key("apiserver-kubelet.key"),
		"--kubelet-certificate-authority=" + key("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + key("sa.pub"), "--service-account-signing-key-file=" + key("sa.key"),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--requestheader-client-ca-file=" + key("ca.crt"), "--requestheader-allowed-names=front-proxy",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + key("front-proxy.crt"), "--proxy-client-key-file=" + key("front-proxy.key"),
		"--enable-aggregator-routing=true", "--allow-privileged=true",
	}
}

// controllerManagerArgs leaves the autoscaler's flags at their upstream defaults, so that what is measured here holds elsewhere.
func controllerManagerArgs(c cluster.Config) []string {
	return append(as(c, "controller-manager"),
		"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials",
		"--cluster-signing-cert-file="+c.Path("pki", "ca.crt"), "--cluster-signing-key-file="+c.Path("pki", "ca.key"),
		"--root-ca-file="+c.Path("pki", "ca.crt"), "--service-account-private-key-file="+c.Path("pki", "sa.key"),
		// Defaults hold up the first service accounts for seconds.
		"--kube-api-qps=500", "--kube-api-burst=1000")
}

// as are the flags by which a component is a user of the API.
func as(c cluster.Config, user string) []string {
	file := c.Path("pki", user+".kubeconfig")
	return []string{"--kubeconfig=" + file, "--authentication-kubeconfig=" + file, "--authorization-kubeconfig=" + file}
}
