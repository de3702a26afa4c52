package operator_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// cluster does what controllers, scheduler, kubelet and routers would do in one namespace: Deployments get Pods, Pods
// get ready, evaluations end with the result that the test wrote for the version, and routers confirm and count.
type cluster struct {
	client    client.Client
	namespace string

	mu sync.Mutex
	// unschedulable and crashing versions, with what scheduler or kubelet say.
	unschedulable, crashing map[string]string
	// evaluated is how the evaluation of a version ends; without an entry it does not end.
	evaluated map[string]ending
	// evaluating versions are asked by a Pod that runs until then.
	evaluating map[string]bool
	// asked are the arguments of the last evaluation of a version.
	asked map[string][]string
	// failing is the share of a version's requests that fail.
	failing map[string]float64
	// slow versions take that many times the 2 ms that others do; of mirrored answers of a version a share disagrees.
	slow        map[string]float64
	disagreeing map[string]float64
	// needed are the Pods that autoscalers find necessary, by version; without an entry they find those that there are.
	needed map[string]int32
	// idle says that the controller of the autoscalers does nothing.
	idle bool
	// ahead is by how many seconds the router's clock is ahead.
	ahead int64
	// counted are the seconds that the router has counted, confirmed the revision that it applies, by model.
	counted  map[string][]route.Second
	revision map[string]int64
	versions map[string]string // by ID
	// inFlight are the router's requests under way, by version; reports counts how often it was asked for them.
	inFlight map[string]int
	reports  int
	port     int
	silent   bool
}

// ending is how an evaluation's container ends.
type ending struct {
	code    int32
	message string
}

func newCluster(t *testing.T, c client.Client, namespace string) *cluster {
	t.Helper()
	k := &cluster{
		client: c, namespace: namespace,
		unschedulable: map[string]string{}, crashing: map[string]string{}, evaluated: map[string]ending{}, evaluating: map[string]bool{}, asked: map[string][]string{}, failing: map[string]float64{},
		slow: map[string]float64{}, disagreeing: map[string]float64{}, needed: map[string]int32{},
		counted: map[string][]route.Second{}, revision: map[string]int64{}, versions: map[string]string{},
	}
	router := httptest.NewServer(http.HandlerFunc(k.report))
	t.Cleanup(router.Close)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(router.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if k.port, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { stop(); <-done })
	if err := k.run(t.Context(), "model-router-0", map[string]string{"app.kubernetes.io/name": "model-router", "app.kubernetes.io/part-of": "suoke"}, nil, ready); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-second.C:
				k.count(ctx, now.Unix()-1)
			case <-tick.C:
				// A conflict or an object that is gone is met again on the next tick.
				_ = k.autoscalers(ctx)
				_ = k.deployments(ctx)
				_ = k.jobs(ctx)
			}
		}
	}()
	return k
}

// set changes what the cluster does.
func (k *cluster) set(change func(*cluster)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(k)
}

func (k *cluster) get(read func(*cluster)) { k.set(read) }

// autoscalers scale Deployments as the controller of the HPAs does.
func (k *cluster) autoscalers(ctx context.Context) error {
	var all autoscalingv2.HorizontalPodAutoscalerList
	if err := k.client.List(ctx, &all, client.InNamespace(k.namespace)); err != nil {
		return err
	}
	for _, a := range all.Items {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: a.Spec.ScaleTargetRef.Name, Namespace: k.namespace}}
		now := &autoscalingv1.Scale{}
		if err := k.client.SubResource("scale").Get(ctx, d, now); err != nil {
			return client.IgnoreNotFound(err)
		}
		k.mu.Lock()
		wanted, found := k.needed[k.versions[d.Name]]
		idle := k.idle
		k.mu.Unlock()
		if idle || now.Spec.Replicas == 0 {
			continue
		}
		if !found {
			wanted = now.Spec.Replicas
		}
		if wanted = max(*a.Spec.MinReplicas, min(wanted, a.Spec.MaxReplicas)); wanted == now.Spec.Replicas {
			continue
		}
		now.Spec.Replicas = wanted
		if err := k.client.SubResource("scale").Update(ctx, d, client.WithSubResourceBody(now), client.FieldOwner("kube-controller-manager")); err != nil {
			return err
		}
	}
	return nil
}

