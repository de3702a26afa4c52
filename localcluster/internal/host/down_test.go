package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// lay makes files in a new directory; a name that ends in a slash is a directory.
func lay(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "cluster")
	for _, name := range append(names, "./") {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func record(t *testing.T, dir string) {
	t.Helper()
	if err := (cluster.Record{Config: cluster.Config{Name: name(), Dir: dir}}).Write(); err != nil {
		t.Fatal(err)
	}
}

// files lists what is in a directory, or nothing where that is gone.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !entry.IsDir() {
			path, err = filepath.Rel(dir, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// ofCluster is something under each name that a cluster uses.
var ofCluster = []string{
	"node/lib/etcd/member/wal", "pki/ca.key", "config/kubelet.yaml", "log/etcd.log", "kubeconfig", "hold-etcd", "hold-kubelet", "up.log", "lock",
}

func TestDownRemovesEverythingOfTheCluster(t *testing.T) {
	dir := lay(t, ofCluster...)
	record(t, dir)
	if found, err := Down(dir); !found || err != nil {
		t.Fatalf("down is answered %t, %v", found, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is still there (%v), with %v", err, files(t, dir))
	}
	if found, err := Down(dir); found || err != nil {
		t.Errorf("a second down is answered %t, %v; want that there is none", found, err)
	}
}

func TestDownLeavesWhatIsNotTheClusters(t *testing.T) {
	mine := []string{"a/node/file", "config.yaml", "hold", "logs/log", "notes.txt", "onhold-etcd"}
	dir := lay(t, append(mine, ofCluster...)...)
	record(t, dir)
	if found, err := Down(dir); !found || err != nil {
		t.Fatalf("down is answered %t, %v", found, err)
	}
	if diff := cmp.Diff(mine, files(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestDownOfADirectoryThatIsNoClusters has files under a cluster's names in a directory of something else.
func TestDownOfADirectoryThatIsNoClusters(t *testing.T) {
	dir := lay(t, "config/app.yaml", "log/app.log")
	before := files(t, dir)
	if found, err := Down(dir); found || err != nil {
		t.Errorf("down is answered %t, %v; want that there is no cluster", found, err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	dir = lay(t, "config/app.yaml", "cluster.json")
	before = files(t, dir)
	if _, err := Down(dir); err == nil || !strings.Contains(err.Error(), "is not the record of a cluster") {
		t.Errorf("down is answered %v, want that the file is no record", err)
	}
	if diff := cmp.Diff(before, files(t, dir)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
}

func TestDownEndsWhoHasItUp(t *testing.T) {
	dir := lay(t, "node/lib/x")
	record(t, dir)
	other, _ := holder(t, dir)
	if found, err := Down(dir); !found || err != nil {
		t.Fatalf("down is answered %t, %v", found, err)
	}
	if err := other.Wait(); err == nil || other.ProcessState.String() != "signal: terminated" {
		t.Errorf("its process ended by %q (%v)", other.ProcessState, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory is still there (%v)", err)
	}
}

// TestDownWhereTheNameWentOn has a cluster of the same name up in another directory: the host's side is that one's.
func TestDownWhereTheNameWentOn(t *testing.T) {
	dir := lay(t, ofCluster...)
	record(t, dir)
	other, err := lockName("name/" + name())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if found, err := Down(dir); !found || err != nil {
		t.Fatalf("down is answered %t, %v", found, err)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("left are %v", left)
	}
}

// TestUpTakesNoDirectoryOfSomethingElse wants nothing removed that a cluster did not make, even where a name is the same.
func TestUpTakesNoDirectoryOfSomethingElse(t *testing.T) {
	for what, test := range map[string]struct {
		files  []string
		record bool
		want   string // in the sentence; the directory may be used if it is empty
	}{
		"an empty one":                     {},
		"one with other things":            {files: []string{"README.md", "src/log/x"}},
		"one of a cluster":                 {files: ofCluster, record: true},
		"what a start left that ended":     {files: []string{"lock", "up.log"}},
		"a project's configuration":        {files: []string{"config/"}, want: "/config is in the way, and of no cluster: choose another directory with --dir"},
		"a project's log":                  {files: []string{"log"}, want: "/log is in the way"},
		"somebody's kubeconfig":            {files: []string{"kubeconfig"}, want: "/kubeconfig is in the way"},
		"a name that would keep etcd down": {files: []string{"hold-etcd"}, want: "/hold-etcd is in the way"},
		"a record that is none":            {files: []string{"cluster.json"}, want: "is not the record of a cluster"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := lay(t, test.files...)
			if test.record {
				record(t, dir)
			}
			before := files(t, dir)
			err := mayUse(dir)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("the answer is %v, want one with %q", err, test.want)
			}
			if diff := cmp.Diff(before, files(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
		})
	}
}

func TestKubeconfigIsHandedToWhoCalledSudo(t *testing.T) {
	file := filepath.Join(lay(t, "kubeconfig"), "kubeconfig")
	for what, id := range map[string]string{"nobody did": "", "somebody did": strconv.Itoa(os.Getuid()), "a word": "somebody"} {
		t.Setenv("SUDO_UID", id)
		t.Setenv("SUDO_GID", id)
		if err := handOver(file); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("giving a file to another needs root")
	}
	t.Setenv("SUDO_UID", "65534")
	t.Setenv("SUDO_GID", "65533")
	if err := handOver(file); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 65534 || owner.Gid != 65533 {
		t.Errorf("it is of %d:%d", owner.Uid, owner.Gid)
	}
}
