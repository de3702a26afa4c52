package metricsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
)

// registerEvery is how often the registration is looked at: an APIService may be applied after the adapter started.
const registerEvery = 5 * time.Second

// Registration keeps the CA bundle of this adapter's APIServices right.
type Registration struct {
	Client aggregator.Interface
	// Service and Namespace are where this adapter answers.
	Service, Namespace string
	// CA that signed its certificate, in PEM.
	CA  []byte
	Log *slog.Logger

	said map[string]string
}

// apiServices are the versions that this adapter serves.
func apiServices() []string {
	return []string{"v1beta2.custom.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io"}
}

// Run keeps the registration until the context ends.
func (r *Registration) Run(ctx context.Context) {
	ticker := time.NewTicker(registerEvery)
	defer ticker.Stop()
	for {
		for _, name := range apiServices() {
			state, err := r.keep(ctx, name)
			if err != nil && ctx.Err() == nil {
				state = err.Error()
			}
			r.say(name, state)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// keep writes the CA bundle into an APIService that names this adapter, and says in a sentence how it stands.
func (r *Registration) keep(ctx context.Context, name string) (string, error) {
	services := r.Client.ApiregistrationV1().APIServices()
	current, err := services.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "it does not exist, so HPAs see no request rates; apply deployment.yaml", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading it: %w", err)
	}
	if s := current.Spec.Service; s == nil || s.Name != r.Service || s.Namespace != r.Namespace {
		owner := "the API server itself"
		if s != nil {
			owner = s.Namespace + "/" + s.Name
		}
		return "it belongs to " + owner + " and is left to it; that adapter must serve the agents' metrics", nil
	}
	if bytes.Equal(current.Spec.CABundle, r.CA) {
		return "it is served by this adapter", nil
	}
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": current.ResourceVersion},
		"spec":     map[string]any{"caBundle": r.CA, "insecureSkipTLSVerify": false},
	})
	if err != nil {
		return "", fmt.Errorf("writing a patch: %w", err)
	}
	if _, err := services.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return "", fmt.Errorf("writing its CA bundle: %w", err)
	}
	return "it is served by this adapter", nil
}

// say logs how an APIService stands, once for each change.
func (r *Registration) say(name, state string) {
	if r.said == nil {
		r.said = map[string]string{}
	}
	if state == "" || r.said[name] == state {
		return
	}
	r.said[name] = state
	r.Log.Info(state, "apiservice", name)
}
