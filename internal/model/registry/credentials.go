package registry

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/store"
)

// The keys of the Secrets, as the API documents them.
const (
	keyUsername = corev1.BasicAuthUsernameKey
	keyPassword = corev1.BasicAuthPasswordKey
	keyToken    = "token"
)

// credentials reads the Secret that an accepted registry names. One that is not there, or lacks a key, is no error: a
// person has yet to make it.
func (r *Reconciler) credentials(ctx context.Context, object *suokev1.ModelRegistry) (store.Credentials, *problem, error) {
	var keys []string
	switch object.Spec.Authentication.Type {
	case suokev1.AuthenticationBasic:
		keys = []string{keyUsername, keyPassword}
	case suokev1.AuthenticationToken:
		keys = []string{keyToken}
	case suokev1.AuthenticationNone, suokev1.AuthenticationOAuth2: // the latter is not accepted
	}
	if len(keys) == 0 {
		return store.Credentials{}, nil, nil
	}
	name := object.Spec.Authentication.SecretRef.Name
	var secret corev1.Secret
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: object.Namespace, Name: name}, &secret)
	if apierrors.IsNotFound(err) {
		return store.Credentials{}, lacking(object, "there is no Secret "+name, keys), nil
	}
	if err != nil {
		return store.Credentials{}, nil, fmt.Errorf("reading the Secret %s: %w", name, err)
	}
	value := func(key string) string { return strings.TrimRight(string(secret.Data[key]), "\r\n") } // as `echo` leaves it
	for _, key := range keys {
		if value(key) == "" {
			return store.Credentials{}, lacking(object, fmt.Sprintf("the Secret %s has no key %s", name, key), keys), nil
		}
	}
	if object.Spec.Authentication.Type == suokev1.AuthenticationToken {
		return store.Credentials{Token: value(keyToken)}, nil, nil
	}
	return store.Credentials{Username: value(keyUsername), Password: value(keyPassword)}, nil, nil
}

// lacking says what is missing and how to make it.
func lacking(object *suokev1.ModelRegistry, what string, keys []string) *problem {
	literals := make([]string, len(keys))
	for i, key := range keys {
		literals[i] = fmt.Sprintf("--from-literal=%s=…", key)
	}
	return refused(suokev1.ReasonSecretNotFound, "authentication.secretRef: %s; write kubectl create secret generic %s -n %s %s",
		what, object.Spec.Authentication.SecretRef.Name, object.Namespace, strings.Join(literals, " "))
}
