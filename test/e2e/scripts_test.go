package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/demo"
	"github.com/suoke-life/suoke/internal/traffic/load"
)

const (
	// scripts are the pure engine's own.
	scripts = "internal/release/rollout/testdata"
	// routers is where the local cluster publishes the routers' Service.
	routers = "http://127.0.0.1:14000"
	// pace is how much faster than written a script's time passes: ten minutes are 10 s. Where late failures have to be judged
	// within a script's time it is slowPace: that takes a minute.
	pace, slowPace = 60, 10
	// scriptRate of the requests to each script's model, per second.
	scriptRate = 30
	// stablePackage serves what is called v1 in a script; fragilePackage all others: it answers alike but for the live rows,
	// of which it fails half.
	stablePackage, fragilePackage = "build/models/xiaoai-digits/v2.2.0", "build/models/xiaoai-digits/v2.4.0"
)

// playsScripts plays the longest of the engine's scripts that a healthy cluster can play. What a script arranges by hand and a
// cluster does by itself (Pods that come up, routers that confirm, an evaluation that passes, time) is waited for; every `then`
// must be seen, for each thing in the script's order, in what the API server told.
func playsScripts(t *testing.T, s *system) {
	s.openRouters(t)
	t.Run("a model is scaled by its requests", func(t *testing.T) {
		t.Parallel()
		scalesAModel(t, newPlay(t, s, "autoscaled", pace))
	})
	t.Run("a model is fetched with credentials", func(t *testing.T) {
		t.Parallel()
		fetchesWithCredentials(t, newPlay(t, s, "credentials", pace))
	})
	for name, pace := range map[string]time.Duration{
		"abort_retry_promote": pace, "awaiting_promotion": pace, "back_to_stable": pace, "blue_green": pace, "canary_promoted": pace, "deleted": pace,
		"edits": pace, "newer_version": pace, "promote": pace, "template": pace, "watch_blue_green": slowPace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlay(t, s, name, pace)
			text, err := os.ReadFile(filepath.Join(s.root, scripts, name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			number := 0
			for line := range strings.Lines(string(text)) {
				number++
				if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
					continue
				}
				p.line = fmt.Sprintf("%s.txt:%d: %s", name, number, line)
				p.obey(t, line)
			}
		})
	}
}

// openRouters lets requests in that do not come from an agent.
func (s *system) openRouters(t *testing.T) {
	t.Helper()
	open := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "scripts", Namespace: namespace}}
	open.Spec.PodSelector.MatchLabels = map[string]string{"app.kubernetes.io/component": "router"}
	open.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
	open.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: new(intstr.FromInt32(8080))}}}}
	s.create(t, open)
	t.Cleanup(func() {
		if err := s.client.Delete(context.WithoutCancel(t.Context()), open); err != nil {
			t.Error(err)
		}
	})
}

// play is one script on the cluster.
type play struct {
	*system
	*trace

	pace  time.Duration
	line  string
	model *suokev1.AIModel
	// how every version is released.
	how suokev1.ModelVersionSpec
	// calm rows are answered by every version, and half of the live ones fail at a fragile version.
	calm, live [][]byte
	asking     *load.Run
	pushed     map[string]bool
}

