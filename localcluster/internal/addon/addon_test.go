package addon

import (
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
	"github.com/suoke-life/suoke/localcluster/internal/kube"
	"github.com/suoke-life/suoke/localcluster/internal/pki"
)

// TestManifests reads every manifest as it is filled in for a cluster, and holds where its objects go: a wrong plural or a
// forgotten namespace would be asked for until patience ends.
func TestManifests(t *testing.T) {
	const core, rbac, system = "/api/v1", "/apis/rbac.authorization.k8s.io/v1", "/namespaces/kube-system"
	want := map[string][]string{
		"netpol.yaml": {rbac + "/clusterroles/suoke:netpol", rbac + "/clusterrolebindings/suoke:netpol"},
		"storage.yaml": {
			"/apis/storage.k8s.io/v1/storageclasses/local",
			core + "/persistentvolumes/local-0", core + "/persistentvolumes/local-1", core + "/persistentvolumes/local-2", core + "/persistentvolumes/local-3",
		},
		"coredns.yaml": {
			core + system + "/serviceaccounts/coredns", rbac + "/clusterroles/system:coredns", rbac + "/clusterrolebindings/system:coredns",
			core + system + "/configmaps/coredns", core + system + "/services/kube-dns", "/apis/apps/v1" + system + "/deployments/coredns",
		},
		"metrics-server.yaml": {
			core + system + "/serviceaccounts/metrics-server",
			rbac + "/clusterroles/system:metrics-server", rbac + "/clusterroles/system:aggregated-metrics-reader",
			rbac + "/clusterrolebindings/system:metrics-server", rbac + "/clusterrolebindings/metrics-server:system:auth-delegator",
			rbac + system + "/rolebindings/metrics-server-auth-reader",
			core + system + "/secrets/metrics-server", core + system + "/services/metrics-server", "/apis/apps/v1" + system + "/deployments/metrics-server",
		},
		"metrics-api.yaml": {"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"},
	}
	files, err := fs.ReadDir(manifests, "manifests")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), names); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
	v := filled(t)
	for name, want := range want {
		var got []string
		for _, o := range objects(t, name, v) {
			path, err := pathOf(o)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got = append(got, path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestWhatDiffersBetweenClustersIsFilledIn looks for each value where it belongs.
func TestWhatDiffersBetweenClustersIsFilledIn(t *testing.T) {
	v := filled(t)
	if v.Node != "suoke-test" || v.DNS != "10.107.128.10" {
		t.Errorf("the node is %s and the name server %s", v.Node, v.DNS)
	}
	for _, test := range []struct {
		file, object, field string
		want                any
	}{
		{"coredns.yaml", "Service/kube-dns", "spec.clusterIP", v.DNS},
		{"metrics-server.yaml", "Secret/metrics-server", "data.tls\\.crt", v.MetricsCert},
		{"metrics-server.yaml", "Secret/metrics-server", "data.tls\\.key", v.MetricsKey},
		{"metrics-api.yaml", "APIService/v1beta1.metrics.k8s.io", "spec.caBundle", v.Authority},
		{"storage.yaml", "PersistentVolume/local-3", "spec.local.path", "/var/lib/volumes/local-3"},
	} {
		if got := find(t, objects(t, test.file, v), test.object, test.field); got != test.want || got == "" {
			t.Errorf("%s: %s of %s is %v, want %v", test.file, test.field, test.object, got, test.want)
		}
	}
}

func filled(t *testing.T) values {
	t.Helper()
	c := cluster.Config{Name: "test", Dir: t.TempDir(), Network: 7}
	if err := pki.Provision(c, time.Now()); err != nil {
		t.Fatal(err)
	}
	v, err := fill(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func objects(t *testing.T, file string, v values) []kube.Object {
	t.Helper()
	all, err := read(file, v)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// find is a field, of names between dots, of the object KIND/NAME.
func find(t *testing.T, all []kube.Object, object, field string) any {
	t.Helper()
	for _, o := range all {
		if kind, name, _ := strings.Cut(object, "/"); o["kind"] != kind || o["metadata"].(map[string]any)["name"] != name {
			continue
		}
		var at any = o
		for part := range strings.SplitSeq(strings.ReplaceAll(field, `\.`, "\x00"), ".") {
			at = at.(map[string]any)[strings.ReplaceAll(part, "\x00", ".")]
		}
		return at
	}
	t.Fatalf("there is no %s", object)
	return nil
}

func TestFillNeedsTheCertificates(t *testing.T) {
	if _, err := fill(cluster.Config{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "reading a certificate") {
		t.Errorf("the answer is %v, want that there are none", err)
	}
}

func TestObjectWithoutAPlace(t *testing.T) {
	for what, o := range map[string]kube.Object{
		"nothing":       nil,
		"no apiVersion": {"kind": "Pod", "metadata": map[string]any{"name": "p"}},
		"no kind":       {"apiVersion": "v1", "metadata": map[string]any{"name": "p"}},
		"no name":       {"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"namespace": "n"}},
		"no metadata":   {"apiVersion": "v1", "kind": "Pod"},
	} {
		if path, err := pathOf(o); err == nil {
			t.Errorf("%s goes to %s, want an error", what, path)
		}
	}
}
