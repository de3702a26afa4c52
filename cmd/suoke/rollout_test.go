package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/release/operator"
	"github.com/suoke-life/suoke/test/apiserver"
)

// releasedDigits is a model in a namespace of its own, with what the operator would have written of it.
type releasedDigits struct {
	namespace, kubeconfig string
}

// newDigits makes AIModel digits, whose v2 is wanted, and freezes v1 and v2.
func newDigits(t *testing.T, change func(*suokev1.AIModel)) releasedDigits {
	t.Helper()
	d := releasedDigits{namespace: cluster.Namespace(t), kubeconfig: kubeconfig(t)}
	model := &suokev1.AIModel{
		ObjectMeta: metav1.ObjectMeta{Name: "digits", Namespace: d.namespace},
		Spec: suokev1.AIModelSpec{
			ModelName: "digits", Version: "v2", AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification,
			Repository: suokev1.Repository{URL: "oci://model-registry:5000/models/digits", Digest: digestOf("2")},
		},
	}
	status := model.Status
	status.Phase, status.StableVersion, status.CandidateVersion, status.ObservedGeneration = suokev1.ModelDeploying, "v1", "v2", 1
	status.Conditions = []metav1.Condition{{
		Type: suokev1.ConditionProgressing, Status: metav1.ConditionTrue, Reason: suokev1.ReasonStepHolding, Message: "v2 holds 10 % of the traffic",
		LastTransitionTime: metav1.Now(),
	}}
	model.Status = status
	if change != nil {
		change(model)
	}
	status = model.Status
	d.create(t, model)
	model.Status = status
	d.status(t, model)
	for i, version := range []string{"v1", "v2"} {
		frozen, err := json.Marshal(frozenVersion{
			Version: manifest.Version{ID: "digits-" + version + "-abc123", Model: "digits", Version: version},
			Source:  suokev1.Repository{URL: "oci://model-registry:5000/models/digits", Digest: digestOf(strings.TrimPrefix(version, "v"))},
		})
		if err != nil {
			t.Fatal(err)
		}
		d.create(t, &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{Name: "digits-" + version + "-abc123", Namespace: d.namespace, Labels: map[string]string{manifest.LabelModel: "digits"}},
			Data:       runtime.RawExtension{Raw: frozen}, Revision: int64(i + 1),
		})
	}
	return d
}

func digestOf(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

func (d releasedDigits) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := cluster.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func (d releasedDigits) status(t *testing.T, object client.Object) {
	t.Helper()
	if err := cluster.Client.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// version makes a ModelVersion as it stands after some attempts.
func (d releasedDigits) version(t *testing.T, version string, phase suokev1.VersionPhase, attempt int32, labels map[string]string, history ...suokev1.Transition) {
	t.Helper()
	v := &suokev1.ModelVersion{
		ObjectMeta: metav1.ObjectMeta{Name: "digits-" + version, Namespace: d.namespace, Labels: labels},
		Spec:       suokev1.ModelVersionSpec{ModelRef: "digits", Version: version},
	}
	v.Spec.BlueGreen.ScaleDownDelay.Duration = 10 * time.Minute
	d.create(t, v)
	v.Status = suokev1.ModelVersionStatus{Phase: phase, Attempt: attempt, ObservedGeneration: 1, PromotionHistory: history}
	d.status(t, v)
}

func (d releasedDigits) run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return runSuoke(t, append([]string{"rollout"}, append(args, "--namespace", d.namespace, "--kubeconfig", d.kubeconfig)...)...)
}

func (d releasedDigits) model(t *testing.T) *suokev1.AIModel {
	t.Helper()
	var model suokev1.AIModel
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: d.namespace, Name: "digits"}, &model); err != nil {
		t.Fatal(err)
	}
	return &model
}

// actions are what was asked for, by version.
func (d releasedDigits) actions(t *testing.T) map[string]suokev1.Action {
	t.Helper()
	var list suokev1.ModelVersionList
	if err := cluster.Client.List(t.Context(), &list, client.InNamespace(d.namespace)); err != nil {
		t.Fatal(err)
	}
	all := map[string]suokev1.Action{}
	for _, v := range list.Items {
		if v.Spec.Action != nil {
			all[v.Spec.Version] = *v.Spec.Action
		}
	}
	return all
}

