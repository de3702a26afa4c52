package manifest_test

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/test/apiserver"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { server = s }))
}

// Every object of every file is accepted by a real API server, with no field that it does not know, in a namespace
// that enforces the restricted Pod Security level.
func TestTheAPIServerAcceptsEveryFile(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "suoke-life", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := server.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	for size := range committed() {
		for _, f := range render(t, size) {
			if f.Name == manifest.CRDFile || f.Name == manifest.VPAFile {
				continue // the CRDs are installed already; the VPA's own are not part of Kubernetes
			}
			for _, o := range objects(t, f) {
				if o.GetNamespace() == "" && f.Name == manifest.ExamplesFile {
					o.SetNamespace("suoke-life") // taken with -n
				}
				err := server.Client.Create(t.Context(), o, client.DryRunAll, client.FieldValidation("Strict"))
				if err != nil {
					t.Errorf("%s, %s: %s %s: %v", size, f.Name, o.GetKind(), o.GetName(), err)
				}
			}
		}
	}
}

// A Deployment is accepted whatever its Pods are; the Pods themselves must pass the restricted level.
func TestPodsPassTheRestrictedLevel(t *testing.T) {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "restricted", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := server.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, d := range deployments(t, profile.Production) {
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
			Name: d.Spec.Template.Spec.ServiceAccountName, Namespace: "restricted",
		}}
		if err := client.IgnoreAlreadyExists(server.Client.Create(t.Context(), account)); err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: d.Name, Namespace: "restricted", Labels: d.Spec.Template.Labels},
			Spec:       d.Spec.Template.Spec,
		}
		if err := server.Client.Create(t.Context(), pod, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
		count++
	}
	if count != 9 {
		t.Errorf("%d Deployments, want 9", count)
	}
	version := aVersion(t)
	version.Credentials = &manifest.Credentials{Secret: "access.of.models", Keys: []string{"token", "username", "password"}}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: version.ID, Namespace: "restricted"}, Spec: version.Deployment("restricted", new(int32(1))).Spec.Template.Spec}
	if err := server.Client.Create(t.Context(), pod, client.DryRunAll, client.FieldValidation("Strict")); err != nil {
		t.Errorf("a version with credentials: %v", err)
	}
}
