package credentials_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
)

// held are the Secrets of namespace "here"; to get any other is an error of the server.
type held map[string]corev1.Secret

// Get reads a Secret.
func (h held) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	secret, isSecret := into.(*corev1.Secret)
	if key.Namespace != "here" || !isSecret {
		return errors.New("no connection")
	}
	found, there := h[key.Name]
	if !there {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	}
	*secret = found
	return nil
}

// List is not allowed.
func (held) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("secrets may not be listed")
}

func secret(kind corev1.SecretType, pairs ...string) corev1.Secret {
	s := corev1.Secret{Type: kind, Data: map[string][]byte{}}
	for i := 0; i < len(pairs); i += 2 {
		s.Data[pairs[i]] = []byte(pairs[i+1])
	}
	return s
}

func TestAProofIsReadFromItsPlace(t *testing.T) {
	t.Parallel()
	secrets := held{
		"basic":   secret(corev1.SecretTypeBasicAuth, "username", "me", "password", "secret\n"),
		"token":   secret(corev1.SecretTypeOpaque, "token", "t"),
		"both":    secret(corev1.SecretTypeOpaque, "token", "t", "username", "me", "password", "secret"),
		"half":    secret(corev1.SecretTypeOpaque, "password", "secret"),
		"foreign": secret(corev1.SecretTypeOpaque, "tls.key", "k"),
		"account": secret(corev1.SecretTypeServiceAccountToken, "token", "t"),
	}
	name, bearer := credentials.Proof{Username: "me", Password: "secret"}, credentials.Proof{Token: "t"}
	for sentence, c := range map[string]struct {
		secret string
		kind   credentials.Kind
		want   credentials.Proof
		lacks  string
	}{
		"a name and password":                  {"basic", credentials.Basic, name, ""},
		"a token":                              {"token", credentials.Token, bearer, ""},
		"either of them, a name":               {"basic", credentials.Either, name, ""},
		"either of them, a token":              {"token", credentials.Either, bearer, ""},
		"either of them, where both are":       {"both", credentials.Either, bearer, ""},
		"a name, where both are":               {"both", credentials.Basic, name, ""},
		"no Secret":                            {"none", credentials.Basic, credentials.Proof{}, "f: there is no Secret none; write kubectl create secret generic none -n here --from-literal=username=… --from-literal=password=…"},
		"no Secret with either":                {"none", credentials.Either, credentials.Proof{}, "--from-literal=token=…, or --from-literal=username=… --from-literal=password=…"},
		"a token where a name is asked for":    {"token", credentials.Basic, credentials.Proof{}, `f: the Secret token has no key username; write kubectl patch secret token -n here --type=merge -p '{"stringData": {"username": "…", "password": "…"}}'`},
		"a password without its name":          {"half", credentials.Either, credentials.Proof{}, `the Secret half has no key username; write kubectl patch secret half -n here --type=merge -p '{"stringData": {"username": "…"}}'`},
		"something else":                       {"foreign", credentials.Either, credentials.Proof{}, "the Secret foreign has neither a token nor username and password; write kubectl patch"},
		"what opens the cluster":               {"account", credentials.Either, credentials.Proof{}, "is of type kubernetes.io/service-account-token and opens this cluster, so no registry is shown it"},
		"what opens the cluster, by a Kind":    {"account", credentials.Token, credentials.Proof{}, "name another"},
		"a place that is nowhere is anonymous": {"", "", credentials.Proof{}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			got, err := credentials.Place{Field: "f", Secret: c.secret, Kind: c.kind}.Read(t.Context(), secrets, "here")
			if got != c.want || errors.Is(err, credentials.ErrMissing) != (c.lacks != "") || err != nil && !strings.Contains(err.Error(), c.lacks) {
				t.Errorf("as wanted: %v; %v", got == c.want, err)
			}
		})
	}
	if _, err := (credentials.Place{Secret: "basic", Kind: credentials.Basic}).Read(t.Context(), secrets, "elsewhere"); err == nil || errors.Is(err, credentials.ErrMissing) {
		t.Errorf("a server that does not answer: %v", err)
	}
}

func TestAPlaceIsInTheObjectsOwnNamespace(t *testing.T) {
	t.Parallel()
	model := func(own *suokev1.SecretRef) *suokev1.AIModel {
		m := &suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: "m", Namespace: "here"}}
		m.Spec.Repository.SecretRef = own
		return m
	}
	through := func(kind suokev1.AuthenticationType, ref *suokev1.SecretRef) *suokev1.ModelRegistry {
		return &suokev1.ModelRegistry{
			ObjectMeta: metav1.ObjectMeta{Name: "central", Namespace: "here"},
			Spec:       suokev1.ModelRegistrySpec{Authentication: suokev1.Authentication{Type: kind, SecretRef: ref}},
		}
	}
	there := &suokev1.SecretRef{Name: "access", Namespace: "there"}
	access := &suokev1.SecretRef{Name: "access"}
	for sentence, c := range map[string]struct {
		model   *suokev1.AIModel
		through *suokev1.ModelRegistry
		want    credentials.Place
		refused string
	}{
		"nothing is named":              {model(nil), nil, credentials.Place{}, ""},
		"a registry that asks for none": {model(nil), through(suokev1.AuthenticationNone, nil), credentials.Place{}, ""},
		"the model's own":               {model(access), nil, credentials.Place{Field: "repository.secretRef", Secret: "access", Kind: credentials.Either}, ""},
		"the model's own, in so many words": {
			model(&suokev1.SecretRef{Name: "access", Namespace: "here"}), nil,
			credentials.Place{Field: "repository.secretRef", Secret: "access", Kind: credentials.Either},
			"",
		},
		"the registry's": {
			model(nil), through(suokev1.AuthenticationBasic, access),
			credentials.Place{Field: "registryRef: authentication.secretRef of ModelRegistry central", Secret: "access", Kind: credentials.Basic},
			"",
		},
		"the model's own before the registry's": {
			model(&suokev1.SecretRef{Name: "own"}), through(suokev1.AuthenticationBasic, access),
			credentials.Place{Field: "repository.secretRef", Secret: "own", Kind: credentials.Either},
			"",
		},
		"one of another namespace":       {model(there), nil, credentials.Place{}, "repository.secretRef.namespace: a Secret is read from the AIModel's own namespace only; put it into here"},
		"a registry's of another":        {model(nil), through(suokev1.AuthenticationToken, there), credentials.Place{}, "registryRef: ModelRegistry central: authentication.secretRef.namespace: a Secret is read from the ModelRegistry's own"},
		"a registry's that names none":   {model(nil), through(suokev1.AuthenticationToken, nil), credentials.Place{}, "authentication: write secretRef with the Secret's name, or type: none"},
		"a registry's that is no name":   {model(nil), through(suokev1.AuthenticationToken, &suokev1.SecretRef{Name: "../x"}), credentials.Place{}, "authentication.secretRef.name: write the name of a Secret"},
		"a way that is not there yet":    {model(nil), through(suokev1.AuthenticationOAuth2, access), credentials.Place{}, "oauth2 is not supported yet"},
		"a way that there is not at all": {model(nil), through("ldap", access), credentials.Place{}, "there is no ldap"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			got, err := credentials.OfModel(c.model, c.through)
			if got != c.want || (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
