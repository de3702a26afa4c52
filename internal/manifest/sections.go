package manifest

import (
	"fmt"

	"github.com/suoke-life/suoke/internal/profile"
)

// sections are the dashboard's four parts. Every metric is one that our own processes export (docs/contracts.md). The
// adapter's metrics about objects come from each of its replicas alike, so queries take the maximum of them.
func sections(agents *profile.Profile) []section {
	return []section{
		{title: "Agent resource use", panels: agentPanels(agents)},
		{title: "HPA scaling history", panels: scalingPanels()},
		{title: "Model performance", panels: modelPanels()},
		{title: "System health", panels: healthPanels()},
	}
}

func agentPanels(agents *profile.Profile) []panel {
	throughput := panel{
		title: "Requests of each agent's own kind", unit: "reqps",
		about: "The counters that the HPAs scale on, over all Pods.",
	}
	for _, a := range agents.Agents {
		throughput.queries = append(throughput.queries, query{
			fmt.Sprintf("sum(rate(%s[1m]))", a.Metric.Counter), a.Name + " " + a.Metric.Description,
		})
	}
	return []panel{
		{
			title: "CPU", unit: "none", about: "Cores used by each agent's Pods.",
			queries: []query{{"sum by (agent) (max by (agent, pod) (suoke_pod_cpu_usage_cores))", "{{agent}}"}},
		},
		{
			title: "Memory", unit: "bytes", about: "Working set of each agent's Pods.",
			queries: []query{{"sum by (agent) (max by (agent, pod) (suoke_pod_memory_usage_bytes))", "{{agent}}"}},
		},
		throughput,
		{
			title: "Requests per second and Pod", unit: "reqps", about: "What the HPA compares with its target.",
			queries: []query{{"max by (agent) (suoke_agent_request_rate) / max by (agent) (suoke_agent_replicas)", "{{agent}}"}},
		},
		{
			title: "Response time", unit: "s", about: "95 of 100 answers of an agent are faster.",
			queries: []query{{
				"histogram_quantile(0.95, sum by (agent, le) (rate(suoke_agent_request_duration_seconds_bucket[1m])))", "{{agent}}",
			}},
		},
		{
			title: "Error rate", unit: "percentunit", about: "Answers of 500 and above, as a share of all.",
			queries: []query{{
				share(`suoke_agent_requests_total{code=~"5.."}`, "suoke_agent_requests_total", "agent"), "{{agent}}",
			}},
		},
	}
}

func scalingPanels() []panel {
	return []panel{
		{
			title: "Replicas", unit: "none", about: "What each HPA wants, and what there is.",
			queries: []query{
				{"max by (hpa) (suoke_hpa_desired_replicas)", "{{hpa}} wanted"},
				{"max by (hpa) (suoke_hpa_current_replicas)", "{{hpa}}"},
			},
		},
		{
			title: "Scalings in the last hour", unit: "none", about: "How often each HPA changed its mind.",
			queries: []query{{"max by (hpa) (changes(suoke_hpa_desired_replicas[1h]))", "{{hpa}}"}},
		},
		{
			title: "Share of the upper bound", unit: "percentunit", about: "At 100 % the HPA cannot grow the agent any further.",
			queries: []query{{"max by (hpa) (suoke_hpa_current_replicas) / max by (hpa) (suoke_hpa_max_replicas)", "{{hpa}}"}},
		},
		{
			title: "CPU requests and VPA's advice", unit: "none", about: "The advice appears where the Vertical Pod Autoscaler is installed.",
			queries: []query{
				{`max by (agent) (suoke_agent_resource_requests{resource="cpu"})`, "{{agent}} request"},
				{`max by (vpa, container) (suoke_vpa_recommendation{resource="cpu"})`, "{{vpa}} {{container}} advice"},
			},
		},
		{
			title: "Memory requests and VPA's advice", unit: "bytes", about: "The advice appears where the Vertical Pod Autoscaler is installed.",
			queries: []query{
				{`max by (agent) (suoke_agent_resource_requests{resource="memory"})`, "{{agent}} request"},
				{`max by (vpa, container) (suoke_vpa_recommendation{resource="memory"})`, "{{vpa}} {{container}} advice"},
			},
		},
		{
			title: "Pod restarts", unit: "none", about: "Restarts of the containers of the agents' present Pods.",
			queries: []query{{"sum by (agent) (max by (agent, pod) (suoke_pod_restarts_total))", "{{agent}}"}},
		},
	}
}

