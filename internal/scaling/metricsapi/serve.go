package metricsapi

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"
)

// Endpoint is the HTTPS server of custom.metrics.k8s.io.
type Endpoint struct {
	// Port it listens at, on all addresses.
	Port int
	// Listener replaces Port, if it is not nil.
	Listener net.Listener
	// Kubeconfig of the API server that authenticates and authorizes who asks; empty in a Pod.
	Kubeconfig string
	// Certificate and Key it serves with, in PEM.
	Certificate, Key []byte
	// Metrics it answers with.
	Metrics provider.CustomMetricsProvider
}

// Run serves until the context ends.
func (e *Endpoint) Run(ctx context.Context) error {
	pair, err := dynamiccertificates.NewStaticCertKeyContent("serving", e.Certificate, e.Key)
	if err != nil {
		return fmt.Errorf("reading the serving certificate: %w", err)
	}
	base := cmd.AdapterBase{
		Name:                 "suoke-metrics-adapter",
		FlagSet:              pflag.NewFlagSet("metrics-adapter", pflag.ContinueOnError),
		RemoteKubeConfigFile: e.Kubeconfig,
	}
	base.InstallFlags()
	base.SecureServing.BindPort = e.Port
	base.SecureServing.Listener = e.Listener
	base.SecureServing.ServerCert.CertDirectory = ""
	base.Authentication.RemoteKubeConfigFile = e.Kubeconfig
	base.Authorization.RemoteKubeConfigFile = e.Kubeconfig
	base.WithCustomMetrics(e.Metrics)
	config, err := base.Config()
	if err != nil {
		return fmt.Errorf("serving custom.metrics.k8s.io: %w", err)
	}
	// In place of the certificate that the library makes for itself: the API server trusts this one.
	config.GenericConfig.SecureServing.Cert = pair
	if err := base.Run(ctx); err != nil {
		return fmt.Errorf("serving custom.metrics.k8s.io: %w", err)
	}
	return nil
}
