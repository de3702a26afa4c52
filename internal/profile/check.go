package profile

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

const (
	// longestWindow and longestPeriod are what the API server accepts, in seconds.
	longestWindow = 3600
	longestPeriod = 1800
	// ourMetrics is the prefix of the metrics that every agent has besides its own counter.
	ourMetrics = "suoke_"
)

// check reports everything that is wrong, each with what to write.
func (p *Profile) check() error {
	if len(p.Agents) == 0 {
		return errors.New("agents: write at least one agent")
	}
	var wrong []error
	taken := map[string]string{"metric.name " + ModelMetric: "every model server"}
	for i, a := range p.Agents {
		where := fmt.Sprintf("agents[%d]", i)
		if a.Name != "" {
			where = "agent " + a.Name
		}
		wrong = append(wrong, prefixed(where, a.check())...)
		wrong = append(wrong, claim(taken, where, "name "+a.Name))
		wrong = append(wrong, claim(taken, where, "deployment "+a.Deployment))
		wrong = append(wrong, claim(taken, where, "metric.name "+a.Metric.Name))
	}
	return errors.Join(wrong...)
}

// claim reports a thing that another agent has already.
func claim(taken map[string]string, who, what string) error {
	if other, found := taken[what]; found {
		return fmt.Errorf("%s: %s: write one that %s does not have", who, what, other)
	}
	taken[what] = who
	return nil
}

func prefixed(where string, errs []error) []error {
	for i, err := range errs {
		errs[i] = fmt.Errorf("%s: %w", where, err)
	}
	return errs
}

func (a Agent) check() []error {
	var wrong []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	refuse(isLabel(a.Name), "name: write lower-case letters, digits and '-', such as xiaoai")
	refuse(isLabel(a.Deployment), "deployment: write lower-case letters, digits and '-', such as %s-agent", a.Name)
	refuse(len(validation.IsDNS1123Subdomain(a.Model)) == 0, "model: write the name of an AIModel, such as %s-model", a.Name)
	refuse(a.Port >= 1024 && a.Port <= 65535, "port: write a port from 1024 to 65535; the agent runs without privileges")
	refuse(a.Replicas.Min >= 1 && a.Replicas.Max >= a.Replicas.Min, "replicas: write min of at least 1 and max of at least min")
	refuse(isPercent(a.Targets.CPU), "targets.cpu: write a percentage from 1 to 100")
	refuse(isPercent(a.Targets.Memory), "targets.memory: write a percentage from 1 to 100")
	refuse(isMetric(a.Metric.Name), "metric.name: write the rate's name, such as ai_inference_requests_per_second")
	refuse(isMetric(a.Metric.Counter) && !strings.HasPrefix(a.Metric.Counter, ourMetrics), "metric.counter: write the counter on the Pods' /metrics, such as ai_inference_requests_total; %s is taken", ourMetrics)
	refuse(a.Metric.Target >= 1, "metric.target: write the wanted requests per second and Pod, at least 1")

	wrong = append(wrong, prefixed("behavior.scaleUp", checkRules(a.Behavior.ScaleUp))...)
	wrong = append(wrong, prefixed("behavior.scaleDown", checkRules(a.Behavior.ScaleDown))...)
	for _, name := range []string{Production, Local} {
		_, found := a.Sizes[name]
		refuse(found, "sizes.%s: write its resources and vertical bounds", name)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Sizes)) {
		refuse(name == Production || name == Local, "sizes.%s: write %s and %s only", name, Production, Local)
		wrong = append(wrong, prefixed("sizes."+name, a.Sizes[name].check())...)
	}
	return wrong
}

// checkRules holds one direction's rules against what the API server accepts.
func checkRules(rules *autoscalingv2.HPAScalingRules) []error {
	if rules == nil {
		return []error{errors.New("write stabilizationWindowSeconds and policies")}
	}
	var wrong []error
	selections := []autoscalingv2.ScalingPolicySelect{autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect}
	if w := rules.StabilizationWindowSeconds; w == nil || *w < 0 || *w > longestWindow {
		wrong = append(wrong, fmt.Errorf("stabilizationWindowSeconds: write 0 to %d", longestWindow))
	}
	if s := rules.SelectPolicy; s != nil && !slices.Contains(selections, *s) {
		wrong = append(wrong, fmt.Errorf("selectPolicy: write %s", join(selections)))
	}
	if len(rules.Policies) == 0 {
		wrong = append(wrong, errors.New("policies: write at least one, such as {type: Pods, value: 2, periodSeconds: 60}"))
	}
	for i, policy := range rules.Policies {
		if policy.Type != autoscalingv2.PodsScalingPolicy && policy.Type != autoscalingv2.PercentScalingPolicy {
			wrong = append(wrong, fmt.Errorf("policies[%d].type: write Pods or Percent", i))
		}
		if policy.Value < 1 {
			wrong = append(wrong, fmt.Errorf("policies[%d].value: write at least 1", i))
		}
		if policy.PeriodSeconds < 1 || policy.PeriodSeconds > longestPeriod {
			wrong = append(wrong, fmt.Errorf("policies[%d].periodSeconds: write 1 to %d", i, longestPeriod))
		}
	}
	return wrong
}

func (s Size) check() []error {
	var wrong []error
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		request, limit := s.Resources.Requests[name], s.Resources.Limits[name]
		if request.Sign() <= 0 {
			wrong = append(wrong, fmt.Errorf("resources.requests.%s: write how much; the HPA's target is a share of it", name))
		}
		if limit.Cmp(request) < 0 {
			wrong = append(wrong, fmt.Errorf("resources.limits.%s: write at least the request, %s", name, request.String()))
		}
		least, most := s.Vertical.Agent.MinAllowed[name], s.Vertical.Agent.MaxAllowed[name]
		if outside(request, least, most) {
			wrong = append(wrong, fmt.Errorf("resources.requests.%s: write %s to %s, the bounds in vertical.agent",
				name, least.String(), most.String()))
		}
	}
	wrong = append(wrong, prefixed("vertical.agent", s.Vertical.Agent.check())...)
	return append(wrong, prefixed("vertical.modelServer", s.Vertical.ModelServer.check())...)
}

func (b Bounds) check() []error {
	var wrong []error
	for _, list := range []corev1.ResourceList{b.MinAllowed, b.MaxAllowed} {
		for name := range list {
			if name != corev1.ResourceCPU && name != corev1.ResourceMemory {
				wrong = append(wrong, fmt.Errorf("%s: write cpu and memory only; GPUs go under gpus, as VPA refuses them", name))
			}
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		least, most := b.MinAllowed[name], b.MaxAllowed[name]
		if least.Sign() <= 0 || most.Cmp(least) < 0 {
			wrong = append(wrong, fmt.Errorf("%s: write minAllowed above 0 and maxAllowed of at least that", name))
		}
	}
	if b.GPUs != nil && (b.GPUs.Min < 0 || b.GPUs.Max < b.GPUs.Min) {
		wrong = append(wrong, errors.New("gpus: write min of at least 0 and max of at least min"))
	}
	return wrong
}

func outside(q, least, most resource.Quantity) bool { return q.Cmp(least) < 0 || q.Cmp(most) > 0 }

func isLabel(s string) bool { return len(validation.IsDNS1123Label(s)) == 0 }

func isPercent(n int32) bool { return n >= 1 && n <= 100 }

func isMetric(s string) bool {
	ok, err := regexp.MatchString(`^[a-zA-Z_][a-zA-Z0-9_]*$`, s)
	return err == nil && ok
}