func (k *cluster) deployments(ctx context.Context) error {
	var deployments appsv1.DeploymentList
	var pods corev1.PodList
	if err := k.client.List(ctx, &deployments, client.InNamespace(k.namespace)); err != nil {
		return err
	}
	if err := k.client.List(ctx, &pods, client.InNamespace(k.namespace), client.MatchingLabels{"app.kubernetes.io/component": manifest.ServerContainer}); err != nil {
		return err
	}
	there := map[string][]corev1.Pod{}
	for _, pod := range pods.Items {
		id := pod.Labels[manifest.LabelVersion]
		there[id] = append(there[id], pod)
	}
	for _, d := range deployments.Items {
		if err := k.scale(ctx, d, there[d.Name]); err != nil {
			return err
		}
		delete(there, d.Name)
	}
	for _, orphans := range there {
		for i := range orphans {
			if err := k.kill(ctx, &orphans[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *cluster) scale(ctx context.Context, d appsv1.Deployment, pods []corev1.Pod) error {
	version := k.version(d)
	k.mu.Lock()
	why, crash := k.unschedulable[version], k.crashing[version]
	k.mu.Unlock()
	state := ready
	if why != "" {
		state = unschedulable(why)
	}
	if crash != "" {
		state = crashing(crash)
	}
	for i := len(pods); i < int(*d.Spec.Replicas); i++ {
		name := fmt.Sprintf("%s-%d", d.Name, time.Now().UnixNano())
		if err := k.run(ctx, name, d.Spec.Template.Labels, d.Spec.Template.Annotations, state); err != nil {
			return err
		}
	}
	for i := int(*d.Spec.Replicas); i < len(pods); i++ {
		if err := k.kill(ctx, &pods[i]); err != nil {
			return err
		}
	}
	return nil
}

func (k *cluster) version(d appsv1.Deployment) string {
	for _, arg := range d.Spec.Template.Spec.Containers[0].Args {
		if version, found := strings.CutPrefix(arg, "--version="); found {
			k.mu.Lock()
			k.versions[d.Name] = version
			k.mu.Unlock()
			return version
		}
	}
	return ""
}

func (k *cluster) jobs(ctx context.Context) error {
	var jobs batchv1.JobList
	if err := k.client.List(ctx, &jobs, client.InNamespace(k.namespace)); err != nil {
		return err
	}
	for _, job := range jobs.Items {
		k.mu.Lock()
		version := k.versions[job.Labels[manifest.LabelVersion]]
		end, ends := k.evaluated[version]
		runs := k.evaluating[version]
		k.asked[version] = job.Spec.Template.Spec.Containers[0].Args
		k.mu.Unlock()
		if !ends && !runs || !job.DeletionTimestamp.IsZero() {
			continue
		}
		labels := maps.Clone(job.Spec.Template.Labels)
		labels[batchv1.JobNameLabel] = job.Name
		state := evaluating(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}})
		if ends {
			state = evaluating(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: end.code, Message: end.message}})
		}
		err := k.run(ctx, job.Name+"-pod", labels, job.Spec.Template.Annotations, state)
		if ends && apierrors.IsAlreadyExists(err) {
			err = k.end(ctx, job.Name+"-pod", state)
		}
		if client.IgnoreAlreadyExists(err) != nil {
			return err
		}
	}
	return nil
}

// evaluating is an evaluation's Pod with its container in that state.
func evaluating(c corev1.ContainerState) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		s.Phase = corev1.PodRunning
		if c.Terminated != nil {
			s.Phase = corev1.PodSucceeded
		}
		s.ContainerStatuses = []corev1.ContainerStatus{{Name: manifest.EvaluateContainer, State: c}}
	}
}

