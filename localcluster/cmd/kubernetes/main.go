// Command kubernetes is every Kubernetes program of a node in one file, since most of each is the same code: nine processes
// then share one file's pages. The name it is called by says which program it is, or else its first argument.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	_ "time/tzdata" // CronJobs name time zones, and the image holds nothing but this file

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	genericapiserver "k8s.io/apiserver/pkg/server"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // kubeconfigs that name a provider
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of the client
	_ "k8s.io/component-base/metrics/prometheus/version"  // metric with the version
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"

	"github.com/suoke-life/suoke/localcluster/internal/dns"
	"github.com/suoke-life/suoke/localcluster/internal/netpol"
)

// programs start what is inside. Commands are built only for the program that runs, because building registers flags and metrics.
func programs() map[string]func() int {
	return map[string]func() int{
		"etcd":                    runEtcd,
		"kube-apiserver":          component(apiserver.NewAPIServerCommand),
		"kube-controller-manager": component(controllermanager.NewControllerManagerCommand),
		"kube-scheduler":          component(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
		"kubelet":                 component(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
		"kube-proxy":              component(proxy.NewProxyCommand),
		"metrics-server": component(func() *cobra.Command {
			return metricsserver.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())
		}),
		"netpol":  component(netpol.NewCommand),
		"coredns": runDNS,
		"kubectl": runKubectl,
	}
}

func main() {
	all := programs()
	run := all[filepath.Base(os.Args[0])]
	if run == nil && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		run = all[os.Args[0]]
	}
	if run == nil {
		fmt.Fprintf(os.Stderr, "usage: kubernetes PROGRAM …, where PROGRAM is one of: %s\n", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		os.Exit(2)
	}
	os.Exit(run())
}

func component(build func() *cobra.Command) func() int {
	return func() int { return cli.Run(build()) }
}

func runEtcd() int {
	etcdmain.Main(os.Args)
	return 0
}

func runDNS() int {
	dns.Run()
	return 0
}

func runKubectl() int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}
