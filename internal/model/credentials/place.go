package credentials

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// Place is where a proof is kept: a Secret in the namespace of the object that names it. The zero value is nowhere: the
// registry is asked anonymously.
type Place struct {
	// Field that names the Secret, as people find it.
	Field  string
	Secret string
	Kind   Kind
}

// OfRegistry is where the proof of a ModelRegistry is kept. The error says what to write into the object.
func OfRegistry(object *suokev1.ModelRegistry) (Place, error) {
	authentication := object.Spec.Authentication
	place := Place{Field: "authentication.secretRef"}
	switch authentication.Type {
	case "", suokev1.AuthenticationNone:
		return Place{}, nil
	case suokev1.AuthenticationBasic:
		place.Kind = Basic
	case suokev1.AuthenticationToken:
		place.Kind = Token
	case suokev1.AuthenticationOAuth2:
		return Place{}, errors.New("authentication.type: oauth2 is not supported yet; write basic, token or none")
	default:
		return Place{}, fmt.Errorf("authentication.type: there is no %s; write basic, token or none", authentication.Type)
	}
	if authentication.SecretRef == nil {
		return Place{}, errors.New("authentication: write secretRef with the Secret's name, or type: none")
	}
	return place.in(authentication.SecretRef, "ModelRegistry", object.Namespace)
}

// OfModel is where the proof of an AIModel is kept: as it says itself, or else as the ModelRegistry says that it names, which
// is nil if it names none. The error says what to write, and into which object.
func OfModel(model *suokev1.AIModel, through *suokev1.ModelRegistry) (Place, error) {
	if own := model.Spec.Repository.SecretRef; own != nil {
		return Place{Field: "repository.secretRef", Kind: Either}.in(own, "AIModel", model.Namespace)
	}
	if through == nil {
		return Place{}, nil
	}
	place, err := OfRegistry(through)
	if err != nil {
		return Place{}, fmt.Errorf("registryRef: ModelRegistry %s: %w; or write repository.secretRef", through.Name, err)
	}
	if place.Secret != "" {
		place.Field = "registryRef: " + place.Field + " of ModelRegistry " + through.Name
	}
	return place, nil
}

// in names the Secret, which must be in the object's own namespace: no object may have another's secrets shown to a registry.
func (p Place) in(secret *suokev1.SecretRef, kind, namespace string) (Place, error) {
	if len(validation.IsDNS1123Subdomain(secret.Name)) != 0 {
		return Place{}, fmt.Errorf("%s.name: write the name of a Secret, in lower case, such as models-access", p.Field)
	}
	if secret.Namespace != "" && secret.Namespace != namespace {
		return Place{}, fmt.Errorf("%s.namespace: a Secret is read from the %s's own namespace only; put it into %s and leave the field out",
			p.Field, kind, namespace)
	}
	p.Secret = secret.Name
	return p, nil
}

// Read reads the proof. Where the Secret is not there, or lacks a key, the error is ErrMissing and says how to make it.
func (p Place) Read(ctx context.Context, from client.Reader, namespace string) (Proof, error) {
	if p.Secret == "" {
		return Proof{}, nil
	}
	var secret corev1.Secret
	err := from.Get(ctx, types.NamespacedName{Namespace: namespace, Name: p.Secret}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return Proof{}, p.missing("there is no Secret %s; write kubectl create secret generic %s -n %s %s", p.Secret, p.Secret, namespace, literals(p.Kind))
	case err != nil:
		return Proof{}, fmt.Errorf("reading the Secret %s: %w", p.Secret, err)
	case secret.Type == corev1.SecretTypeServiceAccountToken || secret.Type == corev1.SecretTypeBootstrapToken:
		return Proof{}, p.missing("the Secret %s is of type %s and opens this cluster, so no registry is shown it; name another", p.Secret, secret.Type)
	}
	proof, lacks := p.Kind.proof(func(key string) string { return plain(secret.Data[key]) })
	if lacks != nil {
		return Proof{}, p.missing(`the Secret %s %s; write kubectl patch secret %s -n %s --type=merge -p '{"stringData": {%s}}'`,
			p.Secret, lacks.what, p.Secret, namespace, quoted(lacks.keys))
	}
	return proof, nil
}

// missingError is ErrMissing in the words of one place.
type missingError struct{ text string }

// Error returns the sentence.
func (e *missingError) Error() string { return e.text }

// Is says that it is ErrMissing.
func (*missingError) Is(target error) bool { return target == ErrMissing }

func (p Place) missing(format string, args ...any) error {
	return &missingError{p.Field + ": " + fmt.Sprintf(format, args...)}
}

// literals are what makes a Secret of a kind.
func literals(kind Kind) string {
	ways := make([]string, 0, 2)
	for _, keys := range kind.ways() {
		each := make([]string, len(keys))
		for i, key := range keys {
			each[i] = "--from-literal=" + key + "=…"
		}
		ways = append(ways, strings.Join(each, " "))
	}
	return strings.Join(ways, ", or ")
}

func quoted(keys []string) string {
	each := make([]string, len(keys))
	for i, key := range keys {
		each[i] = fmt.Sprintf(`"%s": "…"`, key)
	}
	return strings.Join(each, ", ")
}