func newPlay(t *testing.T, s *system, script string, pace time.Duration) *play {
	t.Helper()
	p := &play{system: s, pace: pace, pushed: map[string]bool{}}
	p.model = &suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: "script-" + strings.ReplaceAll(script, "_", "-"), Namespace: namespace}}
	p.model.Spec = suokev1.AIModelSpec{
		ModelName: p.model.Name, AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification, Framework: suokev1.FrameworkONNX,
		Repository: suokev1.Repository{URL: "oci://model-registry.suoke-life.svc:5000/models/" + p.model.Name},
		Deployment: suokev1.Deployment{Resources: suokev1.Resources{Requests: suokev1.ResourceAmounts{
			corev1.ResourceCPU: resource.MustParse("5m"), corev1.ResourceMemory: resource.MustParse("32Mi"),
		}}},
		Validation: suokev1.Validation{TestDataset: "xiaoai-digits", Metrics: suokev1.Thresholds{Accuracy: new(0.9)}},
	}
	p.how.BlueGreen.ScaleDownDelay = p.paced(t, "10m")
	p.how.CanaryDeployment.TrafficPercentage, p.how.CanaryDeployment.Duration = 10, p.paced(t, "1h")
	datasets := filepath.Join(s.root, "build", "datasets")
	p.calm = questions(t, filepath.Join(datasets, "xiaoai-digits", "xiaoai-digits.csv"))
	p.live = questions(t, demo.RowFiles(datasets)["xiaoai"])
	p.trace = s.follow(t, p.model.Name)
	t.Cleanup(func() {
		p.ask(t, nil)
		s.run(t, "kubectl", "delete", "aimodel", p.model.Name, "-n", namespace, "--ignore-not-found")
	})
	return p
}

// questions are the rows of a file as the routers are asked them.
func questions(t *testing.T, file string) [][]byte {
	t.Helper()
	rows, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	bodies, err := load.ReadBodies(rows)
	if err != nil {
		t.Fatal(err)
	}
	for i, body := range bodies {
		row := bytes.TrimSuffix(bytes.TrimPrefix(body, []byte(`{"inputs":[`)), []byte(`]}`))
		bodies[i] = fmt.Appendf(nil, `{"inputs": [{"name": "input", "shape": [1, 64], "datatype": "FP32", "data": %s}]}`, row)
	}
	return bodies
}

// paced is a script's time as it passes here.
func (p *play) paced(t *testing.T, text string) metav1.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return metav1.Duration{Duration: d / p.pace}
}

