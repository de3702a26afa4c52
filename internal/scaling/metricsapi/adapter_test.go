package metricsapi_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/scaling/metricsapi"
	"github.com/suoke-life/suoke/internal/scaling/scrape"
	"github.com/suoke-life/suoke/test/apiserver"
)

var server *apiserver.Server

func TestMain(m *testing.M) {
	os.Exit(apiserver.Main(m, func(s *apiserver.Server) { server = s }))
}

// fixed rates, by UID and window.
type fixed map[string]map[time.Duration]float64

func (f fixed) Rate(uid string, window time.Duration) (float64, time.Time, bool) {
	rate, ok := f[uid][window]
	return rate, time.Unix(1_000_000, 0), ok
}

func agentPod(name, agent string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "suoke-life", Name: name, UID: types.UID(name),
			Labels: map[string]string{scrape.AgentLabel: agent, "app.kubernetes.io/name": agent + "-agent"},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "agent", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
		}}}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{RestartCount: 2}}},
	}
}

func indexed[T any](objects ...T) cache.Indexer {
	index := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for _, o := range objects {
		_ = index.Add(o)
	}
	return index
}

func xiaoaiProvider() *metricsapi.Provider {
	pods := corelisters.NewPodLister(indexed(agentPod("a", "xiaoai"), agentPod("b", "xiaoai"), agentPod("c", "xiaoke")))
	return metricsapi.NewProvider(profile.Embedded(), pods, "suoke-life", fixed{
		"a": {scrape.Short: 30.5, scrape.Long: 12}, "c": {scrape.Short: 7},
	})
}

func info(metric string) provider.CustomMetricInfo {
	return provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: metric}
}

