package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

// The example model of xiaoai and its versions; models/README.md says how they were made.
const (
	modelName      = "xiaoai-llm-model"
	baseVersion    = "v2.1.0"
	betterVersion  = "v2.2.0"
	worseVersion   = "v2.3.0"
	failingVersion = "v2.4.0"
	canaryShare    = 20
	canaryHold     = 20 * time.Second
	baselineTime   = 20 * time.Second
	// longestDetection is promised from the first failed answer of a candidate to its last one.
	longestDetection = 5 * time.Second
	releaseDeadline  = 6 * time.Minute
)

// baseline makes sure that the base version has all of the traffic, then serves it for a while.
func (s *Story) baseline(ctx context.Context) ([]Row, error) {
	if err := s.resetModel(ctx); err != nil {
		return nil, err
	}
	flow, err := s.Traffic.Start(ctx, everyday())
	if err != nil {
		return nil, err
	}
	s.say("serving %s for %v under the recorded arrivals", baseVersion, baselineTime)
	err = pause(ctx, baselineTime)
	seen := flow.Stop()
	return append(clientRows(seen), Row{
		What: "answer time of " + busyAgent + ", p50 / p99", Good: true,
		Value: fmt.Sprintf("%.1f ms / %.1f ms", milliseconds(seen[busyAgent].P50), milliseconds(seen[busyAgent].P99)),
	}), err
}

// better releases a version that deserves all of the traffic.
func (s *Story) better(ctx context.Context) ([]Row, error) {
	return s.underTraffic(ctx, func(ctx context.Context) ([]Row, error) {
		asked := time.Now()
		version, err := s.release(ctx, betterVersion, suokev1.VersionProduction)
		if err != nil {
			return nil, err
		}
		model, err := s.settled(ctx)
		if err != nil {
			return nil, err
		}
		return []Row{
			accuracyRow(model),
			phaseRow("asked for → canary at 20 %", version, suokev1.VersionCanary, asked),
			phaseRow("asked for → all of the traffic", version, suokev1.VersionProduction, asked),
			stableRow(model),
		}, nil
	})
}

// worse asks for a version that the evaluation must refuse.
func (s *Story) worse(ctx context.Context) ([]Row, error) {
	return s.underTraffic(ctx, func(ctx context.Context) ([]Row, error) {
		asked := time.Now()
		version, err := s.release(ctx, worseVersion, suokev1.VersionRollback)
		if err != nil {
			return nil, err
		}
		model, err := s.settled(ctx)
		if err != nil {
			return nil, err
		}
		return []Row{
			accuracyRow(model),
			phaseRow("asked for → refused", version, suokev1.VersionRollback, asked),
			reasonRow(version, suokev1.ReasonEvaluationFailed),
			stableRow(model),
		}, nil
	}, unserved(worseVersion))
}

// failing asks for a version that passes its evaluation and then fails half of what it is asked.
func (s *Story) failing(ctx context.Context) ([]Row, error) {
	var first time.Time
	return s.underTraffic(ctx, func(ctx context.Context) ([]Row, error) {
		asked := time.Now()
		version, err := s.release(ctx, failingVersion, suokev1.VersionRollback)
		if err != nil {
			return nil, err
		}
		model, err := s.settled(ctx)
		if err != nil {
			return nil, err
		}
		evidence := version.Status.Evidence
		if evidence == nil || evidence.FirstFailure == nil {
			return nil, errors.New("the version was returned and its evidence names no failed answer")
		}
		first = evidence.FirstFailure.Time
		return []Row{
			phaseRow("asked for → canary at 20 %", version, suokev1.VersionCanary, asked),
			{What: "failed answers of the candidate", Value: fmt.Sprintf("%d of %d", evidence.CandidateFailures, evidence.CandidateRequests), Good: evidence.CandidateFailures > 0},
			reasonRow(version, suokev1.ReasonErrorRate),
			stableRow(model),
		}, nil
	}, func(seen Seen) Row { return detectionRow(first, seen[busyAgent].Versions[failingVersion]) })
}

// underTraffic tells a part of the story while clients ask, and adds what they saw.
func (s *Story) underTraffic(ctx context.Context, tell func(context.Context) ([]Row, error), views ...func(Seen) Row) ([]Row, error) {
	flow, err := s.Traffic.Start(ctx, everyday())
	if err != nil {
		return nil, err
	}
	rows, err := tell(ctx)
	if err == nil {
		err = pause(ctx, 3*time.Second) // so that the last change is seen by clients too
	}
	seen := flow.Stop()
	for _, view := range views {
		rows = append(rows, view(seen))
	}
	return append(rows, clientRows(seen)...), err
}