// ask sends these questions from now on, in place of those before. No client may see a failure, whatever the candidate does.
func (p *play) ask(t *testing.T, questions [][]byte) {
	t.Helper()
	if p.asking != nil {
		if seen := p.asking.Stop(); seen.Failed > 0 || seen.Sent == 0 {
			t.Errorf("%d of %d requests failed: %v", seen.Failed, seen.Sent, seen.Reasons)
		}
		p.asking = nil
	}
	if questions == nil {
		return
	}
	run, err := load.Start(context.WithoutCancel(t.Context()), load.Config{
		URL: routers + "/v2/models/" + p.model.Name + "/infer", Bodies: questions, Rate: scriptRate,
		Duration: 20 * time.Minute, MaxInFlight: 1000, Timeout: 35 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	p.asking = run
}

// sentence of a script, and what it means here.
type sentence struct {
	pattern string
	do      func(t *testing.T, p *play, a []string)
}

func (p *play) obey(t *testing.T, line string) {
	t.Helper()
	for _, s := range sentences {
		if a := regexp.MustCompile("^" + s.pattern + "$").FindStringSubmatch(line); a != nil {
			s.do(t, p, a[1:])
			return
		}
	}
	t.Fatalf("%s\nno such sentence", p.line)
}

// byItself is what a cluster does without being told, or what only the engine knows.
func byItself(*testing.T, *play, []string) {}

var sentences = []sentence{
	{`given strategy (\w+) with (\d+) replicas?`, func(t *testing.T, p *play, a []string) {
		p.edit(t, func(spec *suokev1.AIModelSpec) {
			spec.Deployment.Strategy, spec.Deployment.Replicas = suokev1.Strategy(a[0]), int32(number(t, a[1]))
		})
	}},
	{`given steps (.+)`, func(t *testing.T, p *play, a []string) {
		p.release(t, func(how *suokev1.ModelVersionSpec) {
			how.CanaryDeployment.Steps = nil
			for text := range strings.SplitSeq(a[0], ", ") {
				weight, hold, _ := strings.Cut(text, " % for ")
				how.CanaryDeployment.Steps = append(how.CanaryDeployment.Steps, suokev1.CanaryStep{Weight: int32(number(t, weight)), Duration: p.paced(t, hold)})
			}
		})
	}},
	{`given autoPromotion`, func(t *testing.T, p *play, _ []string) {
		p.release(t, func(how *suokev1.ModelVersionSpec) { how.AutoPromotion.Enabled = true })
	}},
	{`given minAccuracy (\S+)`, func(t *testing.T, p *play, a []string) {
		p.release(t, func(how *suokev1.ModelVersionSpec) { how.AutoPromotion.Criteria.MinAccuracy = new(fraction(t, a[0])) })
	}},
	{`given maxErrorRate (\S+)`, func(t *testing.T, p *play, a []string) {
		p.release(t, func(how *suokev1.ModelVersionSpec) { how.AutoPromotion.Criteria.MaxErrorRate = new(fraction(t, a[0])) })
	}},
	{`given minUptime (\S+)`, func(t *testing.T, p *play, a []string) {
		p.release(t, func(how *suokev1.ModelVersionSpec) { how.AutoPromotion.Criteria.MinUptime = new(p.paced(t, a[0])) })
	}},
	{`given scaleDownDelay (\S+)`, func(t *testing.T, p *play, a []string) {
		p.release(t, func(how *suokev1.ModelVersionSpec) { how.BlueGreen.ScaleDownDelay = p.paced(t, a[0]) })
	}},
	{`given routers .+`, byItself},
	{`given (v\d+) serves`, func(t *testing.T, p *play, a []string) {
		p.model.Spec.Version = a[0]
		p.create(t, p.model)
		p.describe(t, a[0])
		p.await(t, "stable", p.line, func(v view) bool { return v.stable == a[0] && v.reason == suokev1.ReasonPromoted })
		p.ask(t, p.calm)
	}},

	{`when (v\d+) is wanted`, func(t *testing.T, p *play, a []string) {
		p.describe(t, a[0])
		p.edit(t, func(spec *suokev1.AIModelSpec) { spec.Version = a[0] })
	}},
	{`when (v\d+)' is wanted`, func(t *testing.T, p *play, _ []string) {
		p.edit(t, func(spec *suokev1.AIModelSpec) { spec.Runtime = &suokev1.Runtime{Args: []string{"--threads=1"}} })
	}},
	{`when the model is (paused|resumed)`, func(t *testing.T, p *play, a []string) {
		p.edit(t, func(spec *suokev1.AIModelSpec) { spec.Paused = a[0] == "paused" })
	}},
	{`when a person asks to (\w+) attempt (\d+) at (v\d+)`, func(t *testing.T, p *play, a []string) {
		p.ask(t, p.calm)
		p.patch(t, a[2], func(how *suokev1.ModelVersionSpec) {
			how.Action = &suokev1.Action{Type: suokev1.ActionType(a[0]), Attempt: int32(number(t, a[1]))}
		})
	}},
	{`when the verdict is Fail by ErrorRate: .+`, func(t *testing.T, p *play, _ []string) { p.ask(t, p.live) }},
	{`when the Deployment of (v\d+) is deleted`, func(t *testing.T, p *play, a []string) {
		p.moveOn()
		p.run(t, "kubectl", "delete", "deployment", "-n", namespace, p.id(a[0]))
		// A script may delete the other version's next, and clients are promised nothing while no Pod at all is ready.
		eventually(t, 2*time.Minute, func(ctx context.Context) string {
			var again appsv1.Deployment
			err := p.client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: p.id(a[0])}, &again)
			if err != nil || again.Status.ReadyReplicas == 0 {
				return fmt.Sprintf("%s\nno Pod of %s came back: %v", p.line, a[0], err)
			}
			return ""
		})
	}},
	{`when (nothing happens|every Pod is ready|the routers confirm|\w+ pass|the candidate answered .+|the evaluation of v\d+'? is (Running|Passed).*|` +
		`(v|r)\d+ has \d+ .+)`, byItself},

	{`then weights are (.+)`, func(t *testing.T, p *play, a []string) {
		p.await(t, "weights", p.line, func(v view) bool { return v.weights == a[0] })
	}},
	{`then Pods are (.+)`, func(t *testing.T, p *play, a []string) {
		p.await(t, "pods", p.line, func(v view) bool { return v.pods == a[0] })
	}},
	{`then the reason is (\w+)`, func(t *testing.T, p *play, a []string) {
		p.await(t, "reason", p.line, func(v view) bool { return v.reason == a[0] })
	}},
	{`then (v\d+) is stable`, func(t *testing.T, p *play, a []string) {
		p.await(t, "stable", p.line, func(v view) bool { return v.stable == a[0] })
	}},
	{`then (v\d+'?) is the candidate`, func(t *testing.T, p *play, a []string) {
		p.await(t, "candidate", p.line, func(v view) bool { return v.candidate == a[0] })
	}},
	{`then no release is under way`, func(t *testing.T, p *play, _ []string) {
		p.await(t, "candidate", p.line, func(v view) bool { return v.candidate == "" })
	}},
	{`then (v\d+) is (not )?refused`, func(t *testing.T, p *play, a []string) {
		p.await(t, "refused", p.line, func(v view) bool { return v.refused[a[0]] == (a[1] == "") })
	}},
	{`then the way of (v\d+) is (.+)`, func(t *testing.T, p *play, a []string) {
		p.await(t, "way", p.line, func(v view) bool { return v.way[a[0]] == a[1] })
	}},
	{`then (v\d+) can be taken back until .+`, func(t *testing.T, p *play, a []string) {
		p.await(t, "watched", p.line, func(v view) bool { return v.watched == a[0] })
	}},
	{`then nothing can be taken back`, func(t *testing.T, p *play, _ []string) {
		p.await(t, "watched", p.line, func(v view) bool { return v.watched == "" })
	}},
	{`then (it says|it is looked at again after|the history of v\d+ ends with) .+`, byItself},
	{`then (v\d+ is|nothing is) to be evaluated`, byItself},
}

