package host

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// TestTakenPortGivesTheOthersBack takes the port of the last publication: the ports before are free again.
func TestTakenPortGivesTheOthersBack(t *testing.T) {
	taken := port(t)
	defer taken.Close()
	free := port(t)
	c := cluster.Config{
		APIPort: number(free), Publish: []cluster.Publication{{Port: number(taken), Namespace: "ns", Service: "app", ServicePort: 80}},
	}
	free.Close()
	_, err := listen(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "choose another with --publish PORT=ns/app:80") {
		t.Errorf("the answer is %v, want the flag named", err)
	}
	c.Publish = nil
	ports, err := listen(t.Context(), c)
	if err != nil {
		t.Fatalf("the API server's port was not given back: %v", err)
	}
	ports.close()
	taken.Close()
	c.APIPort = number(taken)
	if ports, err = listen(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	defer ports.close()
	if _, err := listen(t.Context(), c); err == nil || !strings.Contains(err.Error(), "choose another with --api-port") {
		t.Errorf("the answer is %v, want the flag named", err)
	}
}

func port(t *testing.T) net.Listener {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func number(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }

// TestHowAProcessEnded starts a command as the node's first process is started.
func TestHowAProcessEnded(t *testing.T) {
	for line, want := range map[string]string{"exit 0": "exit status 0", "exit 3": "exit status 3", "kill -9 $$": "signal: killed"} {
		f, err := start(exec.CommandContext(t.Context(), "sh", "-c", line))
		if err != nil {
			t.Fatal(err)
		}
		<-f.done
		if f.how != want {
			t.Errorf("%s: it ended by %q, want %q", line, f.how, want)
		}
		if err := f.end(); err != nil {
			t.Errorf("%s: ending what has ended: %v", line, err)
		}
	}
	f, err := start(exec.CommandContext(t.Context(), "sleep", "600"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.end(); err != nil || f.how != "signal: terminated" {
		t.Errorf("ending is answered %v, and it ended by %q", err, f.how)
	}
	if _, err := start(exec.CommandContext(t.Context(), "/nowhere")); err == nil {
		t.Error("a program that is not there was started")
	}
}

// TestMakeCgroup makes cgroups in a directory that looks like each version's hierarchy.
func TestMakeCgroup(t *testing.T) {
	for what, test := range map[string]struct {
		parent, want, handed map[string]string
	}{
		"version 1, a set of CPUs": {
			parent: map[string]string{"cgroup.procs": "", "cpuset.cpus": "0-3\n", "cpuset.mems": "0\n", "cpuset.cpu_exclusive": "0\n"},
			want:   map[string]string{"cpuset.cpus": "0-3\n", "cpuset.mems": "0\n"},
		},
		"version 1, another controller": {parent: map[string]string{"cgroup.procs": "", "memory.limit_in_bytes": "1\n"}},
		"version 2 hands its controllers down": {
			parent: map[string]string{"cgroup.procs": "", "cgroup.controllers": "memory\n"},
			handed: map[string]string{"cgroup.subtree_control": "+memory"},
		},
	} {
		t.Run(what, func(t *testing.T) {
			parent := t.TempDir()
			for name, text := range test.parent {
				if err := os.WriteFile(filepath.Join(parent, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			dir := filepath.Join(parent, "suoke-test")
			for range 2 { // the second over what a killed cluster left
				if err := makeCgroup(dir); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, texts(t, dir)); diff != "" {
				t.Errorf("cgroup (-want +got):\n%s", diff)
			}
			now := texts(t, parent)
			for name, want := range test.handed {
				if now[name] != want {
					t.Errorf("%s is %q, want %q", name, now[name], want)
				}
			}
		})
	}
}

// texts are the files of a directory.
func texts(t *testing.T, dir string) map[string]string {
	t.Helper()
	var all map[string]string
	for _, name := range files(t, dir) {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if all == nil {
			all = map[string]string{}
		}
		all[name] = string(text)
	}
	return all
}
