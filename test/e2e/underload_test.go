package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/traffic/load"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

const (
	// busyModel is released again and again while its agent is asked unaryRate + streamRate times a second.
	busyModel, busyAgent = "xiaoai-llm-model", "xiaoai"
	unaryRate            = 170
	streamRate           = 40
	// rowsOfAStream are answered event by event.
	rowsOfAStream = 8
)

// crowd is clients that stay with their sessions: some ask for an answer, some for a stream.
type crowd struct {
	unary, streams *load.Run
}

// gather begins to ask.
func (s *system) gather(t *testing.T) crowd {
	t.Helper()
	rows, err := os.Open(demo.RowFiles(filepath.Join(s.root, "build", "datasets"))[busyAgent])
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	bodies, err := load.ReadBodies(rows)
	if err != nil {
		t.Fatal(err)
	}
	return crowd{
		unary:   begin(t, load.Config{Bodies: bodies, Rate: unaryRate, Sessions: 500}),
		streams: begin(t, load.Config{Bodies: together(t, bodies, rowsOfAStream), Rate: streamRate, Sessions: 120, Streams: true}),
	}
}

func begin(t *testing.T, config load.Config) *load.Run {
	t.Helper()
	config.URL = edge + "/api/agents/" + busyAgent + "/v1/infer"
	config.Duration, config.MaxInFlight, config.Timeout = 20*time.Minute, 2000, 35*time.Second
	run, err := load.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// together makes requests of several rows out of requests of one.
func together(t *testing.T, bodies [][]byte, rows int) (all [][]byte) {
	t.Helper()
	for i := 0; i+rows <= len(bodies); i += rows {
		var joined struct {
			Inputs []json.RawMessage `json:"inputs"`
		}
		for _, body := range bodies[i : i+rows] {
			var one struct {
				Inputs []json.RawMessage `json:"inputs"`
			}
			if err := json.Unmarshal(body, &one); err != nil {
				t.Fatal(err)
			}
			joined.Inputs = append(joined.Inputs, one.Inputs...)
		}
		text, err := json.Marshal(joined)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// moves of all sessions so far.
func (c crowd) moves() map[string]int64 {
	sum := c.unary.Stats().Moves
	if sum == nil {
		sum = map[string]int64{}
	}
	for move, n := range c.streams.Stats().Moves {
		sum[move] += n
	}
	return sum
}

// disperse ends the asking and tells what clients saw.
func (c crowd) disperse(t *testing.T) {
	t.Helper()
	for what, run := range map[string]*load.Run{"requests": c.unary, "streams": c.streams} {
		seen := run.Stop()
		t.Logf("%d %s, %d failed, %d broke off after their first event; p50 %v, p99 %v; sessions moved %v",
			seen.Sent, what, seen.Failed, seen.Broken, seen.P50, seen.P99, seen.Moves)
		if seen.Sent == 0 || seen.Failed > 0 {
			t.Errorf("%d of %d %s failed: %v", seen.Failed, seen.Sent, what, seen.Reasons)
		}
	}
}

// releasesUnderLoad does to a busy model what may be done to one. No request fails, no stream breaks before its first event, and
// sessions change their version by the rule only: towards the candidate when it gets weight, back when it loses it.
func releasesUnderLoad(t *testing.T, s *system) {
	stable := s.stable(t, busyModel)
	for _, version := range []string{"v2.2.1", "v2.2.2", "v2.2.3"} {
		s.run(t, "bin/suoke", "model", "push", "--registry", registry, "build/models/xiaoai-digits/v2.2.0", "models/xiaoai-digits:"+version)
	}
	c := s.gather(t)
	defer c.disperse(t)
	settle(t, 5*time.Second)
	towards := func(from, to string) string { return from + " -> " + to }
	for _, step := range []struct {
		name  string
		do    func(*testing.T)
		moves []string
	}{
		{"a promotion", func(t *testing.T) {
			s.beginCanary(t, "v2.2.1")
			s.run(t, "bin/suoke", "rollout", "promote", busyModel)
			s.awaitStable(t, busyModel, "v2.2.1")
		}, []string{towards(stable, "v2.2.1")}},
		{"an abort", func(t *testing.T) {
			s.beginCanary(t, "v2.2.2")
			s.run(t, "bin/suoke", "rollout", "abort", busyModel)
			s.awaitPhase(t, "busy-v2-2-2", suokev1.VersionRollback)
			settle(t, 5*time.Second)
		}, []string{towards("v2.2.1", "v2.2.2"), towards("v2.2.2", "v2.2.1")}},
		{"a retry, and a promotion after a change of scale", func(t *testing.T) {
			s.run(t, "bin/suoke", "rollout", "retry", busyModel)
			s.awaitPhase(t, "busy-v2-2-2", suokev1.VersionCanary)
			s.resize(t, busyModel, 1)
			s.run(t, "bin/suoke", "rollout", "promote", busyModel)
			s.awaitStable(t, busyModel, "v2.2.2")
			s.resize(t, busyModel, -1)
		}, []string{towards("v2.2.1", "v2.2.2")}},
		{"the loss of a router Pod in mid-release", func(t *testing.T) {
			s.beginCanary(t, "v2.2.3")
			settle(t, 3*time.Second)
			s.deleteOne(t, client.MatchingLabels{"app.kubernetes.io/name": "model-router"})
			settle(t, 10*time.Second)
		}, []string{towards("v2.2.2", "v2.2.3")}},
		{"the loss of a stable Pod", func(t *testing.T) {
			s.deleteOne(t, client.MatchingLabels{"suoke.life/model": busyModel, "suoke.life/version": s.deploymentOf(t, busyModel, "v2.2.2")})
			settle(t, 10*time.Second)
		}, nil},
		{"a stable Pod that dies", func(t *testing.T) {
			s.killOne(t, "model-server", client.MatchingLabels{"suoke.life/version": s.deploymentOf(t, busyModel, "v2.2.2"), "app.kubernetes.io/component": "model-server"})
			settle(t, 10*time.Second)
		}, nil},
		{"a router Pod that dies", func(t *testing.T) {
			s.killOne(t, "suoke", client.MatchingLabels{"app.kubernetes.io/name": "model-router"})
			settle(t, 10*time.Second)
		}, nil},
		{"a restart of the operator", func(t *testing.T) {
			s.run(t, "kubectl", "delete", "pod", "-n", namespace, "-l", "app.kubernetes.io/name=suoke-operator", "--grace-period=0", "--force")
			settle(t, 10*time.Second)
		}, nil},
		{"30 s without the API server", func(t *testing.T) {
			pid := strconv.Itoa(processes(t, "suoke-e2e")["kube-apiserver"])
			asRoot(t, "kill", "-STOP", pid)
			settle(t, 30*time.Second)
			asRoot(t, "kill", "-CONT", pid)
			eventually(t, time.Minute, func(context.Context) string {
				out, err := s.try(t, "kubectl", "get", "--raw", "/readyz")
				if err != nil {
					return out
				}
				return ""
			})
		}, nil},
		{"a promotion after all that", func(t *testing.T) {
			s.run(t, "bin/suoke", "rollout", "promote", busyModel)
			s.awaitStable(t, busyModel, "v2.2.3")
		}, []string{towards("v2.2.2", "v2.2.3")}},
	} {
		if !t.Run(step.name, func(t *testing.T) {
			before := c.moves()
			step.do(t)
			settle(t, 3*time.Second) // so that every session asked once more
			unruly(t, before, c.moves(), step.moves)
			seen := c.unary.Stats()
			t.Logf("answers so far: p99 %v, at most %v", seen.P99, seen.Max)
		}) {
			return
		}
	}
}

// unruly tells sessions that moved otherwise than they may.
func unruly(t *testing.T, before, after map[string]int64, may []string) {
	t.Helper()
	moved := map[string]int64{}
	for move, n := range after {
		if n > before[move] {
			moved[move] = n - before[move]
		}
	}
	t.Logf("sessions moved %v", moved)
	for _, move := range may {
		if moved[move] == 0 {
			t.Errorf("no session moved %s", move)
		}
		delete(moved, move)
	}
	if len(moved) > 0 {
		t.Errorf("sessions moved %v, and may only %v", moved, may)
	}
}

// beginCanary asks for a version as a canary that waits for a person.
func (s *system) beginCanary(t *testing.T, version string) {
	t.Helper()
	name := "busy-" + strings.ReplaceAll(version, ".", "-")
	release := canary(name, busyModel, version, time.Hour)
	release.Spec.AutoPromotion.Enabled = false
	s.create(t, release)
	s.want(t, busyModel, version)
	s.awaitPhase(t, name, suokev1.VersionCanary)
	settle(t, 5*time.Second)
}

func (s *system) stable(t *testing.T, model string) string {
	t.Helper()
	var object suokev1.AIModel
	s.get(t, model, &object)
	return object.Status.StableVersion
}

func (s *system) awaitStable(t *testing.T, model, version string) {
	t.Helper()
	eventually(t, 2*time.Minute, func(context.Context) string {
		if is := s.stable(t, model); is != version {
			return fmt.Sprintf("%s serves %s, not %s", model, is, version)
		}
		return ""
	})
}

// resize changes the replicas of a model's versions and waits until they are ready.
func (s *system) resize(t *testing.T, name string, by int32) {
	t.Helper()
	want := s.edit(t, name, func(spec *suokev1.AIModelSpec) { spec.Deployment.Replicas += by }).Spec.Deployment.Replicas
	eventually(t, 2*time.Minute, func(ctx context.Context) string {
		id := s.deploymentOf(t, name, s.stable(t, name))
		ready := len(s.ready(ctx, t, client.MatchingLabels{"suoke.life/version": id, "app.kubernetes.io/component": "model-server"}))
		if ready != int(want) {
			return fmt.Sprintf("%s has %d ready Pods, not %d", id, ready, want)
		}
		return ""
	})
}

// deploymentOf is the ID of a model's version.
func (s *system) deploymentOf(t *testing.T, model, version string) string {
	t.Helper()
	var object corev1.ConfigMap
	s.get(t, model+"-route", &object)
	served, err := route.Parse([]byte(object.Data[route.Key]))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range served.Versions {
		if v.Version == version {
			return v.ID
		}
	}
	t.Fatalf("the route of %s does not name %s", model, version)
	return ""
}

// killOne kills the program of one of several ready Pods, as running out of memory would: nobody is told before.
func (s *system) killOne(t *testing.T, program string, of client.MatchingLabels) {
	t.Helper()
	var pods []corev1.Pod
	eventually(t, time.Minute, func(ctx context.Context) string {
		if pods = s.ready(ctx, t, of); len(pods) < 2 {
			return fmt.Sprintf("%d Pods of %v are ready, and one is to be killed", len(pods), of)
		}
		return ""
	})
	pid := processes(t, "pod"+string(pods[0].UID))[program]
	if pid == 0 {
		t.Fatalf("no %s runs in Pod %s", program, pods[0].Name)
	}
	asRoot(t, "kill", "-KILL", strconv.Itoa(pid))
}

// deleteOne deletes one Pod as a drain of its node would.
func (s *system) deleteOne(t *testing.T, of client.MatchingLabels) {
	t.Helper()
	pods := s.pods(t.Context(), t, of)
	if len(pods) == 0 {
		t.Fatalf("no Pod has %v", of)
	}
	if err := s.client.Delete(t.Context(), &pods[0]); err != nil {
		t.Fatal(err)
	}
}
