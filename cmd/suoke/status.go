package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/client-go/kubernetes"
	custommetrics "k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// statusEvery is how often --watch looks.
const statusEvery = 2 * time.Second

type statusOptions struct {
	cluster     server.Cluster
	profileFile string
	watch       bool
	output      string
}

func newStatusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the agents with their replicas and load, and the models with their versions",
		Example: `  suoke status
  suoke status --watch
  suoke status -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents.yaml to use in place of the built-in one")
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "look again every 2 seconds")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json, or nothing for people")
	return cmd
}

// systemStatus is what is shown.
type systemStatus struct {
	Agents []agentStatus `json:"agents"`
	Models []modelStatus `json:"models"`
}

type agentStatus struct {
	Name        string `json:"name"`
	ChineseName string `json:"chineseName"`
	// Ready and Wanted Pods, and the HPA's bounds.
	Ready  int32 `json:"ready"`
	Wanted int32 `json:"wanted"`
	Min    int32 `json:"min"`
	Max    int32 `json:"max"`
	// Rate is requests per second and Pod; absent while no Pod's is known.
	Rate   *float64 `json:"requestsPerSecondAndPod,omitempty"`
	Target int32    `json:"target"`
	// Held says why the HPA does not act; empty if it does.
	Held string `json:"held,omitempty"`
}

type modelStatus struct {
	Name    string                 `json:"name"`
	Agent   string                 `json:"agent"`
	Wanted  string                 `json:"wanted"`
	Stable  string                 `json:"stable,omitempty"`
	Phase   suokev1.ModelPhase     `json:"phase,omitempty"`
	Traffic []suokev1.TrafficShare `json:"traffic,omitempty"`
	Message string                 `json:"message,omitempty"`
}

func (o *statusOptions) run(ctx context.Context, out io.Writer) error {
	if o.output != "" && o.output != "json" {
		return fmt.Errorf("--output %s: write json, or leave it out", o.output)
	}
	agents, err := profile.Load(o.profileFile)
	if err != nil {
		return err
	}
	config, err := o.cluster.Config()
	if err != nil {
		return fmt.Errorf("finding the cluster (write --kubeconfig FILE): %w", err)
	}
	reader, err := connect(config)
	if err != nil {
		return err
	}
	raw, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	for {
		status, err := o.look(ctx, agents, reader, raw)
		if err != nil {
			return err
		}
		if err := o.show(status, out); err != nil || !o.watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(statusEvery):
		}
	}
}

// look gathers everything once. An agent that is not deployed shows zeros; a cluster without our kinds is an error.
func (o *statusOptions) look(ctx context.Context, agents *profile.Profile, reader client.Reader, raw kubernetes.Interface) (systemStatus, error) {
	var status systemStatus
	var hpas autoscalingv2.HorizontalPodAutoscalerList
	if err := reader.List(ctx, &hpas, client.InNamespace(o.cluster.Namespace)); err != nil {
		return status, fmt.Errorf("listing HPAs: %w", err)
	}
	for _, agent := range agents.Agents {
		s := agentStatus{
			Name: agent.Name, ChineseName: agent.ChineseName,
			Min: agent.Replicas.Min, Max: agent.Replicas.Max, Target: agent.Metric.Target,
		}
		var d appsv1.Deployment
		err := reader.Get(ctx, client.ObjectKey{Namespace: o.cluster.Namespace, Name: agent.Deployment}, &d)
		if client.IgnoreNotFound(err) != nil {
			return status, fmt.Errorf("reading deployment %s: %w", agent.Deployment, err)
		}
		s.Ready = d.Status.ReadyReplicas
		if d.Spec.Replicas != nil {
			s.Wanted = *d.Spec.Replicas
		}
		s.Held = held(hpas.Items, agent.Deployment)
		s.Rate = meanRate(ctx, raw, o.cluster.Namespace, agent.Metric.Name)
		status.Agents = append(status.Agents, s)
	}
	var models suokev1.AIModelList
	if err := reader.List(ctx, &models, client.InNamespace(o.cluster.Namespace)); err != nil {
		return status, fmt.Errorf("listing AIModels (is the system deployed?): %w", err)
	}
	for _, m := range models.Items {
		status.Models = append(status.Models, modelStatus{
			Name: m.Name, Agent: m.Spec.AgentType, Wanted: m.Spec.Version, Stable: m.Status.StableVersion,
			Phase: m.Status.Phase, Traffic: m.Status.Traffic, Message: m.Status.Message,
		})
	}
	return status, nil
}

// held says why the HPA of a Deployment does not act.
func held(hpas []autoscalingv2.HorizontalPodAutoscaler, deployment string) string {
	for _, hpa := range hpas {
		if hpa.Spec.ScaleTargetRef.Name != deployment {
			continue
		}
		for _, c := range hpa.Status.Conditions {
			if c.Type == autoscalingv2.ScalingActive && c.Status != "True" {
				return c.Message
			}
		}
		return ""
	}
	return "no HPA"
}

// meanRate is the mean of a metric over the Pods that have one. A metric that is not served is not an error here.
func meanRate(ctx context.Context, raw kubernetes.Interface, namespace, metric string) *float64 {
	path := fmt.Sprintf("/apis/custom.metrics.k8s.io/v1beta2/namespaces/%s/pods/*/%s", namespace, metric)
	data, err := raw.Discovery().RESTClient().Get().AbsPath(path).DoRaw(ctx)
	var list custommetrics.MetricValueList
	if err != nil || json.Unmarshal(data, &list) != nil || len(list.Items) == 0 {
		return nil
	}
	var sum float64
	for _, item := range list.Items {
		sum += item.Value.AsApproximateFloat64()
	}
	mean := sum / float64(len(list.Items))
	return &mean
}

func (o *statusOptions) show(status systemStatus, out io.Writer) error {
	if o.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(status)
	}
	table := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(table, "AGENT\tREADY\tWANTED\tBOUNDS\tREQUESTS/S AND POD\tTARGET\t")
	for _, a := range status.Agents {
		rate := "unknown"
		if a.Rate != nil {
			rate = fmt.Sprintf("%.1f", *a.Rate)
		}
		fmt.Fprintf(table, "%s %s\t%d\t%d\t%d-%d\t%s\t%d\t%s\n", a.Name, a.ChineseName, a.Ready, a.Wanted, a.Min, a.Max, rate, a.Target, a.Held)
	}
	fmt.Fprintln(table, "\t\t\t\t\t\t")
	fmt.Fprintln(table, "MODEL\tWANTED\tSTABLE\tPHASE\tTRAFFIC\tMESSAGE\t")
	for _, m := range status.Models {
		var traffic strings.Builder
		for _, share := range m.Traffic {
			fmt.Fprintf(&traffic, "%s %d%% ", share.Version, share.Weight)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Name, m.Wanted, m.Stable, m.Phase, traffic.String(), m.Message)
	}
	fmt.Fprintln(table)
	return table.Flush()
}
