package scrape

import (
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/profile"
)

// AgentLabel names the agent on its Pods.
const AgentLabel = "suoke.life/agent"

// VersionLabel names the version of a model on its Pods; an HPA of that name scales them.
const VersionLabel = "suoke.life/version"

// Targets are the Pods that run, are not on their way out, and count what they are scaled by: those of the profile's agents,
// and those of model versions, of which counter names the metric if an HPA goes by it.
func Targets(agents *profile.Profile, pods []*corev1.Pod, counter func(version string) string) []Target {
	var targets []Target
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" || pod.DeletionTimestamp != nil {
			continue
		}
		t := Target{UID: string(pod.UID), Pod: pod.Name}
		var port string
		if agent, known := agents.Agent(pod.Labels[AgentLabel]); known {
			t.Of, t.Counter, port = agent.Name, agent.Metric.Counter, strconv.Itoa(int(agent.Port))
		} else if version := pod.Labels[VersionLabel]; version != "" {
			t.Of, t.Counter, port = version, counter(version), pod.Annotations[profile.AnnotationMetricsPort]
		}
		if t.Counter == "" || port == "" {
			continue
		}
		t.URL = "http://" + net.JoinHostPort(pod.Status.PodIP, port) + "/metrics"
		targets = append(targets, t)
	}
	return targets
}
