package scrape

import (
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/suoke-life/suoke/internal/profile"
)

// AgentLabel names the agent on its Pods.
const AgentLabel = "suoke.life/agent"

// Targets are the Pods of the profile's agents that run and are not on their way out.
func Targets(agents *profile.Profile, pods []*corev1.Pod) []Target {
	var targets []Target
	for _, pod := range pods {
		agent, known := agents.Agent(pod.Labels[AgentLabel])
		if !known || pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" || pod.DeletionTimestamp != nil {
			continue
		}
		address := net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(agent.Port)))
		targets = append(targets, Target{
			UID: string(pod.UID), Pod: pod.Name, Agent: agent.Name,
			URL: "http://" + address + "/metrics", Counter: agent.Metric.Counter,
		})
	}
	return targets
}
