package server

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// defaultNamespace is where the system lives if nothing says otherwise.
	defaultNamespace = "suoke-life"
	// podNamespaceFile holds the namespace of the Pod that the process runs in.
	podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// Cluster is which API server and namespace a process works with.
type Cluster struct {
	Namespace  string
	Kubeconfig string
}

// Flags adds --namespace and --kubeconfig.
func (c *Cluster) Flags(flags *pflag.FlagSet) {
	flags.StringVarP(&c.Namespace, "namespace", "n", ownNamespace(), "namespace of the system")
	flags.StringVar(&c.Kubeconfig, "kubeconfig", "", "file that names the API server (default: the cluster that the process runs in, else $KUBECONFIG)")
}

// Client connects to the API server; nothing is asked yet.
func (c *Cluster) Client() (kubernetes.Interface, error) {
	config, err := c.Config()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster (run in a Pod, or write --kubeconfig FILE): %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return client, nil
}

// Config says how to reach the API server: as the Pod that the process runs in, else by the kubeconfig.
func (c *Cluster) Config() (*rest.Config, error) {
	if c.Kubeconfig == "" {
		if config, err := rest.InClusterConfig(); err == nil {
			return config, nil
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = c.Kubeconfig
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
}

// ownNamespace is the Pod's, if the process runs in one.
func ownNamespace() string {
	if name := os.Getenv("POD_NAMESPACE"); name != "" {
		return name
	}
	if data, err := os.ReadFile(podNamespaceFile); err == nil {
		return strings.TrimSpace(string(data))
	}
	return defaultNamespace
}

// PodName is the name of the Pod that the process runs in, or of the machine.
func PodName() string {
	if name := os.Getenv("POD_NAME"); name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
