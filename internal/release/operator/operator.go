// Package operator reconciles AIModels and ModelVersions: it gathers what is wanted and what is there, lets the pure
// packages rollout and analysis decide, and applies the decision. It promises that the ConfigMap <model>-route is its
// whole memory, written in one piece before anything else of a decision is applied, so that it can be killed after any
// write and goes on from there; and that every status, condition and event is a projection of that memory. It does not
// serve requests, fetch models or evaluate them.
package operator

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/profile"
)

const (
	// FieldManager owns the fields that the operator applies.
	FieldManager = "suoke-operator"
	// Lease is the name of the leader's.
	Lease = "suoke-operator"
	// resyncAfter is when a model is looked at again if nothing happened.
	resyncAfter = 5 * time.Minute
)

// Config is what the operator is told.
type Config struct {
	// Namespace that it reconciles.
	Namespace string
	// Registry is the host and port of the registry that holds data sets.
	Registry string
	// ImagePrefix and ImageTag name our images.
	ImagePrefix, ImageTag string
	// RouterService is the app.kubernetes.io/name of the routers' Pods, RouterPort their admin port.
	RouterService string
	RouterPort    int
	// ProgressDeadline bounds the time from the start of a release until its candidate is being evaluated, and from the end of
	// that until its Pods can take the first weight.
	ProgressDeadline time.Duration
	// TagInterval is the time between two looks at the tag that a version was resolved from; 0: none is looked at again.
	TagInterval time.Duration
	// Resources of model servers whose AIModel names none.
	Resources corev1.ResourceRequirements
	// Agents and Runtimes that are known.
	Agents   *profile.Profile
	Runtimes *profile.Runtimes
}

// Artifact is what a reference was resolved to.
type Artifact struct {
	// Reference with its digest.
	Reference string
	Digest    string
	SizeBytes int64
}

// Resolver turns a reference into an artifact; one that names a digest is resolved to that digest or not at all. Errors that the user can act upon are of type *Problem.
type Resolver interface {
	Resolve(ctx context.Context, reference ref.Reference, proof credentials.Proof) (Artifact, error)
}

// Problem is a reason, as conditions and events carry it, and what is wrong.
type Problem struct { //nolint:errname // it is what a user reads and acts upon; the code passes it on as such
	Reason string
	// Denied says that a registry answered that it wants other credentials: others may open it.
	Denied bool
	Err    error
}

// Error returns the sentence.
func (p *Problem) Error() string { return p.Err.Error() }

// Unwrap returns what is wrong.
func (p *Problem) Unwrap() error { return p.Err }

// and is both problems by the reason of the first; nil is none.
func (p *Problem) and(other *Problem) *Problem {
	switch {
	case p == nil:
		return other
	case other == nil:
		return p
	}
	return &Problem{Reason: p.Reason, Err: fmt.Errorf("%w; %w", p.Err, other.Err)}
}

// Operator holds what its controllers share.
type Operator struct {
	Config
	// Client reads from a cache; Live reads from the API server, for what must not be stale, or may not be listed.
	Client   client.Client
	Live     client.Reader
	Events   events.EventRecorder
	Resolver Resolver
	// Recorder keeps the records of releases; without one they are not kept.
	Recorder Recorder
	Metrics  *Metrics
	Log      *slog.Logger
	// Now is the clock.
	Now func() time.Time

	// autoscales says that the API server has autoscaling/v2.
	autoscales bool
	routers    *routers
	histories  *histories
	recordings *recordings
	inquiries  *inquiries
	// spool keeps what releases were judged on, and histories.
	spool *spool
	// counting is the clock of what routers count.
	counting *counting
	// judges holds what is judged of each model, and the judge as far as this process has heard; see judged.
	judges sync.Map
	// recalled holds the resourceVersion of each model's memory as it was last read from the API server or written to it; see
	// recall.
	recalled sync.Map
	// parsed holds each model's memory as it was last parsed; see parse.
	parsed sync.Map
	// standing holds of each model's objects which of their versions were found to be as they should; see applyObject.
	standing sync.Map
	// secrets holds what was found at those of each model's Secrets that Pods wait for; see look.
	secrets sync.Map
}

// Register adds every controller to the manager: this is the list of them.
func (o *Operator) Register(mgr ctrl.Manager) error {
	var err error
	if o.autoscales, err = servesAutoscaling(mgr.GetRESTMapper()); err != nil {
		return err
	}
	teller := newTeller(o.Events, o.Client.Scheme(), o.Log, func() bool { return o.routers.pressing() })
	o.Events = teller
	o.histories = newHistories(o, func(model string) { o.routers.rouse(call{model: model}) })
	o.recordings = newRecordings(o)
	o.routers = newRouters(o, o.histories.tell, o.turns)
	o.inquiries = newInquiries(o, func(ctx context.Context, model string) { o.routers.summon(ctx, model) })
	for what, runnable := range map[string]manager.Runnable{
		"the reader of the routers' reports": o.routers, "the keeper of histories": o.histories, "the keeper of records": o.recordings,
		"the teller of events": teller, "the asking of registries": o.inquiries,
	} {
		if err := mgr.Add(runnable); err != nil {
			return fmt.Errorf("adding %s: %w", what, err)
		}
	}
	if err := (&models{Operator: o}).register(mgr); err != nil {
		return fmt.Errorf("adding the controller of AIModels: %w", err)
	}
	if err := (&versions{Operator: o}).register(mgr); err != nil {
		return fmt.Errorf("adding the controller of ModelVersions: %w", err)
	}
	return nil
}
