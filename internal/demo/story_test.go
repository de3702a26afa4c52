package demo

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/traffic/load"
)

// cluster is a Story on a cluster in which nothing happens but what a test does.
type cluster struct {
	*Story
	t    *testing.T
	said *strings.Builder
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, suokev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	api := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&suokev1.AIModel{}, &suokev1.ModelVersion{}).Build()
	var said strings.Builder
	return &cluster{&Story{Client: api, Namespace: "suoke-life", Out: &said, began: time.Now()}, t, &said}
}

func xiaoai(version string, status suokev1.AIModelStatus) *suokev1.AIModel {
	return &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: modelName, Namespace: "suoke-life", Labels: map[string]string{"app.kubernetes.io/part-of": "suoke"}},
		Spec:       suokev1.AIModelSpec{ModelName: "xiaoai-digits", Version: version, AgentType: "xiaoai"},
		Status:     status,
	}
}

func serving(version string) suokev1.AIModelStatus {
	return suokev1.AIModelStatus{
		Phase: suokev1.ModelReady, StableVersion: version, Traffic: []suokev1.TrafficShare{{Version: version, Weight: 100}},
	}
}

// set plays the operator: it writes the model's status.
func (c *cluster) set(status suokev1.AIModelStatus) {
	c.t.Helper()
	model, err := c.model(c.t.Context())
	if err == nil {
		model.Status = status
		err = c.Client.Status().Update(c.t.Context(), model)
	}
	if err != nil {
		c.t.Error(err)
	}
}

// change plays the operator: it writes a version's status.
func (c *cluster) change(version string, status suokev1.ModelVersionStatus) {
	c.t.Helper()
	var object suokev1.ModelVersion
	err := c.Client.Get(c.t.Context(), c.key(versionName(version)), &object)
	if err == nil {
		object.Status = status
		err = c.Client.Status().Update(c.t.Context(), &object)
	}
	if err != nil {
		c.t.Error(err)
	}
}

func TestAFirstRunTakesTheModelAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, xiaoai(baseVersion, suokev1.AIModelStatus{Phase: suokev1.ModelValidating}))
		go func() {
			time.Sleep(40 * time.Second)
			c.set(serving(baseVersion))
		}()
		before, err := c.model(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.resetModel(t.Context()); err != nil {
			t.Fatal(err)
		}
		after, err := c.model(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 40*time.Second || took > 41*time.Second {
			t.Errorf("waited %v for a model that was ready after 40s", took)
		}
		if diff := cmp.Diff(before.Spec, after.Spec); diff != "" {
			t.Errorf("the model was changed:\n%s", diff)
		}
		if strings.Contains(c.said.String(), "an earlier run") {
			t.Errorf("said %s", c.said)
		}
	})
}

func TestALaterRunBeginsAnew(t *testing.T) {
	for sentence, left := range map[string]*suokev1.AIModel{
		"after a whole run":                     xiaoai(failingVersion, serving(betterVersion)),
		"after one that ended in a release":     xiaoai(betterVersion, serving(baseVersion)),
		"after one that was asked back by hand": xiaoai(baseVersion, serving(betterVersion)),
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, left.DeepCopy())
				go func() {
					time.Sleep(10 * time.Second)
					c.set(serving(baseVersion))
				}()
				if err := c.resetModel(t.Context()); err != nil {
					t.Fatal(err)
				}
				after, err := c.model(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				want := xiaoai(baseVersion, serving(baseVersion))
				if diff := cmp.Diff([]any{want.Spec, want.Labels, want.Status}, []any{after.Spec, after.Labels, after.Status}); diff != "" {
					t.Errorf("the model that began anew (-want +got):\n%s", diff)
				}
				if !strings.Contains(c.said.String(), "an earlier run left "+left.Spec.Version) {
					t.Errorf("said %s", c.said)
				}
			})
		})
	}
}

func TestWhatKeepsAModelFromServingIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, xiaoai(baseVersion, suokev1.AIModelStatus{Phase: suokev1.ModelDownloading, Message: "the registry has no such version"}))
		err := c.resetModel(t.Context())
		if err == nil || !strings.Contains(err.Error(), "xiaoai-llm-model stands at Downloading (the registry has no such version)") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAReleaseIsAskedForAndFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := &suokev1.ModelVersion{
			ObjectMeta: metav1.ObjectMeta{Name: versionName(betterVersion), Namespace: "suoke-life"},
			Spec:       suokev1.ModelVersionSpec{ModelRef: modelName, Version: betterVersion, Description: "of an earlier run"},
		}
		c := newCluster(t, xiaoai(baseVersion, serving(baseVersion)), old)
		go func() {
			time.Sleep(19700 * time.Millisecond)
			c.change(betterVersion, suokev1.ModelVersionStatus{Phase: suokev1.VersionCanary, Weight: 20, Conditions: []metav1.Condition{{
				Type: suokev1.ConditionProgressing, Message: "held for 20s",
			}}})
			time.Sleep(20 * time.Second)
			c.change(betterVersion, suokev1.ModelVersionStatus{Phase: suokev1.VersionProduction, Weight: 100})
		}()
		version, err := c.release(t.Context(), betterVersion, suokev1.VersionProduction)
		if err != nil {
			t.Fatal(err)
		}
		want := suokev1.CanaryDeployment{Enabled: true, TrafficPercentage: 20, Duration: metav1.Duration{Duration: canaryHold}}
		if diff := cmp.Diff(want, version.Spec.CanaryDeployment); diff != "" || version.Spec.Description == old.Spec.Description || !version.Spec.AutoPromotion.Enabled {
			t.Errorf("asked for %+v (-want +got):\n%s", version.Spec, diff)
		}
		model, err := c.model(t.Context())
		if err != nil || model.Spec.Version != betterVersion {
			t.Errorf("the model wants %s, %v", model.Spec.Version, err)
		}
		for _, want := range []string{"v2.2.0 is wanted", "20.0s  v2.2.0 is Canary at 20 %: held for 20s", "40.0s  v2.2.0 is Production at 100 %"} {
			if !strings.Contains(c.said.String(), want) {
				t.Errorf("%q was not said:\n%s", want, c.said)
			}
		}
	})
}

func TestAReleaseThatDoesNotEndAsItShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, xiaoai(baseVersion, serving(baseVersion)))
		go func() {
			time.Sleep(time.Second)
			c.change(betterVersion, suokev1.ModelVersionStatus{Phase: suokev1.VersionCanary, Conditions: []metav1.Condition{{
				Type: suokev1.ConditionProgressing, Message: "a router does not confirm",
			}}})
		}()
		_, err := c.release(t.Context(), betterVersion, suokev1.VersionProduction)
		if err == nil || !strings.Contains(err.Error(), "v2.2.0 stands at Canary (a router does not confirm) and was to become Production") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheModelIsReadOnceItSaysWhatItsVersionSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		split := serving(baseVersion)
		split.CandidateVersion = betterVersion
		split.Traffic = []suokev1.TrafficShare{{Version: baseVersion, Weight: 80}, {Version: betterVersion, Weight: 20}}
		c := newCluster(t, xiaoai(betterVersion, split))
		go func() {
			time.Sleep(time.Second)
			applied := serving(betterVersion) // the routers have not confirmed it yet
			applied.Traffic = split.Traffic
			c.set(applied)
			time.Sleep(time.Second)
			c.set(serving(betterVersion))
		}()
		began := time.Now()
		model, err := c.settled(t.Context())
		if err != nil || model.Status.StableVersion != betterVersion || time.Since(began) < 2*time.Second {
			t.Errorf("read %+v after %v, %v", model.Status, time.Since(began), err)
		}
	})
}

func hpa(desired int32) *autoscalingv2.HorizontalPodAutoscaler {
	target := resource.MustParse("30")
	window := int32(60)
	return &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "xiaoai-hpa", Namespace: "suoke-life"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			MaxReplicas: 10,
			Metrics: []autoscalingv2.MetricSpec{
				{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: "cpu"}},
				{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Target: autoscalingv2.MetricTarget{AverageValue: &target}}},
			},
			Behavior: &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: &window}},
		},
		Status: autoscalingv2.HorizontalPodAutoscalerStatus{DesiredReplicas: desired},
	}
}