func modelPanels() []panel {
	return []panel{
		{
			title: "Inference latency", unit: "s", about: "95 of 100 inferences are faster, by the model server's own clock.",
			queries: []query{{
				"histogram_quantile(0.95, sum by (model, version, le) (rate(ai_inference_duration_seconds_bucket[1m])))", "{{model}} {{version}}",
			}},
		},
		{
			title: "Accuracy", unit: "percentunit", about: "As measured in the version's evaluation.",
			queries: []query{{"max by (model, version) (suoke_model_accuracy)", "{{model}} {{version}}"}},
		},
		{
			title: "Traffic split", unit: "percent", about: "The weight of each version, as wanted.",
			queries: []query{{"max by (model, version) (suoke_release_weight)", "{{model}} {{version}}"}},
		},
		{
			title: "Requests by version", unit: "reqps", about: "As the routers counted them.",
			queries: []query{{"sum by (model, version) (rate(suoke_router_requests_total[1m]))", "{{model}} {{version}}"}},
		},
		{
			title: "Failures by version", unit: "percentunit",
			about: "Answers of 500 and above, as a share of all; those of a canary were asked again of the stable version.",
			queries: []query{{
				share(`suoke_router_requests_total{code=~"5.."}`, "suoke_router_requests_total", "model, version"), "{{model}} {{version}}",
			}},
		},
		{
			title: "GPUs", unit: "none", about: "GPUs that the Pods of this namespace hold.",
			queries: []query{{"max(suoke_gpu_devices)", "held"}},
		},
	}
}

func healthPanels() []panel {
	return []panel{
		{
			title: "Ready agents", unit: "percentunit", about: "Ready Pods as a share of those wanted.",
			queries: []query{{"max by (agent) (suoke_agent_replicas) / max by (agent) (suoke_agent_replicas_wanted)", "{{agent}}"}},
		},
		{
			title: "Router latency", unit: "s", about: "99 of 100 answers through the routers are faster.",
			queries: []query{{
				"histogram_quantile(0.99, sum by (model, le) (rate(suoke_router_request_duration_seconds_bucket[1m])))", "{{model}}",
			}},
		},
		{
			title: "Requests in flight", unit: "none", about: "In all routers.",
			queries: []query{{"sum by (model, version) (suoke_router_in_flight)", "{{model}} {{version}}"}},
		},
		{
			title: "Asked again", unit: "reqps", about: "Failed answers of a candidate that the stable version answered instead.",
			queries: []query{{
				"sum by (model, version) (rate(suoke_router_reasked_total[1m])) or 0 * sum by (model, version) (rate(suoke_router_requests_total[1m]))",
				"{{model}} {{version}}",
			}},
		},
		{
			title: "Model servers' answers", unit: "reqps", about: "By status code.",
			queries: []query{{"sum by (model, code) (rate(suoke_model_requests_total[1m]))", "{{model}} {{code}}"}},
		},
		{
			title: "Releases", unit: "none", about: "Ended releases by outcome, since the operator's start.",
			queries: []query{{"sum by (model, outcome) (suoke_releases_total)", "{{model}} {{outcome}}"}},
		},
	}
}

// share is the rate of some series as a share of all, and 0 where there are none of them.
func share(some, all, by string) string {
	part := fmt.Sprintf("sum by (%s) (rate(%s[1m]))", by, some)
	whole := fmt.Sprintf("sum by (%s) (rate(%s[1m]))", by, all)
	return fmt.Sprintf("(%s or 0 * %s) / %s", part, whole, whole)
}