func TestASelectorGivesTheFreshRatesOfTheAgentsPods(t *testing.T) {
	selector := labels.SelectorFromSet(labels.Set{"app.kubernetes.io/name": "xiaoai-agent"})
	for name, test := range map[string]struct {
		window string
		want   map[string]string
	}{
		"by default over 6 seconds":  {"", map[string]string{"a": "30500m"}},
		"over a minute if asked for": {"window=60s", map[string]string{"a": "12"}},
	} {
		t.Run(name, func(t *testing.T) {
			window, err := labels.Parse(test.window)
			if err != nil {
				t.Fatal(err)
			}
			list, err := xiaoaiProvider().GetMetricBySelector(t.Context(), "suoke-life", selector, info("ai_inference_requests_per_second"), window)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, item := range list.Items {
				got[item.DescribedObject.Name] = item.Value.String()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A model server's Pods have one metric, and an agent's another.
func TestModelServersHaveAMetricOfTheirOwn(t *testing.T) {
	server := agentPod("s", "")
	server.Labels = map[string]string{scrape.VersionLabel: "m-v1"}
	pods := corelisters.NewPodLister(indexed(agentPod("a", "xiaoai"), server))
	p := metricsapi.NewProvider(profile.Embedded(), pods, "suoke-life", fixed{"a": {scrape.Short: 30}, "s": {scrape.Short: 4}})
	for metric, want := range map[string]string{profile.ModelMetric: "s 4", "ai_inference_requests_per_second": "a 30"} {
		list, err := p.GetMetricBySelector(t.Context(), "suoke-life", labels.Everything(), info(metric), nil)
		if err != nil || len(list.Items) != 1 {
			t.Fatalf("%s: %+v, %v", metric, list, err)
		}
		if got := list.Items[0].DescribedObject.Name + " " + list.Items[0].Value.String(); got != want {
			t.Errorf("%s: %s, want %s", metric, got, want)
		}
	}
}

func TestOnePodByName(t *testing.T) {
	p := xiaoaiProvider()
	name := types.NamespacedName{Namespace: "suoke-life", Name: "a"}
	value, err := p.GetMetricByName(t.Context(), name, info("ai_inference_requests_per_second"), labels.Everything())
	if err != nil || value.Value.MilliValue() != 30500 || *value.WindowSeconds != 6 {
		t.Errorf("%v, %v", value, err)
	}
	for why, ask := range map[string]struct {
		namespace, pod, metric, window string
		want                           func(error) bool
	}{
		"the Pod has no fresh rate":         {"suoke-life", "b", "ai_inference_requests_per_second", "", apierrors.IsNotFound},
		"there is no such Pod":              {"suoke-life", "z", "ai_inference_requests_per_second", "", apierrors.IsNotFound},
		"the metric is another agent's":     {"suoke-life", "a", "health_analysis_requests_per_second", "", apierrors.IsNotFound},
		"no agent has such a metric":        {"suoke-life", "a", "other", "", apierrors.IsNotFound},
		"the namespace is not ours":         {"other", "a", "ai_inference_requests_per_second", "", apierrors.IsNotFound},
		"there is no window of that length": {"suoke-life", "a", "ai_inference_requests_per_second", "window=7s", apierrors.IsBadRequest},
	} {
		window, err := labels.Parse(ask.window)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.GetMetricByName(t.Context(), types.NamespacedName{Namespace: ask.namespace, Name: ask.pod}, info(ask.metric), window)
		if !ask.want(err) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestDiscoveryShowsEachAgentsMetric(t *testing.T) {
	var got []string
	for _, m := range xiaoaiProvider().ListAllMetrics() {
		got = append(got, m.String())
	}
	want := []string{
		"pods/model_requests_per_second(namespaced)",
		"pods/ai_inference_requests_per_second(namespaced)", "pods/health_analysis_requests_per_second(namespaced)",
		"pods/tcm_diagnosis_requests_per_second(namespaced)", "pods/wellness_recommendations_per_second(namespaced)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReplicasShareOneAuthority(t *testing.T) {
	client, err := kubernetes.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	namespace := server.Namespace(t)
	authorities := make([]*metricsapi.Authority, 8)
	var group sync.WaitGroup
	for i := range authorities {
		group.Go(func() {
			a, err := metricsapi.SharedAuthority(context.WithoutCancel(t.Context()), client, namespace)
			if err != nil {
				t.Error(err)
			}
			authorities[i] = a
		})
	}
	group.Wait()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities[0].CA)
	for i, a := range authorities {
		if !bytes.Equal(a.CA, authorities[0].CA) {
			t.Fatalf("replica %d has another authority", i)
		}
		certificate, key, err := a.Issue("metrics-adapter", namespace, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "metrics-adapter." + namespace + ".svc"}); err != nil {
			t.Errorf("replica %d: %v", i, err)
		}
	}
}

// An APIService of ours gets the bundle; one of another adapter is not touched, and the log says whose it is.
func TestRegistration(t *testing.T) {
	client, err := aggregator.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	services := client.ApiregistrationV1().APIServices()
	for version, owner := range map[string]string{"v1beta2": "metrics-adapter", "v1beta1": "prometheus-adapter"} {
		port := int32(443)
		_, err := services.Create(t.Context(), &apiregistrationv1.APIService{
			ObjectMeta: metav1.ObjectMeta{Name: version + ".custom.metrics.k8s.io"},
			Spec: apiregistrationv1.APIServiceSpec{
				Group: "custom.metrics.k8s.io", Version: version, GroupPriorityMinimum: 100, VersionPriority: 100,
				InsecureSkipTLSVerify: owner == "prometheus-adapter",
				Service:               &apiregistrationv1.ServiceReference{Namespace: "ns", Name: owner, Port: &port},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = services.Delete(context.WithoutCancel(t.Context()), version+".custom.metrics.k8s.io", metav1.DeleteOptions{})
		})
	}
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	r := &metricsapi.Registration{
		Client: client, Service: "metrics-adapter", Namespace: "ns", CA: sharedAuthority(t, server.Namespace(t)).CA,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	}
	go func() { r.Run(ctx); close(done) }()
	for {
		ours, err := services.Get(t.Context(), "v1beta2.custom.metrics.k8s.io", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(ours.Spec.CABundle, r.CA) {
			break
		}
	}
	stop()
	<-done
	theirs, err := services.Get(t.Context(), "v1beta1.custom.metrics.k8s.io", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(theirs.Spec.CABundle) != 0 || !theirs.Spec.InsecureSkipTLSVerify {
		t.Error("another adapter's APIService was changed")
	}
}

func sharedAuthority(t *testing.T, namespace string) *metricsapi.Authority {
	t.Helper()
	client, err := kubernetes.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	a, err := metricsapi.SharedAuthority(t.Context(), client, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestObjectsTellAboutAgents(t *testing.T) {
	metrics, err := metricsclient.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	others, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	usage := metricsapi.NewUsage(metrics, others, "suoke-life", slog.New(slog.NewTextHandler(&log, nil)))
	usage.Read(t.Context())
	usage.Read(t.Context())
	if n := strings.Count(log.String(), "metrics-server"); n != 1 {
		t.Errorf("the absence of metrics-server is told %d times:\n%s", n, log.String())
	}
	three := int32(3)
	leaving := agentPod("c", "xiaoke")
	leaving.Spec.NodeName = "node"
	leaving.Spec.Containers[0].Resources.Limits = corev1.ResourceList{"nvidia.com/gpu": resource.MustParse("2")}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&metricsapi.Objects{
		Agents: profile.Embedded(), Namespace: "suoke-life", Usage: usage,
		Pods: corelisters.NewPodLister(indexed(agentPod("a", "xiaoai"), agentPod("b", "xiaoai"), leaving)),
		Deployments: appslisters.NewDeploymentLister(indexed(&appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "suoke-life", Name: "xiaoai-agent"},
			Spec:       appsv1.DeploymentSpec{Replicas: &three}, Status: appsv1.DeploymentStatus{ReadyReplicas: 2},
		})),
		HPAs: autoscalinglisters.NewHorizontalPodAutoscalerLister(indexed(&autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Namespace: "suoke-life", Name: "xiaoai-hpa"},
			Spec:       autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 10},
			Status:     autoscalingv2.HorizontalPodAutoscalerStatus{DesiredReplicas: 3, CurrentReplicas: 2},
		})),
		Rates: fixed{"a": {scrape.Long: 12}, "b": {scrape.Long: 8}},
	})
	want := `
# HELP suoke_agent_replicas Ready Pods of an agent.
# TYPE suoke_agent_replicas gauge
suoke_agent_replicas{agent="xiaoai"} 2
# HELP suoke_agent_replicas_wanted Pods that an agent's Deployment asks for.
# TYPE suoke_agent_replicas_wanted gauge
suoke_agent_replicas_wanted{agent="xiaoai"} 3
# HELP suoke_agent_request_rate Requests per second of all Pods of an agent, over 60 seconds.
# TYPE suoke_agent_request_rate gauge
suoke_agent_request_rate{agent="laoke"} 0
suoke_agent_request_rate{agent="soer"} 0
suoke_agent_request_rate{agent="xiaoai"} 20
suoke_agent_request_rate{agent="xiaoke"} 0
# HELP suoke_gpu_devices GPUs that the Pods of the namespace hold.
# TYPE suoke_gpu_devices gauge
suoke_gpu_devices 2
# HELP suoke_hpa_desired_replicas Replicas that an HPA wants.
# TYPE suoke_hpa_desired_replicas gauge
suoke_hpa_desired_replicas{hpa="xiaoai-hpa"} 3
# HELP suoke_pod_restarts_total Restarts of the containers of a Pod of an agent.
# TYPE suoke_pod_restarts_total counter
suoke_pod_restarts_total{agent="xiaoai",pod="a"} 2
suoke_pod_restarts_total{agent="xiaoai",pod="b"} 2
suoke_pod_restarts_total{agent="xiaoke",pod="c"} 2
`
	err = testutil.GatherAndCompare(registry, strings.NewReader(want), "suoke_agent_replicas", "suoke_agent_replicas_wanted",
		"suoke_agent_request_rate", "suoke_gpu_devices", "suoke_hpa_desired_replicas", "suoke_pod_restarts_total")
	if err != nil {
		t.Error(err)
	}
}
