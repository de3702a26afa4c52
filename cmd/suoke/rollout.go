package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/release/view"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// rolloutOptions are common to the commands that look at releases and ask for something.
type rolloutOptions struct {
	cluster server.Cluster
	output  string

	// command is how the person calls these commands: suoke rollout, or kubectl suoke rollout.
	command string
	out     io.Writer
	api     client.Client
}

func newRolloutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "See where releases are and why, and promote, abort, pause, retry or undo them",
		Long: `See where the release of a model is and why, what it is judged by, and what comes next; and ask for what only a person
can ask for. NAME is the name of an AIModel.

Called kubectl-suoke, this program is a plugin of kubectl: make plugin puts a link beside bin/suoke.`,
	}
	cmd.AddCommand(
		newRolloutListCommand(), newRolloutGetCommand(), newRolloutExplainCommand(), newRolloutHistoryCommand(),
		newRolloutPromoteCommand(), newRolloutAbortCommand(), newRolloutRetryCommand(),
		newRolloutPauseCommand(), newRolloutResumeCommand(), newRolloutUndoCommand(),
		newRolloutReplayCommand(),
	)
	return cmd
}

// named makes a command about one AIModel.
func (o *rolloutOptions) named(verb, short, long string, run func(ctx context.Context, name string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: verb + " NAME", Short: short, Long: long,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return unnamed(cmd, "")
			}
			return nil
		},
		ValidArgsFunction: o.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, func(ctx context.Context) error { return run(ctx, args[0]) })
		},
	}
	o.flags(cmd)
	return cmd
}

// unnamed says how to name the AIModel that a command is about, after what else it takes.
func unnamed(cmd *cobra.Command, after string) error {
	return fmt.Errorf("write the name of one AIModel: %s%s NAME; `%s list` shows them", cmd.CommandPath(), after, cmd.Parent().CommandPath())
}

func (o *rolloutOptions) flags(cmd *cobra.Command) {
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "json, or nothing for people")
}

// run connects and does the work. That a person interrupts it is no error.
func (o *rolloutOptions) run(cmd *cobra.Command, work func(context.Context) error) error {
	if err := checkOutput(o.output); err != nil {
		return err
	}
	o.out, o.command = cmd.OutOrStdout(), cmd.Parent().CommandPath()
	if err := o.connect(); err != nil {
		return err
	}
	if err := work(cmd.Context()); cmd.Context().Err() == nil {
		return err
	}
	return nil
}

func (o *rolloutOptions) connect() error {
	config, err := o.cluster.Config()
	if err != nil {
		return fmt.Errorf("finding the cluster (write --kubeconfig FILE): %w", err)
	}
	o.api, err = connect(config)
	return err
}

// complete lists the AIModels that begin so.
func (o *rolloutOptions) complete(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || o.connect() != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := o.names(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, begun) }), cobra.ShellCompDirectiveNoFileComp
}

func (o *rolloutOptions) names(ctx context.Context) ([]string, error) {
	models, err := o.models(ctx)
	names := make([]string, 0, len(models))
	for i := range models {
		names = append(names, models[i].Name)
	}
	return names, err
}

