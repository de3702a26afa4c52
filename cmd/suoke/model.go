package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
)

// personsRegistry is where a person finds the registry: the local cluster's, or one end of a kubectl port-forward.
const personsRegistry = "127.0.0.1:5000"

func newModelCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Publish, list and fetch models and data sets",
		Long: `Models and data sets are artifacts in an OCI registry, known by their digest.

  suoke model push build/models/xiaoai-digits/v2.1.0 models/xiaoai-digits:v2.1.0
  suoke model ls
  suoke model inspect models/xiaoai-digits:v2.1.0
  suoke model pull models/xiaoai-digits:v2.1.0 /tmp/digits

A reference is [HOST/]REPOSITORY:TAG or [HOST/]REPOSITORY@DIGEST. Without a host it is one of --registry, which is
` + personsRegistry + ` unless you say otherwise; elsewhere, make it so with
  kubectl port-forward -n suoke-life deployment/model-registry 5000`,
	}
	cmd.AddCommand(newModelPushCommand(), newModelPullCommand(), newModelListCommand(), newModelInspectCommand(), newModelFetchCommand())
	return cmd
}

// registryFlags say which registry is meant, and how it is spoken to.
type registryFlags struct {
	registry  string
	plainHTTP bool
}

func (f *registryFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.registry, "registry", personsRegistry, "host and port of the registry of references without a host")
	f.addPlain(flags)
}

func (f *registryFlags) addPlain(flags *pflag.FlagSet) {
	flags.BoolVar(&f.plainHTTP, "plain-http", false, "speak HTTP without TLS; so it is anyway with loopback and model-registry")
}

func (f *registryFlags) parse(text string) (ref.Reference, store.Options, error) {
	r, err := ref.Parse(text, f.registry)
	if err != nil {
		return ref.Reference{}, store.Options{}, fmt.Errorf("reference %w", err)
	}
	return r, f.options(r), nil
}

func (f *registryFlags) options(r ref.Reference) store.Options {
	return store.Options{PlainHTTP: f.plainHTTP || r.PlainHTTP()}
}

// bytesText is a size as people read it.
func bytesText(n int64) string {
	const step = 1024
	if n < step {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/step, "KiB"
	for _, next := range []string{"MiB", "GiB", "TiB"} {
		if value < step {
			break
		}
		value, unit = value/step, next
	}
	return fmt.Sprintf("%.1f %s", value, unit)
}