func pod(name, agent string, ready corev1.ConditionStatus) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "suoke-life", Labels: map[string]string{"suoke.life/agent": agent}},
		Status:     corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}},
	}
}

func TestTheLoadIsRaisedOnceTheHPAIsSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, hpa(3), pod("a", "xiaoai", corev1.ConditionTrue), pod("b", "xiaoai", corev1.ConditionTrue),
			pod("c", "xiaoai", corev1.ConditionFalse), pod("other", "soer", corev1.ConditionTrue))
		go func() {
			time.Sleep(5 * time.Second)
			if err := c.Client.Status().Update(t.Context(), pod("c", "xiaoai", corev1.ConditionTrue)); err != nil {
				t.Error(err)
			}
		}()
		began := time.Now()
		_, before, err := c.steady(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]bool{"a": true, "b": true, "c": true}, before); diff != "" || time.Since(began) < 5*time.Second {
			t.Errorf("steady after %v with (-want +got):\n%s", time.Since(began), diff)
		}
		if n := strings.Count(c.said.String(), "xiaoai has 2 Pods ready of the 3 that its HPA wants"); n != 1 {
			t.Errorf("told %d times why it waits:\n%s", n, c.said)
		}

		go func() {
			time.Sleep(30 * time.Second)
			h := hpa(3)
			seen := resource.MustParse("58500m")
			h.Status.CurrentMetrics = []autoscalingv2.MetricStatus{{}, {Pods: &autoscalingv2.PodsMetricStatus{Current: autoscalingv2.MetricValueStatus{AverageValue: &seen}}}}
			if err := c.Client.Update(t.Context(), h); err != nil {
				t.Error(err)
			}
			time.Sleep(40 * time.Second)
			if err := c.Client.Create(t.Context(), pod("d", "xiaoai", corev1.ConditionTrue)); err != nil {
				t.Error(err)
			}
		}()
		took, saw, err := c.firstNewPod(t.Context(), before, time.Now())
		if err != nil || took < 70*time.Second || took > 71*time.Second || saw != 58.5 {
			t.Errorf("took %v, saw %v, %v; want 70s and 58.5", took, saw, err)
		}
	})
}

func TestAnAgentAtItsBoundIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		objects := []client.Object{hpa(9)}
		for name := range strings.SplitSeq("abcdefghi", "") {
			objects = append(objects, pod(name, "xiaoai", corev1.ConditionTrue))
		}
		c := newCluster(t, objects...)
		if _, _, err := c.steady(t.Context()); err == nil || !strings.Contains(err.Error(), "waiting for the Pods of xiaoai") {
			t.Errorf("nine Pods of ten leave no room to grow: %v", err)
		}
	})
}

func TestNoNewPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, hpa(1), pod("a", "xiaoai", corev1.ConditionTrue))
		took, _, err := c.firstNewPod(t.Context(), map[string]bool{"a": true}, time.Now())
		if err == nil || took < 5*time.Minute {
			t.Errorf("gave up after %v with %v", took, err)
		}
	})
}

func TestWhatAnHPASays(t *testing.T) {
	full, bare := hpa(3), &autoscalingv2.HorizontalPodAutoscaler{}
	if target, err := requestTarget(full); target != 30 || err != nil {
		t.Errorf("target %v, %v", target, err)
	}
	if _, err := requestTarget(bare); err == nil {
		t.Error("an HPA without the metric has a target")
	}
	if scaleUpWindow(full) != time.Minute || scaleUpWindow(bare) != 0 || requestsSeen(bare) != 0 {
		t.Errorf("windows %v, %v; seen %v", scaleUpWindow(full), scaleUpWindow(bare), requestsSeen(bare))
	}
}

