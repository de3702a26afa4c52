package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// resolveWithin is how long a registry may take to name a digest; it is asked again later.
const resolveWithin = 10 * time.Second

type operatorOptions struct {
	cluster       server.Cluster
	registry      string
	imagePrefix   string
	imageTag      string
	routerService string
	routerPort    int
	deadline      time.Duration
	tagInterval   time.Duration
	profileFile   string
	runtimesFile  string
	address       string
}

func newOperatorCommand() *cobra.Command {
	var o operatorOptions
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "Take model versions to all of the traffic, or back",
		Long: `Reconciles AIModels and ModelVersions. A change of an AIModel's spec.version starts a release: the version is frozen,
brought up and evaluated at weight 0, given traffic by its strategy, judged by its failures, its slow answers and, where it is
mirrored to, those that disagree with stable's, and promoted or returned.

  kubectl patch aimodel xiaoai-llm-model --type=merge -p '{"spec": {"version": "v2.2.0"}}'
  kubectl get aimodels,modelversions --watch

All that a release needs stands in the ConfigMap <model>-route, and what stable's Pods did of late in <model>-history, so that
the operator may be killed at any time. Of several replicas one leads.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runOperator(cmd.Context(), o, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	o.cluster.Flags(cmd.Flags())
	cmd.Flags().StringVar(&o.registry, "registry", "model-registry.suoke-life.svc:5000", "host and port of the registry that holds data sets")
	cmd.Flags().StringVar(&o.imagePrefix, "image-prefix", "suoke.local", "prefix of the images of the system")
	cmd.Flags().StringVar(&o.imageTag, "image-tag", "dev", "tag of the images of the system")
	cmd.Flags().StringVar(&o.routerService, "router-service", "model-router", "Service of the routers")
	cmd.Flags().IntVar(&o.routerPort, "router-port", 8081, "admin port of the routers' Pods")
	cmd.Flags().DurationVar(&o.deadline, "progress-deadline", 10*time.Minute, "time for a version's Pods to be ready and its evaluation to begin, and after it for those of its first weight")
	cmd.Flags().DurationVar(&o.tagInterval, "tag-interval", 5*time.Minute, "time between two looks at the tag that a version was resolved from (0: none)")
	cmd.Flags().StringVar(&o.profileFile, "profile-file", "", "agents.yaml to use in place of the built-in one")
	cmd.Flags().StringVar(&o.runtimesFile, "runtimes-file", "", "runtimes.yaml to use in place of the built-in one")
	cmd.Flags().StringVar(&o.address, "listen", ":8080", "address for /metrics, /healthz and /readyz")
	return cmd
}

func runOperator(ctx context.Context, o operatorOptions, log *slog.Logger) error {
	agents, err := profile.Load(o.profileFile)
	if err != nil {
		return err
	}
	runtimes, err := profile.LoadRuntimes(o.runtimesFile)
	if err != nil {
		return err
	}
	config, err := o.cluster.Config()
	if err != nil {
		return fmt.Errorf("finding the cluster (run in a Pod, or write --kubeconfig FILE): %w", err)
	}
	ctrl.SetLogger(logr.FromSlogHandler(log.Handler()))
	mgr, err := operator.NewManager(config, o.cluster.Namespace, o.address, true)
	if err != nil {
		return err
	}
	// The library of the controllers has its own registry of metrics, with those of Go and the process.
	metrics, err := operator.NewMetrics(ctrlmetrics.Registry)
	if err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	op := &operator.Operator{
		Config: operator.Config{
			Namespace: o.cluster.Namespace, Registry: o.registry, ImagePrefix: o.imagePrefix, ImageTag: o.imageTag,
			RouterService: o.routerService, RouterPort: o.routerPort, ProgressDeadline: o.deadline, TagInterval: o.tagInterval,
			Resources: modestResources(), Agents: agents, Runtimes: runtimes,
		},
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: mgr.GetEventRecorder(operator.FieldManager),
		Resolver: resolver{}, Recorder: recorder{registry: o.registry}, Metrics: metrics, Log: log, Now: time.Now,
	}
	if err := op.Register(mgr); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// modestResources are those of a model server whose AIModel names none: enough for a small model.
func modestResources() corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")},
	}
}

// resolver asks registries.
type resolver struct{}

// Resolve asks once; the operator asks again.
func (resolver) Resolve(ctx context.Context, reference ref.Reference, proof credentials.Proof) (operator.Artifact, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveWithin)
	defer cancel()
	artifact, err := store.Resolve(ctx, reference, store.Options{PlainHTTP: reference.PlainHTTP(), Credentials: proof, Attempts: 1})
	if errors.Is(err, store.ErrDenied) && proof == (credentials.Proof{}) {
		err = fmt.Errorf("%w than none; %s", err, unlocks(reference))
	}
	if err != nil {
		return operator.Artifact{}, withReason(err)
	}
	return operator.Artifact{Reference: artifact.Reference, Digest: artifact.Digest, SizeBytes: artifact.SizeBytes}, nil
}

// unlocks says what to do where a registry that was asked without credentials wants some. A Secret helps only a model.
func unlocks(reference ref.Reference) string {
	if reference.IsDataset {
		return "data sets are read without credentials; put it into a registry that asks for none, such as the system's own, with `suoke model push`, and name it there in validation.testDataset"
	}
	return "name the Secret with them in repository.secretRef"
}

// recorder puts the records of releases into a registry, where `suoke model pull` finds them.
type recorder struct{ registry string }

// recordFile is the one file of a record.
const recordFile = "record.jsonl"

// Record pushes what write writes; the operator tries again.
func (r recorder) Record(ctx context.Context, name string, write func(io.Writer) error) error {
	to, err := ref.Parse(name, r.registry)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "suoke-record-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is pushed, or written anew
	if err := writeFile(filepath.Join(dir, recordFile), write); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = store.Push(ctx, dir, to, store.Options{PlainHTTP: to.PlainHTTP(), Attempts: 1})
	return err
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name) //nolint:gosec // in a directory made for it
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	return errors.Join(write(buffered), buffered.Flush(), file.Close())
}

// withReason makes an error that a user can act upon one that conditions can carry.
func withReason(err error) error {
	for kind, reason := range map[error]string{
		store.ErrNotFound:       suokev1.ReasonArtifactNotFound,
		store.ErrUnreachable:    suokev1.ReasonRegistryUnreachable,
		store.ErrDigestMismatch: suokev1.ReasonDigestMismatch,
		store.ErrInvalid:        suokev1.ReasonArtifactInvalid,
	} {
		if errors.Is(err, kind) {
			return &operator.Problem{Reason: reason, Denied: errors.Is(err, store.ErrDenied), Err: err}
		}
	}
	return err
}
