package metricsapi

import (
	"github.com/prometheus/client_golang/prometheus"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	appslisters "k8s.io/client-go/listers/apps/v1"
	autoscalinglisters "k8s.io/client-go/listers/autoscaling/v2"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/scaling/scrape"
)

// gpu is the resource that GPUs are asked for by.
const gpu = corev1.ResourceName("nvidia.com/gpu")

// Objects tells about the agents' Deployments, Pods, HPAs and VPAs in one namespace, as they are when it is collected.
type Objects struct {
	Agents      *profile.Profile
	Namespace   string
	Pods        corelisters.PodLister
	Deployments appslisters.DeploymentLister
	HPAs        autoscalinglisters.HorizontalPodAutoscalerLister
	Rates       Rates
	Usage       *Usage
}

// description is one metric's name and labels.
type description = *prometheus.Desc

func describe(name, help string, of ...string) description {
	return prometheus.NewDesc(name, help, of, nil)
}

func replicas() description {
	return describe("suoke_agent_replicas", "Ready Pods of an agent.", "agent")
}

func replicasWanted() description {
	return describe("suoke_agent_replicas_wanted", "Pods that an agent's Deployment asks for.", "agent")
}

func requestRate() description {
	return describe("suoke_agent_request_rate", "Requests per second of all Pods of an agent, over 60 seconds.", "agent")
}

func resourceRequests() description {
	return describe("suoke_agent_resource_requests", "Largest request of an agent's Pods, in cores or bytes.", "agent", "resource")
}

func podCPU() description {
	return describe("suoke_pod_cpu_usage_cores", "Cores that a Pod of an agent uses, by metrics.k8s.io.", "pod", "agent")
}

func podMemory() description {
	return describe("suoke_pod_memory_usage_bytes", "Working set of a Pod of an agent, by metrics.k8s.io.", "pod", "agent")
}

func podRestarts() description {
	return describe("suoke_pod_restarts_total", "Restarts of the containers of a Pod of an agent.", "pod", "agent")
}

func hpaDesired() description {
	return describe("suoke_hpa_desired_replicas", "Replicas that an HPA wants.", "hpa")
}

func hpaCurrent() description {
	return describe("suoke_hpa_current_replicas", "Replicas that an HPA sees.", "hpa")
}

func hpaMax() description {
	return describe("suoke_hpa_max_replicas", "Upper bound of an HPA.", "hpa")
}

func vpaAdvice() description {
	return describe("suoke_vpa_recommendation", "Target that a VPA recommends, in cores or bytes.", "vpa", "container", "resource")
}

func gpuDevices() description {
	return describe("suoke_gpu_devices", "GPUs that the Pods of the namespace hold.")
}

// Describe implements prometheus.Collector.
func (o *Objects) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []description{
		replicas(), replicasWanted(), requestRate(), resourceRequests(), podCPU(), podMemory(), podRestarts(),
		hpaDesired(), hpaCurrent(), hpaMax(), vpaAdvice(), gpuDevices(),
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (o *Objects) Collect(out chan<- prometheus.Metric) {
	gauge := func(d description, value float64, of ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, of...)
	}
	pods, err := o.Pods.Pods(o.Namespace).List(labels.Everything())
	if err != nil {
		out <- prometheus.NewInvalidMetric(gpuDevices(), err)
		return
	}
	gauge(gpuDevices(), gpusHeld(pods))
	for _, agent := range o.Agents.Agents {
		o.collectAgent(out, gauge, agent, ofAgent(pods, agent.Name))
	}
	hpas, err := o.HPAs.HorizontalPodAutoscalers(o.Namespace).List(labels.Everything())
	if err != nil {
		out <- prometheus.NewInvalidMetric(hpaDesired(), err)
		return
	}
	for _, hpa := range hpas {
		collectHPA(gauge, hpa)
	}
	for _, a := range o.Usage.advice() {
		gauge(vpaAdvice(), a.amount, a.vpa, a.container, a.resource)
	}
}

type addGauge func(d description, value float64, of ...string)

func (o *Objects) collectAgent(out chan<- prometheus.Metric, gauge addGauge, agent profile.Agent, pods []*corev1.Pod) {
	if d, err := o.Deployments.Deployments(o.Namespace).Get(agent.Deployment); err == nil {
		gauge(replicas(), float64(d.Status.ReadyReplicas), agent.Name)
		wanted := int32(1)
		if d.Spec.Replicas != nil {
			wanted = *d.Spec.Replicas
		}
		gauge(replicasWanted(), float64(wanted), agent.Name)
	}
	var total float64
	requests := corev1.ResourceList{}
	for _, pod := range pods {
		rate, _, ok := o.Rates.Rate(string(pod.UID), scrape.Long)
		if ok {
			total += rate
		}
		raise(requests, pod)
		out <- prometheus.MustNewConstMetric(podRestarts(), prometheus.CounterValue, restarts(pod), pod.Name, agent.Name)
		if use, ok := o.Usage.of(pod.Name); ok {
			gauge(podCPU(), use.Cpu().AsApproximateFloat64(), pod.Name, agent.Name)
			gauge(podMemory(), use.Memory().AsApproximateFloat64(), pod.Name, agent.Name)
		}
	}
	gauge(requestRate(), total, agent.Name)
	for name, amount := range requests {
		gauge(resourceRequests(), amount.AsApproximateFloat64(), agent.Name, string(name))
	}
}

func collectHPA(gauge addGauge, hpa *autoscalingv2.HorizontalPodAutoscaler) {
	gauge(hpaDesired(), float64(hpa.Status.DesiredReplicas), hpa.Name)
	gauge(hpaCurrent(), float64(hpa.Status.CurrentReplicas), hpa.Name)
	gauge(hpaMax(), float64(hpa.Spec.MaxReplicas), hpa.Name)
}

func ofAgent(pods []*corev1.Pod, agent string) []*corev1.Pod {
	var own []*corev1.Pod
	for _, pod := range pods {
		if pod.Labels[scrape.AgentLabel] == agent {
			own = append(own, pod)
		}
	}
	return own
}

// raise lifts the cpu and memory of a list to those of the Pod's first container, which is the agent's own.
func raise(requests corev1.ResourceList, pod *corev1.Pod) {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		amount, found := pod.Spec.Containers[0].Resources.Requests[name]
		if highest := requests[name]; found && amount.Cmp(highest) > 0 {
			requests[name] = amount
		}
	}
}

func restarts(pod *corev1.Pod) float64 {
	var n float64
	for _, c := range pod.Status.ContainerStatuses {
		n += float64(c.RestartCount)
	}
	return n
}

// gpusHeld counts the GPUs of all Pods that were given a node and have not ended.
func gpusHeld(pods []*corev1.Pod) float64 {
	var held float64
	for _, pod := range pods {
		if pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, c := range pod.Spec.Containers {
			if amount, found := c.Resources.Limits[gpu]; found {
				held += amount.AsApproximateFloat64()
			}
		}
	}
	return held
}
