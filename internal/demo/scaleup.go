package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	busyAgent = "xiaoai"
	// growth is how many Pods more the raised load asks for than there are, as far as the HPA may go.
	growth = 3
	// room is how many of them the HPA must still be able to add, so that what it sees is beyond its tolerance of 10 %.
	room = 2
	// slack is what may pass beyond the HPA's own scale-up window: two of its syncs and the start of a Pod.
	slack = 45 * time.Second
	// longestShrink is waited for an HPA that an earlier run brought to its bound: its window, and a Pod a minute.
	longestShrink = 12 * time.Minute
)

// scaleUp raises the load on one agent and waits for the first Pod that the HPA adds.
func (s *Story) scaleUp(ctx context.Context) ([]Row, error) {
	hpa, before, err := s.steady(ctx)
	if err != nil {
		return nil, err
	}
	target, err := requestTarget(hpa)
	if err != nil {
		return nil, err
	}
	rates := maps.Clone(everyday())
	rates[busyAgent] = target * float64(min(len(before)+growth, int(hpa.Spec.MaxReplicas)))
	flow, err := s.Traffic.Start(ctx, rates)
	if err != nil {
		return nil, err
	}
	s.say("%.0f requests per second on %s, which has %d Pods", rates[busyAgent], busyAgent, len(before))
	took, saw, err := s.firstNewPod(ctx, before, time.Now())
	grown := err == nil
	if grown {
		s.say("first new Pod ready after %.0f s; going on for 20 s", took.Seconds())
		err = pause(ctx, 20*time.Second)
	}
	after, podsErr := s.readyPods(ctx)
	seen := flow.Stop()
	bound := scaleUpWindow(hpa) + slack
	rows := []Row{
		{What: "load raised → first new Pod ready", Value: fmt.Sprintf("%.0f s (bound %.0f s)", took.Seconds(), bound.Seconds()), Good: grown && took <= bound},
		{What: "requests per second and Pod that the HPA saw", Value: fmt.Sprintf("%.1f (target %.0f)", saw, target), Good: saw > target},
		{What: "Pods before, after", Value: fmt.Sprintf("%d, %d", len(before), len(after)), Good: len(after) > len(before)},
	}
	return append(rows, clientRows(seen)...), errors.Join(err, podsErr)
}

// steady waits until the HPA has as many Pods as it wants and may add some: a Pod that comes up for the load before
// would be taken for an answer to the load that is raised now.
func (s *Story) steady(ctx context.Context) (hpa *autoscalingv2.HorizontalPodAutoscaler, ready map[string]bool, err error) {
	told := false
	err = poll(ctx, longestShrink, func(ctx context.Context) (bool, error) {
		if hpa, err = s.hpa(ctx); err != nil {
			return false, err
		}
		if ready, err = s.readyPods(ctx); err != nil {
			return false, err
		}
		wanted := hpa.Status.DesiredReplicas
		if len(ready) > 0 && len(ready) == int(wanted) && wanted+room <= hpa.Spec.MaxReplicas {
			return true, nil
		}
		if !told {
			s.say("%s has %d Pods ready of the %d that its HPA wants; waiting until both are alike and below its bound of %d",
				busyAgent, len(ready), wanted, hpa.Spec.MaxReplicas)
			told = true
		}
		return false, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("waiting for the Pods of %s to be as many as its HPA wants: %w", busyAgent, err)
	}
	return hpa, ready, nil
}

// firstNewPod waits for a ready Pod that was not there before, and returns what the HPA saw at the most until then.
func (s *Story) firstNewPod(ctx context.Context, before map[string]bool, since time.Time) (took time.Duration, saw float64, err error) {
	err = poll(ctx, 5*time.Minute, func(ctx context.Context) (bool, error) {
		hpa, err := s.hpa(ctx)
		if err != nil {
			return false, err
		}
		saw = max(saw, requestsSeen(hpa))
		now, err := s.readyPods(ctx)
		for name := range now {
			if !before[name] {
				return true, err
			}
		}
		return false, err
	})
	return time.Since(since), saw, err
}

func (s *Story) hpa(ctx context.Context) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	var hpa autoscalingv2.HorizontalPodAutoscaler
	if err := s.Client.Get(ctx, s.key(busyAgent+"-hpa"), &hpa); err != nil {
		return nil, fmt.Errorf("reading the HPA of %s: %w", busyAgent, err)
	}
	return &hpa, nil
}

func (s *Story) readyPods(ctx context.Context) (map[string]bool, error) {
	var pods corev1.PodList
	if err := s.Client.List(ctx, &pods, client.InNamespace(s.Namespace), client.MatchingLabels{"suoke.life/agent": busyAgent}); err != nil {
		return nil, fmt.Errorf("listing the Pods of %s: %w", busyAgent, err)
	}
	ready := map[string]bool{}
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				ready[pod.Name] = true
			}
		}
	}
	return ready, nil
}

// requestTarget is the HPA's target of requests per second and Pod.
func requestTarget(hpa *autoscalingv2.HorizontalPodAutoscaler) (float64, error) {
	for _, metric := range hpa.Spec.Metrics {
		if metric.Pods != nil && metric.Pods.Target.AverageValue != nil {
			return metric.Pods.Target.AverageValue.AsApproximateFloat64(), nil
		}
	}
	return 0, fmt.Errorf("the HPA of %s has no target of requests per second", busyAgent)
}

// requestsSeen are the requests per second and Pod that the HPA last saw; 0 if it saw none.
func requestsSeen(hpa *autoscalingv2.HorizontalPodAutoscaler) float64 {
	for _, metric := range hpa.Status.CurrentMetrics {
		if metric.Pods != nil && metric.Pods.Current.AverageValue != nil {
			return metric.Pods.Current.AverageValue.AsApproximateFloat64()
		}
	}
	return 0
}

// scaleUpWindow is how long the HPA waits for a higher recommendation to last.
func scaleUpWindow(hpa *autoscalingv2.HorizontalPodAutoscaler) time.Duration {
	behavior := hpa.Spec.Behavior
	if behavior == nil || behavior.ScaleUp == nil || behavior.ScaleUp.StabilizationWindowSeconds == nil {
		return 0
	}
	return time.Duration(*behavior.ScaleUp.StabilizationWindowSeconds) * time.Second
}
