package node

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"sigs.k8s.io/yaml"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// TestFilesAreReadAsTheyAreMeant writes the configuration below a directory with an unkind name, and reads what leads elsewhere.
func TestFilesAreReadAsTheyAreMeant(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a, b: "c" #d {e}`)
	c := cluster.Config{Name: "test", Dir: dir, BuildDir: "/build dir", Network: 7}
	if err := WriteFiles(c); err != nil {
		t.Fatal(err)
	}
	strict := func(text []byte, into any) error { return yaml.UnmarshalStrict(text, into) }
	const runtime = "plugins/io.containerd.cri.v1.runtime"
	for name, test := range map[string]struct {
		decode func([]byte, any) error
		want   map[string]any
	}{
		"kubelet.yaml": {strict, map[string]any{
			"cgroupRoot":                     "/suoke-test",
			"clusterDNS":                     []any{"10.107.128.10"},
			"authentication/x509":            map[string]any{"clientCAFile": dir + "/pki/ca.crt"},
			"tlsCertFile":                    dir + "/pki/kubelet-serving.crt",
			"tlsPrivateKeyFile":              dir + "/pki/kubelet-serving.key",
			"resolvConf":                     dir + "/config/resolv.conf",
			"evictionHard/imagefs.available": "1%",
		}},
		"proxy.yaml": {strict, map[string]any{
			"clusterCIDR":      "10.107.0.0/17",
			"clientConnection": map[string]any{"kubeconfig": dir + "/pki/proxy.kubeconfig"},
			"hostnameOverride": "suoke-test",
			"bindAddress":      "10.107.255.2",
		}},
		"containerd.toml": {toml.Unmarshal, map[string]any{
			"version": int64(3),
			"plugins/io.containerd.cri.v1.images/pinned_images/sandbox": "suoke.local/pause:1",
			runtime + "/cni/bin_dirs":                                   []any{"/build dir/cni"},
			runtime + "/cni/conf_dir":                                   dir + "/config/cni",
			runtime + "/containerd/runtimes/runc/runtime_path":          "/build dir/containerd-shim-runc-v2",
			runtime + "/containerd/runtimes/runc/options/BinaryName":    "/build dir/runc",
			runtime + "/containerd/" + "default_runtime_name":           "runc",
			"plugins/io.containerd.cri.v1.images/" + "snapshotter":      "overlayfs",
		}},
		"cni/10-suoke.conflist": {json.Unmarshal, map[string]any{"name": "suoke"}},
	} {
		text, err := os.ReadFile(c.Path("config", name))
		if err != nil {
			t.Fatal(err)
		}
		var all map[string]any
		if err := test.decode(text, &all); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		for field, want := range test.want {
			var got any = all
			for part := range strings.SplitSeq(field, "/") {
				within, _ := got.(map[string]any)
				got = within[part]
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, field, diff)
			}
		}
	}
}

func TestPodsGetAddressesOfTheirBlock(t *testing.T) {
	c := cluster.Config{Name: "test", Dir: t.TempDir(), Network: 7}
	if err := WriteFiles(c); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(c.Path("config", "cni", "10-suoke.conflist"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Plugins []struct {
			Type string
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Plugins) != 2 || list.Plugins[0].Type != "ptp" || list.Plugins[0].IPAM.Ranges[0][0].Subnet != "10.107.0.0/17" {
		t.Errorf("the network is %+v", list)
	}
}
