// Package addon brings what a bare cluster lacks to be of use: names, resource metrics, policies' permissions and volumes.
// Manifests are in manifests/; what differs between clusters is filled in.
package addon

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/image"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
)

//go:embed manifests
var manifests embed.FS

// values are what manifests take in.
type values struct {
	DNS, Node, Image                   string
	Authority, MetricsCert, MetricsKey string
	Volumes                            []Volume
}

// Apply applies what can be there from the start: all but the metrics API.
func Apply(ctx context.Context, api *kube.Client, c cluster.Config) error {
	return apply(ctx, api, c, "netpol.yaml", "storage.yaml", "coredns.yaml", "metrics-server.yaml")
}

// ApplyMetricsAPI registers the API that metrics-server serves. Before the server is ready it would break discovery for all.
func ApplyMetricsAPI(ctx context.Context, api *kube.Client, c cluster.Config) error {
	return apply(ctx, api, c, "metrics-api.yaml")
}

func apply(ctx context.Context, api *kube.Client, c cluster.Config, files ...string) error {
	v, err := fill(c)
	if err != nil {
		return err
	}
	for _, file := range files {
		objects, err := read(file, v)
		if err != nil {
			return err
		}
		for _, o := range objects {
			path, err := pathOf(o)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			// Namespaces and bootstrap roles come a moment after the API server is ready.
			err = api.Until(ctx, path, func(ctx context.Context) (bool, error) { return true, api.Apply(ctx, path, o) })
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func fill(c cluster.Config) (values, error) {
	v := values{DNS: c.Addresses().DNS.String(), Node: c.NodeName(), Image: image.Kubernetes, Volumes: Volumes()}
	for name, into := range map[string]*string{"ca.crt": &v.Authority, "metrics-server.crt": &v.MetricsCert, "metrics-server.key": &v.MetricsKey} {
		text, err := os.ReadFile(c.Path("pki", name))
		if err != nil {
			return v, fmt.Errorf("reading a certificate: %w", err)
		}
		*into = base64.StdEncoding.EncodeToString(text)
	}
	return v, nil
}

func read(file string, v values) ([]kube.Object, error) {
	text, err := template.ParseFS(manifests, "manifests/"+file)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	var filled bytes.Buffer
	if err := text.Execute(&filled, v); err != nil {
		return nil, fmt.Errorf("filling in %s: %w", file, err)
	}
	var objects []kube.Object
	for document := range strings.SplitSeq(filled.String(), "\n---\n") {
		var o kube.Object
		if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// pathOf is where an object of a manifest is in the API.
func pathOf(o kube.Object) (string, error) {
	version, _ := o["apiVersion"].(string)
	kind, _ := o["kind"].(string)
	metadata, _ := o["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	if version == "" || kind == "" || name == "" {
		return "", fmt.Errorf("an object lacks apiVersion, kind or name: %v", o)
	}
	path := "/api/" + version
	if strings.Contains(version, "/") {
		path = "/apis/" + version
	}
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		path += "/namespaces/" + namespace
	}
	plural := strings.ToLower(kind) + "s"
	if kind == "StorageClass" {
		plural = "storageclasses"
	}
	return path + "/" + plural + "/" + name, nil
}