// States that a model may be in.

func refusedModel(m *suokev1.AIModel) {
	m.Status.Phase, m.Status.CandidateVersion = suokev1.ModelReady, ""
	m.Status.Conditions = []metav1.Condition{{
		Type: suokev1.ConditionDegraded, Status: metav1.ConditionTrue, Reason: suokev1.ReasonErrorRate, Message: "v2 was refused: too many failed", LastTransitionTime: metav1.Now(),
	}}
}

func servingModel(m *suokev1.AIModel) {
	m.Status.Phase, m.Status.StableVersion, m.Status.CandidateVersion = suokev1.ModelReady, "v2", ""
}

func watchedModel(m *suokev1.AIModel) {
	servingModel(m)
	m.Status.RollbackUntil = new(metav1.NewTime(time.Now().Add(time.Minute)))
}

func pausedModel(m *suokev1.AIModel) { m.Spec.Paused = true }

func firstModel(m *suokev1.AIModel) {
	servingModel(m)
	m.Spec.Version, m.Status.StableVersion = "v1", "v1"
}

func superseded(ago time.Duration) suokev1.Transition {
	return suokev1.Transition{FromPhase: suokev1.VersionProduction, ToPhase: suokev1.VersionDeprecated, Timestamp: metav1.NewTime(time.Now().Add(-ago)), Reason: "Superseded: v2 has all of the traffic"}
}

func promotedSince(ago time.Duration) suokev1.Transition {
	return suokev1.Transition{FromPhase: suokev1.VersionCanary, ToPhase: suokev1.VersionProduction, Timestamp: metav1.NewTime(time.Now().Add(-ago)), Reason: "Promoted: v2 has all of the traffic"}
}

// after gives v2 so many attempts.
func after(phase suokev1.VersionPhase, attempt int32, labels map[string]string) func(*testing.T, releasedDigits) {
	return func(t *testing.T, d releasedDigits) {
		t.Helper()
		d.version(t, "v2", phase, attempt, labels)
	}
}

func TestWhatAPersonAsksForIsWrittenOnce(t *testing.T) {
	t.Parallel()
	generated := map[string]string{operator.LabelGenerated: "true"}
	for name, c := range map[string]struct {
		state   func(*suokev1.AIModel)
		prepare func(*testing.T, releasedDigits)
		verb    string
		want    suokev1.Action
	}{
		"promote a canary": {nil, after(suokev1.VersionCanary, 3, nil), "promote", suokev1.Action{Type: suokev1.ActionPromote, Attempt: 3}},
		"promote one that only the operator describes": {
			nil, after(suokev1.VersionCanary, 1, generated), "promote", suokev1.Action{Type: suokev1.ActionPromote, Attempt: 1},
		},
		"abort a canary": {nil, after(suokev1.VersionCanary, 2, nil), "abort", suokev1.Action{Type: suokev1.ActionAbort, Attempt: 2}},
		"abort within the rollback window": {watchedModel, func(t *testing.T, d releasedDigits) {
			t.Helper()
			d.version(t, "v1", suokev1.VersionDeprecated, 1, nil, superseded(time.Minute))
			d.version(t, "v2", suokev1.VersionProduction, 4, nil, promotedSince(time.Minute))
		}, "abort", suokev1.Action{Type: suokev1.ActionAbort, Attempt: 4}},
		"retry what was refused": {refusedModel, after(suokev1.VersionRollback, 1, nil), "retry", suokev1.Action{Type: suokev1.ActionRetry, Attempt: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDigits(t, c.state)
			c.prepare(t, d)
			out, err := d.run(t, c.verb, "digits", "--wait=false", "-o", "json")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]suokev1.Action{"v2": c.want}, d.actions(t)); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
			var told asked
			if err := json.Unmarshal([]byte(out), &told); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			want := fmt.Sprintf("asked for %s of attempt %d at v2 of digits", c.want.Type, c.want.Attempt)
			if diff := cmp.Diff(asked{Model: "digits", Version: "v2", Attempt: c.want.Attempt, Asked: want, Message: want}, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// longPromoted is v2 in Production for an hour, and v1 before it.
func longPromoted(t *testing.T, d releasedDigits) {
	t.Helper()
	d.version(t, "v1", suokev1.VersionDeprecated, 1, nil, superseded(time.Hour))
	d.version(t, "v2", suokev1.VersionProduction, 1, nil, promotedSince(time.Hour))
}

func TestPauseResumeAndUndoChangeTheModel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state   func(*suokev1.AIModel)
		prepare func(*testing.T, releasedDigits)
		verb    string
		paused  bool
		version string
	}{
		"pause":                   {nil, nil, "pause", true, "v2"},
		"pause what is paused":    {pausedModel, nil, "pause", true, "v2"},
		"resume":                  {pausedModel, nil, "resume", false, "v2"},
		"undo after a promotion":  {servingModel, longPromoted, "undo", false, "v1"},
		"undo in mid-release":     {nil, nil, "undo", false, "v1"},
		"undo in a paused one":    {pausedModel, nil, "undo", true, "v1"},
		"undo after a refusal":    {refusedModel, nil, "undo", false, "v1"},
		"pause without a release": {servingModel, nil, "pause", true, "v2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDigits(t, c.state)
			if c.prepare != nil {
				c.prepare(t, d)
			}
			if _, err := d.run(t, c.verb, "digits", "--wait=false"); err != nil {
				t.Fatal(err)
			}
			spec := d.model(t).Spec
			digest := digestOf(strings.TrimPrefix(c.version, "v"))
			if spec.Paused != c.paused || spec.Version != c.version || spec.Repository.Digest != digest {
				t.Errorf("paused %v, version %s at %s; want paused %v, version %s at %s", spec.Paused, spec.Version, spec.Repository.Digest, c.paused, c.version, digest)
			}
		})
	}
}