// edit changes the model.
func (p *play) edit(t *testing.T, change func(*suokev1.AIModelSpec)) {
	t.Helper()
	if p.model.UID == "" {
		change(&p.model.Spec)
		return
	}
	p.moveOn()
	p.system.edit(t, p.model.Name, change)
}

// release changes how versions are released, those too that are described already.
func (p *play) release(t *testing.T, change func(*suokev1.ModelVersionSpec)) {
	t.Helper()
	change(&p.how)
	for version := range p.pushed {
		p.patch(t, version, change)
	}
}

// describe publishes a version and makes its ModelVersion, once.
func (p *play) describe(t *testing.T, version string) {
	t.Helper()
	if p.pushed[version] {
		return
	}
	p.push(t, version)
	described := &suokev1.ModelVersion{ObjectMeta: metav1.ObjectMeta{Name: p.model.Name + "-" + version, Namespace: namespace}, Spec: *p.how.DeepCopy()}
	described.Spec.ModelRef, described.Spec.Version = p.model.Name, version
	p.create(t, described)
}

func (p *play) push(t *testing.T, version string) {
	t.Helper()
	dir := fragilePackage
	if version == "v1" {
		dir = stablePackage
	}
	p.run(t, "bin/suoke", "model", "push", "--registry", registry, dir, "models/"+p.model.Name+":"+version)
	p.pushed[version] = true
}

func (p *play) patch(t *testing.T, version string, change func(*suokev1.ModelVersionSpec)) {
	t.Helper()
	p.moveOn()
	var described suokev1.ModelVersion
	p.get(t, p.model.Name+"-"+version, &described)
	patch := client.MergeFrom(described.DeepCopy())
	change(&described.Spec)
	if err := p.client.Patch(t.Context(), &described, patch); err != nil {
		t.Fatalf("%s\n%v", p.line, err)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fraction(t *testing.T, text string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