// release asks for a version, as a canary, and waits until it is in the phase.
func (s *Story) release(ctx context.Context, version string, until suokev1.VersionPhase) (*suokev1.ModelVersion, error) {
	if err := s.describeRelease(ctx, version); err != nil {
		return nil, err
	}
	if err := s.want(ctx, version); err != nil {
		return nil, err
	}
	s.say("%s is wanted", version)
	var seen suokev1.ModelVersion
	var phase suokev1.VersionPhase
	var message string
	err := poll(ctx, releaseDeadline, func(ctx context.Context) (bool, error) {
		if err := s.Client.Get(ctx, s.key(versionName(version)), &seen); err != nil {
			return false, fmt.Errorf("reading %s: %w", versionName(version), err)
		}
		condition := meta.FindStatusCondition(seen.Status.Conditions, suokev1.ConditionProgressing)
		if condition == nil {
			condition = &metav1.Condition{}
		}
		if seen.Status.Phase != phase || condition.Message != message {
			phase, message = seen.Status.Phase, condition.Message
			s.say("%s", strings.TrimSuffix(fmt.Sprintf("%s is %s at %d %%: %s", version, phase, seen.Status.Weight, message), ": "))
		}
		return seen.Status.Phase == until, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s stands at %s (%s) and was to become %s: %w", version, seen.Status.Phase, message, until, err)
	}
	return &seen, nil
}

// describeRelease writes the ModelVersion that makes the release a short canary that promotes itself.
func (s *Story) describeRelease(ctx context.Context, version string) error {
	name := versionName(version)
	old := &suokev1.ModelVersion{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace}}
	if err := client.IgnoreNotFound(s.Client.Delete(ctx, old)); err != nil {
		return fmt.Errorf("deleting %s of an earlier run: %w", name, err)
	}
	accuracy, errorRate, uptime := 0.9, 0.05, metav1.Duration{Duration: canaryHold}
	err := s.Client.Create(ctx, &suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.Namespace},
		Spec: suokev1.ModelVersionSpec{
			ModelRef: modelName, Version: version, Description: "Released by suoke demo.",
			CanaryDeployment: suokev1.CanaryDeployment{Enabled: true, TrafficPercentage: canaryShare, Duration: uptime},
			AutoPromotion: suokev1.AutoPromotion{
				Enabled:  true,
				Criteria: suokev1.PromotionCriteria{MinAccuracy: &accuracy, MinUptime: &uptime, MaxErrorRate: &errorRate},
			},
		},
	})
	if err != nil {
		return fmt.Errorf("creating %s: %w", name, err)
	}
	return nil
}

func (s *Story) want(ctx context.Context, version string) error {
	model, err := s.model(ctx)
	if err != nil {
		return err
	}
	patch := client.MergeFrom(model.DeepCopy())
	model.Spec.Version = version
	if err := s.Client.Patch(ctx, model, patch); err != nil {
		return fmt.Errorf("asking for %s: %w", version, err)
	}
	return nil
}

// resetModel begins the model's life anew at the base version, unless it is there already.
func (s *Story) resetModel(ctx context.Context) error {
	model, err := s.model(ctx)
	if err != nil {
		return err
	}
	if model.Spec.Version != baseVersion || model.Status.StableVersion != baseVersion && model.Status.StableVersion != "" {
		s.say("an earlier run left %s; %s begins anew at %s", model.Spec.Version, modelName, baseVersion)
		if model, err = s.recreate(ctx, model); err != nil {
			return err
		}
	}
	s.say("waiting for %s to serve %s", modelName, baseVersion)
	err = poll(ctx, releaseDeadline, func(ctx context.Context) (bool, error) {
		if model, err = s.model(ctx); err != nil {
			return false, err
		}
		return model.Status.Phase == suokev1.ModelReady && model.Status.StableVersion == baseVersion, nil
	})
	if err != nil {
		return fmt.Errorf("%s stands at %s (%s): %w", modelName, model.Status.Phase, model.Status.Message, err)
	}
	return nil
}

// recreate deletes the model with all that belongs to it, and creates it at the base version.
func (s *Story) recreate(ctx context.Context, model *suokev1.AIModel) (*suokev1.AIModel, error) {
	if err := s.Client.Delete(ctx, model, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		return nil, fmt.Errorf("deleting %s: %w", modelName, err)
	}
	err := poll(ctx, 2*time.Minute, func(ctx context.Context) (bool, error) {
		err := s.Client.Get(ctx, s.key(modelName), &suokev1.AIModel{})
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err != nil {
		return nil, fmt.Errorf("waiting for %s to be gone: %w", modelName, err)
	}
	fresh := &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: modelName, Namespace: s.Namespace, Labels: model.Labels},
		Spec:       model.Spec,
	}
	fresh.Spec.Version = baseVersion
	if err := s.Client.Create(ctx, fresh); err != nil {
		return nil, fmt.Errorf("creating %s: %w", modelName, err)
	}
	return fresh, nil
}

// settled waits until the model says what became of a release whose version has said so already, and returns it.
func (s *Story) settled(ctx context.Context) (*suokev1.AIModel, error) {
	var model *suokev1.AIModel
	err := poll(ctx, releaseDeadline, func(ctx context.Context) (done bool, err error) {
		if model, err = s.model(ctx); err != nil {
			return false, err
		}
		status := model.Status
		return status.ObservedGeneration == model.Generation && status.CandidateVersion == "" &&
			len(status.Traffic) == 1 && status.Traffic[0].Version == status.StableVersion, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s has a release under way or its traffic split when neither should be: %w", modelName, err)
	}
	return model, nil
}

func (s *Story) model(ctx context.Context) (*suokev1.AIModel, error) {
	var model suokev1.AIModel
	if err := s.Client.Get(ctx, s.key(modelName), &model); err != nil {
		return nil, fmt.Errorf("reading %s (is the system deployed, and are its examples applied?): %w", modelName, err)
	}
	return &model, nil
}

func (s *Story) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.Namespace, Name: name}
}

func versionName(version string) string {
	return "xiaoai-llm-" + strings.ReplaceAll(version, ".", "-")
}

// poll asks twice a second until the answer is yes, an error, or the time is up.
func poll(ctx context.Context, timeout time.Duration, ask wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextTimeout(ctx, 500*time.Millisecond, timeout, true, ask)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