// What a version is fetched with may have changed since it was frozen; to go back to what no longer opens the registry helps nobody.
func TestUndoBringsBackTheCredentialsThatAVersionHadLast(t *testing.T) {
	t.Parallel()
	d := newDigits(t, func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: "of-v2"} })
	revision := &appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "digits-v1-abc123", Namespace: d.namespace}}
	note := client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"annotations": {"suoke.life/credentials": "{\"secretRef\": {\"name\": \"of-v1\"}}"}}}`))
	if err := cluster.Client.Patch(t.Context(), revision, note); err != nil {
		t.Fatal(err)
	}
	if _, err := d.run(t, "undo", "digits", "--wait=false"); err != nil {
		t.Fatal(err)
	}
	want := suokev1.Repository{URL: "oci://model-registry:5000/models/digits", Digest: digestOf("1"), SecretRef: &suokev1.SecretRef{Name: "of-v1"}}
	if diff := cmp.Diff(want, d.model(t).Spec.Repository); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeAskedForIsRefusedWithWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state   func(*suokev1.AIModel)
		prepare func(*testing.T, releasedDigits)
		args    []string
		want    string
	}{
		"no name":                            {nil, nil, []string{"get"}, "write the name of one AIModel: suoke rollout get NAME; `suoke rollout list` shows them"},
		"a name there is not":                {nil, nil, []string{"get", "digit"}, "there is no AIModel digit in namespace"},
		"and what there is":                  {nil, nil, []string{"explain", "digit"}, "; there are: digits"},
		"an output there is not":             {nil, nil, []string{"list", "-o", "yaml"}, "--output yaml: write json, or leave it out"},
		"promote without a release":          {servingModel, nil, []string{"promote", "digits"}, "no release of digits is under way; write another spec.version"},
		"promote what was refused":           {refusedModel, nil, []string{"promote", "digits"}, "v2 was refused (ErrorRate); begin it once more with suoke rollout retry digits"},
		"abort without a release":            {servingModel, nil, []string{"abort", "digits"}, "no release of digits is under way"},
		"abort after the rollback window":    {servingModel, longPromoted, []string{"abort", "digits"}, "its rollback window is over; go back to v1 with suoke rollout undo digits"},
		"retry while a release is under way": {nil, nil, []string{"retry", "digits"}, "a release of digits is under way, of v2; abort it first with suoke rollout abort digits"},
		"retry what serves":                  {servingModel, nil, []string{"retry", "digits"}, "v2 of digits serves, so there is nothing to retry"},
		"undo a first version":               {firstModel, nil, []string{"undo", "digits"}, "no version of digits served before v1, so there is nothing to go back to"},
		"undo while paused": {
			func(m *suokev1.AIModel) { servingModel(m); pausedModel(m) }, longPromoted,
			[]string{"undo", "digits"},
			"digits is paused, so no release of v1 would begin; end the pause first with suoke rollout resume digits",
		},
		"replay --evidence without any": {nil, longPromoted, []string{"replay", "--evidence", "digits"}, "v2 of digits has no evidence to judge again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDigits(t, c.state)
			if c.prepare != nil {
				c.prepare(t, d)
			}
			before := d.model(t).ResourceVersion
			_, err := d.run(t, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if d.model(t).ResourceVersion != before || len(d.actions(t)) > 0 {
				t.Error("something was written")
			}
		})
	}
	t.Run("an empty namespace", func(t *testing.T) {
		t.Parallel()
		d := releasedDigits{namespace: cluster.Namespace(t), kubeconfig: kubeconfig(t)}
		if _, err := d.run(t, "get", "digits"); err == nil || !strings.Contains(err.Error(), "write another with --namespace") {
			t.Errorf("got %v", err)
		}
	})
}

// played answers what is asked for in a namespace as the operator would, until the test ends.
func (d releasedDigits) played(t *testing.T, list client.ObjectList, answer func(client.Object)) {
	t.Helper()
	scheme, err := apiserver.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	watching, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	events, err := watching.Watch(ctx, list, client.InNamespace(d.namespace))
	if err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for event := range events.ResultChan() {
			if object, isOne := event.Object.(client.Object); isOne && event.Type != watch.Deleted {
				answer(object)
			}
		}
	}()
	t.Cleanup(func() { stop(); events.Stop(); <-ended })
}

func TestACommandWaitsUntilTheOperatorDidIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state func(*suokev1.AIModel)
		phase suokev1.VersionPhase
		verb  string
		// done is what the operator does.
		done func(*suokev1.AIModelStatus, *suokev1.ModelVersionStatus)
		want string
		fail bool
	}{
		"promote": {nil, suokev1.VersionCanary, "promote", func(m *suokev1.AIModelStatus, _ *suokev1.ModelVersionStatus) {
			m.StableVersion, m.CandidateVersion = "v2", ""
		}, "v2 has all of the traffic", false},
		"promote what turns out worse": {nil, suokev1.VersionCanary, "promote", func(m *suokev1.AIModelStatus, v *suokev1.ModelVersionStatus) {
			m.CandidateVersion = ""
			v.PromotionHistory = []suokev1.Transition{{ToPhase: suokev1.VersionRollback, Timestamp: metav1.Now(), Reason: "ErrorRate: 9 of 20 answers failed"}}
		}, "v2 is Rollback now: ErrorRate: 9 of 20 answers failed", true},
		"promote while paused": {nil, suokev1.VersionCanary, "promote", func(m *suokev1.AIModelStatus, _ *suokev1.ModelVersionStatus) {
			m.Conditions[0].Reason = suokev1.ReasonPaused
		}, "it waits for the end of the pause: suoke rollout resume digits", false},
		"abort": {nil, suokev1.VersionCanary, "abort", func(m *suokev1.AIModelStatus, _ *suokev1.ModelVersionStatus) {
			m.CandidateVersion = ""
		}, "the release of v2 is over; v1 has all of the traffic", false},
		"retry": {refusedModel, suokev1.VersionRollback, "retry", func(_ *suokev1.AIModelStatus, v *suokev1.ModelVersionStatus) {
			v.Attempt = 2
		}, "attempt 2 at v2 is under way; follow it with suoke rollout get digits --watch", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDigits(t, c.state)
			d.version(t, "v2", c.phase, 1, nil)
			d.played(t, &suokev1.ModelVersionList{}, func(object client.Object) {
				version, isOne := object.(*suokev1.ModelVersion)
				if !isOne || version.Spec.Action == nil || version.Status.ObservedGeneration == version.Generation {
					return
				}
				var model suokev1.AIModel
				if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: d.namespace, Name: "digits"}, &model); err != nil {
					t.Error(err)
					return
				}
				c.done(&model.Status, &version.Status)
				version.Status.ObservedGeneration = version.Generation
				if err := cluster.Client.Status().Update(t.Context(), version); err != nil {
					t.Error(err)
				}
				if err := cluster.Client.Status().Update(t.Context(), &model); err != nil {
					t.Error(err)
				}
			})
			out, err := d.run(t, c.verb, "digits")
			if c.fail {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				return
			}
			if err != nil || !strings.HasSuffix(out, c.want+"\n") || !strings.HasPrefix(out, "asked for ") {
				t.Errorf("got %v, %s; want %s", err, out, c.want)
			}
		})
	}
}

func TestAPauseAndItsEndAreConfirmed(t *testing.T) {
	t.Parallel()
	both := func(states ...func(*suokev1.AIModel)) func(*suokev1.AIModel) {
		return func(m *suokev1.AIModel) {
			for _, state := range states {
				state(m)
			}
		}
	}
	for name, c := range map[string]struct {
		state func(*suokev1.AIModel)
		verb  string
		// reason that the operator gives once it has seen it; empty for the one it gave before.
		reason string
		want   string
	}{
		"a pause without a release":      {servingModel, "pause", "", "digits is paused: no release begins until it is resumed with suoke rollout resume digits"},
		"its end":                        {both(servingModel, pausedModel), "resume", "", "digits is not paused any more: a release can begin"},
		"a pause that holds a release":   {nil, "pause", suokev1.ReasonPaused, "Paused: v2 holds 10 % of the traffic"},
		"one that holds what comes next": {nil, "pause", suokev1.ReasonEvaluating, "digits is paused until it is resumed with suoke rollout resume digits; now Evaluating: v2 holds 10 % of the traffic"},
		"the end of what held one":       {pausedModel, "resume", "", "digits is not paused any more; now StepHolding: v2 holds 10 % of the traffic"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDigits(t, c.state)
			d.played(t, &suokev1.AIModelList{}, func(object client.Object) {
				model, isOne := object.(*suokev1.AIModel)
				if !isOne || model.Generation == 1 || model.Status.ObservedGeneration == model.Generation {
					return
				}
				model.Status.ObservedGeneration = model.Generation
				if c.reason != "" {
					model.Status.Conditions[0].Reason = c.reason
				}
				if err := cluster.Client.Status().Update(t.Context(), model); err != nil {
					t.Error(err)
				}
			})
			out, err := d.run(t, c.verb, "digits")
			if err != nil || !strings.HasSuffix(out, "\n"+c.want+"\n") {
				t.Errorf("got %v, %s; want %s", err, out, c.want)
			}
		})
	}
}

// TestAVersionThatNobodyDescribesIsDescribed retries a version that failed its evaluation: it had no weight, so the
// operator made no ModelVersion for it.
func TestAVersionThatNobodyDescribesIsDescribed(t *testing.T) {
	t.Parallel()
	d := newDigits(t, refusedModel)
	d.played(t, &suokev1.ModelVersionList{}, func(object client.Object) {
		version, isOne := object.(*suokev1.ModelVersion)
		if !isOne || version.Status.ObservedGeneration == version.Generation {
			return
		}
		version.Status.Phase, version.Status.Attempt, version.Status.ObservedGeneration = suokev1.VersionRollback, 7, version.Generation
		if version.Spec.Action != nil {
			version.Status.Attempt = 8
		}
		if err := cluster.Client.Status().Update(t.Context(), version); err != nil {
			t.Error(err)
		}
	})
	out, err := d.run(t, "retry", "digits")
	if err != nil || !strings.Contains(out, "attempt 8 at v2 is under way") {
		t.Fatalf("got %v, %s", err, out)
	}
	if diff := cmp.Diff(map[string]suokev1.Action{"v2": {Type: suokev1.ActionRetry, Attempt: 7}}, d.actions(t)); diff != "" {
		t.Errorf("actions (-want +got):\n%s", diff)
	}
	var made suokev1.ModelVersion
	if err := cluster.Client.Get(t.Context(), client.ObjectKey{Namespace: d.namespace, Name: "digits-v2-abc123"}, &made); err != nil {
		t.Fatal(err)
	}
	if !metav1.IsControlledBy(&made, d.model(t)) || made.Labels[operator.LabelGenerated] != "true" {
		t.Errorf("%s does not go with its model, or would not give way to a person's: %v", made.Name, made.ObjectMeta)
	}
	if hold, delay := made.Spec.CanaryDeployment.Duration.Duration, made.Spec.BlueGreen.ScaleDownDelay.Duration; hold != time.Hour || delay != 10*time.Minute {
		t.Errorf("it would hold a canary for %s and keep the version before for %s, not by the defaults", hold, delay)
	}
}

func TestWithoutAnOperatorACommandSaysSo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state func(*suokev1.AIModel)
		verb  string
		want  string
	}{
		"nobody says at which attempt it is": {refusedModel, "retry", "the operator has not said within 1ms at which attempt v2 of digits is"},
		"nobody sees the pause":              {nil, "pause", "the operator has not seen it within 1ms; see whether it runs: kubectl -n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDigits(t, c.state)
			if _, err := d.run(t, c.verb, "digits", "--timeout", "1ms"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestALookShowsPodsOfTheirVersions(t *testing.T) {
	t.Parallel()
	d := newDigits(t, nil)
	d.version(t, "v1", suokev1.VersionProduction, 1, nil, promotedSince(time.Hour))
	d.version(t, "v2", suokev1.VersionCanary, 1, nil)
	for _, pod := range []struct{ name, id, model, component string }{
		{"a", "digits-v1-abc123", "digits", manifest.ServerContainer},
		{"b", "digits-v2-abc123", "digits", manifest.ServerContainer},
		{"evaluation", "digits-v2-abc123", "digits", "evaluation"},
		{"another-models", "digits-v2-abc123", "digits-with-a-longer-name", manifest.ServerContainer},
	} {
		d.create(t, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: pod.name, Namespace: d.namespace, Annotations: map[string]string{manifest.AnnotationModel: pod.model},
				Labels: map[string]string{manifest.LabelModel: "digits", manifest.LabelVersion: pod.id, "app.kubernetes.io/component": pod.component},
			},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		})
	}
	for _, c := range []struct {
		args   []string
		want   []string
		absent []string
	}{
		{[]string{"get", "digits"}, []string{"├── v1  Production", "└── v2  Canary", "○ a  starting", "○ b  starting"}, []string{"evaluation", "another-models"}},
		{[]string{"get", "digits", "-o", "json"}, []string{`"candidate": "v2"`, `"name": "a"`}, []string{"another-models"}},
		{[]string{"list"}, []string{"MODEL   WANTED", "digits  v2      v1      v2 0 %"}, nil},
		{[]string{"list", "-o", "json"}, []string{`"model": "digits"`}, nil},
		{[]string{"explain", "digits"}, []string{"Serves    v1 has 0 %", "suoke rollout abort digits"}, nil},
		{[]string{"explain", "digits", "-o", "json"}, []string{`"serves": "v1 has`, `"command": "suoke rollout abort digits"`}, nil},
		{[]string{"history", "digits"}, []string{"v1       Canary → Production  Promoted  v2 has all"}, nil},
		{[]string{"history", "digits", "-o", "json"}, []string{`"to": "Production"`}, nil},
	} {
		out, err := d.run(t, c.args...)
		if err != nil {
			t.Fatalf("%v: %v", c.args, err)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v shows\n%s\nwant %q in it", c.args, out, want)
			}
		}
		for _, absent := range c.absent {
			if strings.Contains(out, absent) {
				t.Errorf("%v shows\n%s\nwant no %q in it", c.args, out, absent)
			}
		}
	}
}

func TestNamesAreCompleted(t *testing.T) {
	t.Parallel()
	d := newDigits(t, nil)
	for begun, want := range map[string]string{"": "digits\n", "dig": "digits\n", "x": ""} {
		out, err := runSuoke(t, "__complete", "rollout", "get", "--namespace", d.namespace, "--kubeconfig", d.kubeconfig, begun)
		if err != nil {
			t.Fatal(err)
		}
		if names, _, _ := strings.Cut(out, ":"); names != want {
			t.Errorf("%q is completed by %q, want %q", begun, names, want)
		}
	}
}