func TestTheStoryEndsWhereAChapterDoes(t *testing.T) {
	c := newCluster(t)
	report, err := c.Run(t.Context())
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), "chapter a. baseline: reading xiaoai-llm-model (is the system deployed") {
		t.Errorf("got %v", err)
	}
	if len(report.Rows) != 0 {
		t.Errorf("a chapter that was not told has rows: %v", report.Rows)
	}
}

func TestWhatClientsSawIsToldWithAChapterThatFails(t *testing.T) {
	c := newCluster(t)
	c.Traffic = edge(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error": "no Pod"}`, http.StatusServiceUnavailable)
	})
	ctx, cancel := context.WithCancel(t.Context())
	rows, err := c.underTraffic(ctx, func(context.Context) ([]Row, error) {
		cancel()
		return []Row{{What: "told", Good: true}}, context.Canceled
	})
	if err == nil || len(rows) < 2 || rows[0].What != "told" || rows[1].What != "client requests, failed" {
		t.Errorf("got %v, %v", rows, err)
	}
}

// edge is a public edge that answers so, and one request body for each agent.
func edge(t *testing.T, answer http.HandlerFunc) Edge {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	bodies := map[string][][]byte{}
	for agent := range everyday() {
		bodies[agent] = [][]byte{[]byte(agent)}
	}
	return Edge{URL: s.URL + "/", Bodies: bodies}
}

func TestTrafficReachesEveryAgentThroughTheEdge(t *testing.T) {
	var mu sync.Mutex
	got, missing := map[string]string{}, len(everyday())
	all := make(chan struct{})
	flow, err := edge(t, func(w http.ResponseWriter, in *http.Request) {
		body, _ := io.ReadAll(in.Body)
		mu.Lock()
		defer mu.Unlock()
		if _, again := got[in.URL.Path]; !again {
			if missing--; missing == 0 {
				close(all)
			}
		}
		got[in.URL.Path] = string(body)
		_, _ = io.WriteString(w, `{"version": "v1"}`)
	}).Start(t.Context(), everyday())
	if err != nil {
		t.Fatal(err)
	}
	<-all
	seen := flow.Stop()
	want := map[string]string{}
	for agent := range everyday() {
		want["/api/agents/"+agent+"/v1/infer"] = agent
		if seen[agent].Versions["v1"].Count != seen[agent].Sent {
			t.Errorf("%s: %+v", agent, seen[agent])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if seen.Failed() != 0 || seen.Sent() < 4 {
		t.Errorf("sent %d, failed %d", seen.Sent(), seen.Failed())
	}
}

func TestTrafficThatCannotStart(t *testing.T) {
	e := edge(t, nil)
	delete(e.Bodies, "soer")
	if _, err := e.Start(t.Context(), everyday()); err == nil || !strings.Contains(err.Error(), "sending requests to soer: load needs at least one request body") {
		t.Errorf("got %v", err)
	}
}

func TestTheEverydayLoad(t *testing.T) {
	sum := 0.0
	for _, rate := range everyday() {
		sum += rate
	}
	if sum != 100 {
		t.Errorf("the agents get %v requests a second together, want 100", sum)
	}
	files := RowFiles("d")
	for agent := range everyday() {
		if files[agent] == "" {
			t.Errorf("there are no rows to ask of %s", agent)
		}
	}
}

func TestAReportAsJSON(t *testing.T) {
	report := Report{Rows: []Row{{Chapter: "a. baseline", What: "client requests, failed", Value: "2000, 0", Good: true}, {Chapter: "d", What: "why"}}}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rows":[{"chapter":"a. baseline","what":"client requests, failed","value":"2000, 0","good":true},{"chapter":"d","what":"why","value":"","good":false}]}`
	if string(text) != want {
		t.Errorf("got %s", text)
	}
	if report.Good() || !(Report{Rows: report.Rows[:1]}).Good() {
		t.Error("a report is good if every row is, and only then")
	}
}

func stats(sent, failed int64) load.Stats {
	s := load.Stats{Sent: sent, OK: sent - failed, Failed: failed}
	if failed > 0 {
		s.Reasons = map[string]int64{"503 no Pod": failed}
	}
	return s
}