// models are the AIModels of the namespace, by name.
func (o *rolloutOptions) models(ctx context.Context) ([]suokev1.AIModel, error) {
	var list suokev1.AIModelList
	if err := o.api.List(ctx, &list, client.InNamespace(o.cluster.Namespace)); err != nil {
		return nil, fmt.Errorf("listing AIModels: %w", undeployed(err))
	}
	slices.SortFunc(list.Items, func(a, b suokev1.AIModel) int { return cmp.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// undeployed says what to do about a cluster that does not know our kinds.
func undeployed(err error) error {
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("the cluster has no AIModels; deploy the system with `suoke deploy`: %w", err)
	}
	return err
}

func (o *rolloutOptions) model(ctx context.Context, name string) (*suokev1.AIModel, error) {
	var model suokev1.AIModel
	err := o.api.Get(ctx, client.ObjectKey{Namespace: o.cluster.Namespace, Name: name}, &model)
	if !apierrors.IsNotFound(err) {
		if err != nil {
			err = fmt.Errorf("reading AIModel %s: %w", name, undeployed(err))
		}
		return &model, err
	}
	known, err := o.names(ctx)
	switch {
	case err != nil:
		return nil, err
	case len(known) == 0:
		return nil, fmt.Errorf("there is no AIModel in namespace %s; write another with --namespace, or apply one (k8s/ai-model-examples.yaml)", o.cluster.Namespace)
	default:
		return nil, fmt.Errorf("there is no AIModel %s in namespace %s; there are: %s", name, o.cluster.Namespace, strings.Join(known, ", "))
	}
}

// seenRelease is what was read of one model.
type seenRelease struct {
	view.Seen

	// frozen are its versions as they were first seen, with the credentials of now, the latest of each name.
	frozen map[string]frozenVersion
}

// frozenVersion is what the operator writes into a version's ControllerRevision, as far as these commands need it.
type frozenVersion struct {
	Version manifest.Version   `json:"version"`
	Source  suokev1.Repository `json:"source"`
}

// look reads what there is of a model.
func (o *rolloutOptions) look(ctx context.Context, name string) (seenRelease, error) {
	model, err := o.model(ctx, name)
	if err != nil {
		return seenRelease{}, err
	}
	seen := seenRelease{Seen: view.Seen{Model: *model}}
	if seen.Versions, err = o.versions(ctx, name); err != nil {
		return seenRelease{}, err
	}
	names := map[string]string{}
	if seen.frozen, err = o.frozen(ctx, name, names); err != nil {
		return seenRelease{}, err
	}
	seen.Pods, err = o.pods(ctx, name, names)
	return seen, err
}

// versions are a model's ModelVersions, oldest first.
func (o *rolloutOptions) versions(ctx context.Context, model string) ([]suokev1.ModelVersion, error) {
	var list suokev1.ModelVersionList
	if err := o.api.List(ctx, &list, client.InNamespace(o.cluster.Namespace)); err != nil {
		return nil, fmt.Errorf("listing ModelVersions: %w", undeployed(err))
	}
	all := slices.DeleteFunc(list.Items, func(v suokev1.ModelVersion) bool { return model != "" && v.Spec.ModelRef != model })
	slices.SortStableFunc(all, func(a, b suokev1.ModelVersion) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return all, nil
}

// frozen reads a model's ControllerRevisions, and notes into names which ID has which version.
func (o *rolloutOptions) frozen(ctx context.Context, model string, names map[string]string) (map[string]frozenVersion, error) {
	var list appsv1.ControllerRevisionList
	if err := o.api.List(ctx, &list, client.InNamespace(o.cluster.Namespace), client.MatchingLabels{manifest.LabelModel: ref.LabelValue(model)}); err != nil {
		return nil, fmt.Errorf("listing the versions of %s: %w", model, err)
	}
	slices.SortFunc(list.Items, func(a, b appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
	all := map[string]frozenVersion{}
	for _, revision := range list.Items {
		var f frozenVersion
		if err := json.Unmarshal(revision.Data.Raw, &f); err != nil {
			return nil, fmt.Errorf("reading ControllerRevision %s: %w", revision.Name, err)
		}
		if err := operator.Renew(&revision, &f.Version, &f.Source); err != nil {
			return nil, err
		}
		if f.Version.Model == model {
			names[f.Version.ID], all[f.Version.Version] = f.Version.Version, f
		}
	}
	return all, nil
}

// pods are those that serve a model, by version.
func (o *rolloutOptions) pods(ctx context.Context, model string, names map[string]string) (map[string][]corev1.Pod, error) {
	var list corev1.PodList
	if err := o.api.List(ctx, &list, client.InNamespace(o.cluster.Namespace), client.MatchingLabels{
		manifest.LabelModel: ref.LabelValue(model), "app.kubernetes.io/component": manifest.ServerContainer,
	}); err != nil {
		return nil, fmt.Errorf("listing the Pods of %s: %w", model, err)
	}
	all := map[string][]corev1.Pod{}
	for _, pod := range list.Items {
		if version, known := names[pod.Labels[manifest.LabelVersion]]; known && pod.Annotations[manifest.AnnotationModel] == model {
			all[version] = append(all[version], pod)
		}
	}
	return all, nil
}
