package pki

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// Context is the name of the context in every kubeconfig.
const Context = "suoke-local"

// Provision makes everything a cluster needs, in its directory pki, and the kubeconfig for people.
func Provision(c cluster.Config, now time.Time) error {
	a, err := Create(c.Path("pki"), now)
	if err != nil {
		return err
	}
	if err := a.Pair("sa"); err != nil {
		return err
	}
	at := c.Addresses()
	service := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}
	for name, holder := range map[string]Holder{
		"apiserver":         {Name: "kube-apiserver", Hosts: service, IPs: []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Node, at.Kubernetes}},
		"apiserver-kubelet": {Name: "kube-apiserver-kubelet-client", Group: "system:masters"},
		"front-proxy":       {Name: "front-proxy"},
		"kubelet-serving":   {Name: c.NodeName(), Hosts: []string{c.NodeName()}, IPs: []netip.Addr{at.Node}},
		"metrics-server":    {Name: "metrics-server", Hosts: []string{"metrics-server.kube-system.svc"}},
	} {
		if err := a.Issue(name, holder, now); err != nil {
			return err
		}
	}
	for name, user := range map[string]Holder{
		"admin":              {Name: "admin", Group: "system:masters"},
		"controller-manager": {Name: "system:kube-controller-manager"},
		"scheduler":          {Name: "system:kube-scheduler"},
		"proxy":              {Name: "system:kube-proxy"},
		"kubelet":            {Name: "system:node:" + c.NodeName(), Group: "system:nodes"},
		"netpol":             {Name: "suoke:netpol"},
	} {
		if err := a.Issue(name, user, now); err != nil {
			return err
		}
		if err := a.kubeconfig(a.Path(name+".kubeconfig"), name, c.API()); err != nil {
			return err
		}
	}
	return a.kubeconfig(c.Kubeconfig(), "admin", c.PublishedAPI())
}

// kubeconfig writes a file that holds all it needs, so that it can be copied.
func (a *Authority) kubeconfig(file, user, server string) error {
	var data [3]string
	for i, name := range []string{"ca.crt", user + ".crt", user + ".key"} {
		text, err := os.ReadFile(a.Path(name))
		if err != nil {
			return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
		}
		data[i] = base64.StdEncoding.EncodeToString(text)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: %[1]s
contexts:
- name: %[1]s
  context: {cluster: %[1]s, user: %[2]s}
clusters:
- name: %[1]s
  cluster: {server: %[3]q, certificate-authority-data: %[4]s}
users:
- name: %[2]s
  user: {client-certificate-data: %[5]s, client-key-data: %[6]s}
`, Context, user, server, data[0], data[1], data[2])
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil { //nolint:gosec // a file of the cluster's own directory
		return fmt.Errorf("writing the kubeconfig of %s: %w", user, err)
	}
	return nil
}
