package registry

import (
	"net/url"
	"strings"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
)

// accept holds a ModelRegistry against what can be honoured. The first rule that does not hold decides; nil: all hold.
func accept(object *suokev1.ModelRegistry) *problem {
	for _, rule := range []func(*suokev1.ModelRegistry) *problem{acceptEndpoint, acceptAuthentication, acceptStorage} {
		if refusal := rule(object); refusal != nil {
			return refusal
		}
	}
	return nil
}

func acceptEndpoint(object *suokev1.ModelRegistry) *problem {
	endpoint, err := url.Parse(object.Spec.Endpoint)
	if err != nil || endpoint.Scheme != "http" && endpoint.Scheme != "https" || endpoint.Host == "" {
		return refused(suokev1.ReasonInvalid, "endpoint: write a URL such as https://models.example.com, or http://model-registry:5000 inside the cluster")
	}
	if ref.IsHuggingFace(endpoint.Host) {
		return refused(suokev1.ReasonSourceNotSupported,
			"endpoint: %s is Hugging Face, which no importer reads yet; supported: OCI registries. Push its models with `suoke model push` and write the endpoint of the registry that holds them",
			object.Spec.Endpoint)
	}
	if endpoint.User != nil {
		return refused(suokev1.ReasonInvalid, "endpoint: write no name or password there; put them into a Secret and name it in authentication.secretRef")
	}
	if endpoint.RawQuery != "" || endpoint.Fragment != "" {
		return refused(suokev1.ReasonInvalid, "endpoint: write scheme, host and path only; the path is the prefix of the repositories")
	}
	if endpoint.Scheme == "http" && !ref.Inside(endpoint.Host) {
		return refused(suokev1.ReasonInvalid,
			"endpoint: plain HTTP is spoken only with model-registry inside the cluster and on loopback, by the operator and by Pods too; write https://%s%s, and let it speak TLS",
			endpoint.Host, endpoint.Path)
	}
	if _, err := ref.Parse(ref.Scheme+endpoint.Host+"/"+prefixOf(endpoint)+"name", ""); err != nil {
		return refused(suokev1.ReasonInvalid, "endpoint: its path is the prefix of the repositories: %v", err)
	}
	return nil
}

func acceptAuthentication(object *suokev1.ModelRegistry) *problem {
	if _, err := credentials.OfRegistry(object); err != nil {
		return refused(suokev1.ReasonInvalid, "%v", err)
	}
	return nil
}

func acceptStorage(object *suokev1.ModelRegistry) *problem {
	storage := object.Spec.Storage
	switch storage.Type {
	case "", suokev1.StorageLocal, suokev1.StorageNFS:
	case suokev1.StorageS3, suokev1.StorageGCS, suokev1.StorageAzure:
		return refused(suokev1.ReasonInvalid,
			"storage.type: %s is not supported yet; write local or nfs, which are the volume of the Deployment model-registry", storage.Type)
	default:
		return refused(suokev1.ReasonInvalid, "storage.type: there is no %s; write local or nfs", storage.Type)
	}
	if len(storage.Config) > 0 {
		return refused(suokev1.ReasonInvalid,
			"storage.config: local and nfs are the volume of the Deployment model-registry and have no settings here; leave config out")
	}
	return nil
}

// endpoint is where an accepted registry is, and which repositories of its host are meant.
type endpoint struct {
	host, prefix string
	plain        bool
}

func endpointOf(object *suokev1.ModelRegistry) (endpoint, error) {
	parsed, err := url.Parse(object.Spec.Endpoint)
	if err != nil {
		return endpoint{}, err
	}
	return endpoint{host: strings.ToLower(parsed.Host), prefix: prefixOf(parsed), plain: parsed.Scheme == "http"}, nil
}

// prefixOf is the path as the beginning of a repository's name: with a slash at its end, or empty.
func prefixOf(parsed *url.URL) string {
	path := strings.Trim(parsed.Path, "/")
	if path == "" {
		return ""
	}
	return path + "/"
}

// holds says whether a reference is to one of the endpoint's repositories.
func (e endpoint) holds(reference ref.Reference) bool {
	return strings.ToLower(reference.Host) == e.host && strings.HasPrefix(reference.Repository, e.prefix)
}
