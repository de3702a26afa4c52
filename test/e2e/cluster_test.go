package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// localCluster is a cluster of its own, beside the one that the system is tested on.
const localCluster = "suoke-faults"

// TestLocalCluster starts a cluster, kills each of its components and then the process that holds it, and looks for
// what stays on the machine: nothing.
func TestLocalCluster(t *testing.T) {
	if !*enabled {
		t.Skip("needs a cluster: run make e2e, or give -e2e")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &system{root: root, dir: filepath.Join(root, ".local", "faults")}
	s.env = append(os.Environ(), "KUBECONFIG="+filepath.Join(s.dir, "kubeconfig"))
	up := func() string {
		return s.run(t, "bin/suoke", "up", "--dir", s.dir, "--name", "faults", "--network", "8", "--api-port", "16444",
			"--publish", "13001=default/kubernetes:443")
	}
	down := func() { s.run(t, "bin/suoke", "down", "--dir", s.dir) }
	before := host(t)
	t.Cleanup(down)
	up()
	if again := up(); !strings.Contains(again, "up already") {
		t.Errorf("a second up does not say that the cluster is up already:\n%s", again)
	}
	for _, component := range []string{
		"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "containerd",
	} {
		s.kill(t, component)
	}
	asRoot(t, "kill", "-9", strconv.Itoa(s.holder(t)))
	eventually(t, 10*time.Second, func(context.Context) string { return cmp.Diff(before, host(t)) })
	up() // over what was left: empty cgroups
	down()
	if left := cmp.Diff(before, host(t)); left != "" {
		t.Errorf("down left something (-before +after):\n%s", left)
	}
	for _, cgroup := range cgroups(t) {
		t.Errorf("down left the cgroup %s", cgroup)
	}
}

// kill ends one component as a crash would, and waits until another process has taken its place and the node is Ready.
func (s *system) kill(t *testing.T, component string) {
	t.Helper()
	old := processes(t, localCluster)[component]
	if old == 0 {
		t.Fatalf("%s does not run", component)
	}
	asRoot(t, "kill", "-9", strconv.Itoa(old))
	eventually(t, time.Minute, func(context.Context) string {
		if now := processes(t, localCluster)[component]; now == 0 || now == old {
			return component + " was not started again"
		}
		if out, err := s.try(t, "kubectl", "get", "--raw", "/readyz"); err != nil {
			return "the API server after the death of " + component + ": " + out
		}
		out, err := s.try(t, "kubectl", "wait", "--for=condition=Ready", "--timeout=1s", "node", "--all")
		if err != nil {
			return "the node after the death of " + component + ": " + out
		}
		return ""
	})
}

// holder is the process that has the cluster up: the parent of the node's first process.
func (s *system) holder(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "cluster.json"))
	if err != nil {
		t.Fatal(err)
	}
	var record struct {
		NodePID int `json:"nodePID"`
	}
	if err := json.Unmarshal(text, &record); err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(record.NodePID), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	// After the name in parentheses come the state and the parent.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

// processes are those of a cluster or a Pod, whose control group is named, by what they call themselves.
func processes(t *testing.T, group string) map[string]int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, file := range files {
		groups, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(groups, []byte("/"+group)) {
			continue // it ended meanwhile, or is another's
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		name, _, _ := bytes.Cut(line, []byte{0})
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found[filepath.Base(string(name))] = pid
	}
	return found
}

// host is what a cluster could leave on the machine: processes, mounts, links, routes and rules.
func host(t *testing.T) map[string][]string {
	t.Helper()
	seen := map[string][]string{}
	for name := range processes(t, localCluster) {
		seen["processes"] = append(seen["processes"], name)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		seen["mounts"] = append(seen["mounts"], strings.Fields(line)[1])
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		t.Fatal(err)
	}
	seen["routes"] = strings.Split(string(routes), "\n")
	links, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		seen["links"] = append(seen["links"], link.Name())
	}
	seen["rules"] = strings.Split(asRoot(t, "nft", "list", "ruleset"), "\n")
	for _, list := range seen {
		slices.Sort(list)
	}
	return seen
}

// cgroups are those of the test's cluster.
func cgroups(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"/sys/fs/cgroup/" + localCluster, "/sys/fs/cgroup/*/" + localCluster} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// asRoot runs a program with every right and returns what it printed.
func asRoot(t *testing.T, line ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		line = append([]string{"sudo"}, line...)
	}
	cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(line, " "), err, out)
	}
	return string(out)
}
