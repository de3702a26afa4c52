package demo

import (
	"context"
	"fmt"
	"maps"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	busyAgent = "xiaoai"
	// busyRate asks for more Pods than everyday traffic does: six at xiaoai's target of 30 requests per second a Pod.
	busyRate = 180
	// slack is what may pass beyond the HPA's own scale-up window: two of its syncs and the start of a Pod.
	slack = 45 * time.Second
)

// scaleUp raises the load on one agent and waits for the first Pod that the HPA adds.
func (s *Story) scaleUp(ctx context.Context) ([]Row, error) {
	var hpa autoscalingv2.HorizontalPodAutoscaler
	if err := s.Client.Get(ctx, s.key(busyAgent+"-hpa"), &hpa); err != nil {
		return nil, fmt.Errorf("reading the HPA of %s: %w", busyAgent, err)
	}
	before, err := s.readyPods(ctx)
	if err != nil {
		return nil, err
	}
	rates := maps.Clone(everyday())
	rates[busyAgent] = busyRate
	flow, err := s.Traffic.Start(ctx, rates)
	if err != nil {
		return nil, err
	}
	s.say("%d requests per second on %s, which has %d Pods", busyRate, busyAgent, len(before))
	took, grown, err := s.firstNewPod(ctx, before, time.Now())
	if err == nil {
		s.say("first new Pod ready after %.0f s; going on for 20 s", took.Seconds())
		err = pause(ctx, 20*time.Second)
	}
	after, podsErr := s.readyPods(ctx)
	seen := flow.Stop()
	if err == nil {
		err = podsErr
	}
	bound := scaleUpWindow(&hpa) + slack
	rows := []Row{
		{What: "load raised → first new Pod ready", Value: fmt.Sprintf("%.0f s (bound %.0f s)", took.Seconds(), bound.Seconds()), Good: grown && took <= bound},
		{What: "Pods before, after", Value: fmt.Sprintf("%d, %d", len(before), len(after)), Good: len(after) > len(before)},
	}
	return append(rows, clientRows(seen)...), err
}

// firstNewPod waits for a ready Pod that was not there before.
func (s *Story) firstNewPod(ctx context.Context, before map[string]bool, since time.Time) (took time.Duration, grown bool, err error) {
	err = poll(ctx, 5*time.Minute, func(ctx context.Context) (bool, error) {
		now, err := s.readyPods(ctx)
		for name := range now {
			grown = grown || !before[name]
		}
		return grown, err
	})
	return time.Since(since), grown, err
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

// scaleUpWindow is how long the HPA waits for a higher recommendation to last.
func scaleUpWindow(hpa *autoscalingv2.HorizontalPodAutoscaler) time.Duration {
	behavior := hpa.Spec.Behavior
	if behavior == nil || behavior.ScaleUp == nil || behavior.ScaleUp.StabilizationWindowSeconds == nil {
		return 0
	}
	return time.Duration(*behavior.ScaleUp.StabilizationWindowSeconds) * time.Second
}
