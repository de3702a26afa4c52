package apiserver

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// deployment is the file that gives our processes their rights.
const deployment = "k8s/deployment.yaml"

// As reaches the server with the rights that our manifests give a ServiceAccount, and no more, in a test's namespace.
func (s *Server) As(t *testing.T, namespace, account string) *rest.Config {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, deployment)) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var kind metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		if kind.Name != account {
			continue
		}
		switch kind.Kind {
		case "Role":
			var role rbacv1.Role
			s.grant(t, document, &role, func() { role.Namespace = namespace })
		case "RoleBinding":
			var binding rbacv1.RoleBinding
			s.grant(t, document, &binding, func() { binding.Namespace, binding.Subjects[0].Namespace = namespace, namespace })
		}
	}
	config := rest.CopyConfig(s.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":" + account}
	return config
}

// grant makes an object of the manifests, moved to the test's namespace.
func (s *Server) grant(t *testing.T, document []byte, object client.Object, move func()) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		t.Fatal(err)
	}
	move()
	if err := s.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}