// end gives a Pod that runs its last state.
func (k *cluster) end(ctx context.Context, name string, state func(*corev1.PodStatus)) error {
	pod := &corev1.Pod{}
	if err := k.client.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: name}, pod); err != nil || pod.Status.Phase == corev1.PodSucceeded {
		return client.IgnoreNotFound(err)
	}
	state(&pod.Status)
	return k.client.Status().Update(ctx, pod)
}

// run makes a Pod in the state given.
func (k *cluster) run(ctx context.Context, name string, labels, annotations map[string]string, state func(*corev1.PodStatus)) error {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: k.namespace, Labels: labels, Annotations: annotations},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}, TerminationGracePeriodSeconds: new(int64(0))},
	}
	if err := k.client.Create(ctx, pod); err != nil {
		return err
	}
	state(&pod.Status)
	return k.client.Status().Update(ctx, pod)
}

func (k *cluster) kill(ctx context.Context, pod *corev1.Pod) error {
	return client.IgnoreNotFound(k.client.Delete(ctx, pod, client.GracePeriodSeconds(0)))
}

func ready(s *corev1.PodStatus) {
	s.Phase = corev1.PodRunning
	s.PodIP, s.PodIPs = "127.0.0.1", []corev1.PodIP{{IP: "127.0.0.1"}}
	s.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func unschedulable(why string) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		s.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: why,
		}}
	}
}

func crashing(why string) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		s.Phase = corev1.PodPending
		s.InitContainerStatuses = []corev1.ContainerStatus{{
			Name:                 manifest.FetchContainer,
			State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Message: why}},
		}}
	}
}

// count is one second of traffic, 100 requests a model, split as the route says.
func (k *cluster) count(ctx context.Context, unix int64) {
	var routes corev1.ConfigMapList
	if err := k.client.List(ctx, &routes, client.InNamespace(k.namespace), client.MatchingLabels{route.Label: "true"}); err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, object := range routes.Items {
		r, err := route.Parse([]byte(object.Data[route.Key]))
		if err != nil {
			continue
		}
		for _, v := range r.Versions {
			if v.Weight == 0 {
				continue
			}
			n := int64(v.Weight)
			took := time.Duration(float64(2*time.Millisecond) * max(1, k.slow[v.Version]))
			second := route.Second{
				Unix: unix + k.ahead, ID: v.ID, Pod: v.ID + "-0", Requests: n, Failures: int64(float64(n) * k.failing[v.Version]),
				LatencySum: n * took.Microseconds(), Latencies: map[int]int64{route.Bucket(took): n},
			}
			if v.ShadowPercentage > 0 {
				second.Mirrored = int64(v.ShadowPercentage)
				second.Disagreed = int64(float64(v.ShadowPercentage) * k.disagreeing[v.Version])
			}
			k.counted[r.Model] = append(k.counted[r.Model], second)
		}
	}
}

// report is what a router answers; it has applied what stands in the ConfigMaps now.
func (k *cluster) report(w http.ResponseWriter, req *http.Request) {
	since, _ := strconv.ParseInt(req.URL.Query().Get("since"), 10, 64)
	var routes corev1.ConfigMapList
	if err := k.client.List(req.Context(), &routes, client.InNamespace(k.namespace), client.MatchingLabels{route.Label: "true"}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reports++
	if k.silent {
		http.Error(w, "silent", http.StatusServiceUnavailable)
		return
	}
	out := route.Report{Router: "model-router-0", Process: "1", Now: time.Now().Unix() - 1 + k.ahead, Models: map[string]route.ModelReport{}}
	for _, object := range routes.Items {
		r, err := route.Parse([]byte(object.Data[route.Key]))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		if named := req.URL.Query()["model"]; len(named) > 0 && !slices.Contains(named, r.Model) {
			continue
		}
		m := route.ModelReport{AppliedRevision: r.Revision, InFlight: map[string]int{}}
		for id, version := range k.versions {
			m.InFlight[id] = k.inFlight[version]
		}
		for _, s := range k.counted[r.Model] {
			if s.Unix > since && s.Unix < out.Now {
				m.Seconds = append(m.Seconds, s)
			}
		}
		out.Models[r.Model] = m
	}
	_ = json.NewEncoder(w).Encode(out)
}
