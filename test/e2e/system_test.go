// Package e2e_test tests the whole system on a local cluster that it starts for itself and removes again. It runs only
// with -e2e, and needs what `make e2e` builds: the programs, the images and the models.
package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/test/apiserver"
)

const (
	namespace = "suoke-life"
	edge      = "http://127.0.0.1:13000"
	registry  = "127.0.0.1:15000"
)

var (
	enabled = flag.Bool("e2e", false, "run the end-to-end tests, on a cluster of their own")
	keep    = flag.Bool("keep", false, "leave the cluster up afterwards")
)

// system is the running system under test.
type system struct {
	client client.WithWatch
	root   string
	dir    string
	env    []string
}

// TestSystem deploys the system and puts it through its life, in order: each part finds what the one before left.
func TestSystem(t *testing.T) {
	if !*enabled {
		t.Skip("needs a cluster: run make e2e, or give -e2e")
	}
	s := start(t)
	for i, part := range []struct {
		name string
		run  func(*testing.T, *system)
		// fatal parts must pass for the next ones to mean anything.
		fatal bool
	}{
		{"the script deploys the system, and again", deploys, true},
		{"the examples are served", servesExamples, true},
		{"kubectl get hpa shows all three metrics of each agent", showsMetrics, false},
		{"the story keeps its promises", tellsTheStory, false},
		{"every panel of the dashboard has its metrics", showsDashboard, false},
		{"new Pods get their share", sharesWithNewPods, false},
		{"a rolling update and a blue-green switch lose nothing", rollsAndSwitches, false},
		{"releases under load fail no request and move no session against the rule", releasesUnderLoad, false},
		{"the engine's scripts are played by the cluster", playsScripts, false},
		{"an operator that is killed in mid-canary loses nothing", survivesOperator, false},
		{"a registry that is deleted before a scale-up only delays it", survivesRegistry, false},
		{"bad input ends in a clear condition", answersBadInput, false},
		{"an agent shrinks after its window", shrinks, false},
		{"the user's own file is answered object by object", answersTheUsersFile, false},
		{"cleanup leaves nothing of ours", cleansUp, true},
		{"the system is deployed by hand, and again", deploysByHand, false},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.run(t, s) }) {
			s.dump(t, i+1)
			if part.fatal {
				t.Fatalf("%s: nothing after it can be told", part.name)
			}
		}
	}
}

// start brings up the cluster and loads the images.
func start(t *testing.T) *system {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &system{root: root, dir: filepath.Join(root, ".local", "e2e")}
	kubeconfig := filepath.Join(s.dir, "kubeconfig")
	s.env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	t.Cleanup(func() {
		if !*keep {
			s.run(t, "bin/suoke", "down", "--dir", s.dir)
		}
	})
	s.run(t, "bin/suoke", "up", "--dir", s.dir, "--name", "e2e", "--network", "7", "--api-port", "16443",
		"--publish", "13000="+namespace+"/suokelife-service:80", "--publish", "15000="+namespace+"/model-registry:5000",
		"--publish", "14000="+namespace+"/model-router:8080")
	s.run(t, "bin/suoke", "image", "load", "--cluster-dir", s.dir)
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	scheme, err := apiserver.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	ctrl.SetLogger(logr.Discard())
	if s.client, err = client.NewWithWatch(config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a program in the root of the checkout and fails the test if it fails.
func (s *system) run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := s.try(t, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

// try runs a program and returns all that it printed.
func (s *system) try(t *testing.T, program string, args ...string) (string, error) {
	t.Helper()
	if strings.Contains(program, "/") {
		program = filepath.Join(s.root, program)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = s.root, s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// script runs the deploy script with the local profile.
func (s *system) script(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, "k8s/deploy-agents-autoscaling.sh", append(args, "--profile", "local")...)
}

// get reads an object and fails the test if it is not there.
func (s *system) get(t *testing.T, name string, into client.Object) {
	t.Helper()
	if err := s.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into); err != nil {
		t.Fatal(err)
	}
}

// eventually asks until the answer is empty, and fails the test with the last answer when the time is up.
func eventually(t *testing.T, within time.Duration, ask func(context.Context) (problem string)) {
	t.Helper()
	problem := ""
	err := wait.PollUntilContextTimeout(t.Context(), 500*time.Millisecond, within, true, func(ctx context.Context) (bool, error) {
		problem = ask(ctx)
		return problem == "", nil
	})
	if err != nil {
		t.Fatalf("after %s: %s", within, problem)
	}
}

// dump writes what a person would look at first to a file, and logs where it is.
func (s *system) dump(t *testing.T, part int) {
	t.Helper()
	var seen strings.Builder
	for _, args := range [][]string{
		{"get", "pods,hpa,aimodels,modelversions,modelregistries,jobs", "-n", namespace, "-o", "wide"},
		{"get", "events", "-n", namespace, "--sort-by=.lastTimestamp"},
		{"logs", "-n", namespace, "deployment/suoke-operator", "--tail=200"},
		{"logs", "-n", namespace, "-l", "app.kubernetes.io/component=router", "--prefix", "--tail=100"},
	} {
		out, err := s.try(t, "kubectl", args...)
		fmt.Fprintf(&seen, "$ kubectl %s\n%s(%v)\n\n", strings.Join(args, " "), out, err)
	}
	file := filepath.Join(s.root, "build", fmt.Sprintf("e2e-failure-%d.txt", part))
	if err := os.WriteFile(file, []byte(seen.String()), 0o644); err != nil {
		t.Error(err)
	}
	t.Logf("what the cluster said then is in %s", file)
}

// decode reads a JSON document that a program printed after its commentary.
func decode[T any](t *testing.T, out string) T {
	t.Helper()
	var v T
	start := strings.Index(out, "{\n")
	if start < 0 {
		t.Fatalf("no JSON document in:\n%s", out)
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(out[start:]))).Decode(&v); err != nil {
		t.Fatalf("%v in:\n%s", err, out)
	}
	return v
}
