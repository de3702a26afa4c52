package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/model/credentials"
	"github.com/suoke-life/suoke/internal/model/evaluate"
	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/release/rollout"
)

const (
	// annotationEvaluations of a ControllerRevision holds the records of its evaluations.
	annotationEvaluations = "suoke.life/evaluations"
	// annotationDataset of a Job is the data set as the spec named it.
	annotationDataset = "suoke.life/dataset"
	// keptRecords of one version.
	keptRecords = 5
	// tries of an evaluation that could not be carried out, in one release.
	tries = 3
	// badInput is the exit status of `suoke evaluate` for what a further try would not change.
	badInput = 2
)

// record is one evaluation that ended. It is kept with the version, so that it is never repeated for the same digests.
type record struct {
	Job string `json:"job"`
	// Dataset as the spec named it.
	Dataset string `json:"dataset"`
	// Attempt of the release that asked for it.
	Attempt int       `json:"attempt"`
	At      time.Time `json:"at"`
	// Result, or Error if there is none; Final says that a further try would not change it.
	Result *evaluate.Result `json:"result,omitempty"`
	Error  string           `json:"error,omitempty"`
	Final  bool             `json:"final,omitempty"`
}

// evaluation is where a version's evaluation stands.
type evaluation struct {
	outcome rollout.Outcome
	message string
	// attempt of the release that asks, or asked, for it.
	attempt int
	// record that the outcome stands on.
	record *record
	// fresh is a record that is not kept yet.
	fresh *record
	// due is the name of the Job to create when the engine asks for the evaluation.
	due string
}

func parseRecords(revision *appsv1.ControllerRevision) ([]record, error) {
	text := revision.Annotations[annotationEvaluations]
	if text == "" {
		return nil, nil
	}
	var all []record
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fmt.Errorf("reading the evaluations of ControllerRevision %s: %w", revision.Name, err)
	}
	return all, nil
}

// observeEvaluations says where the evaluation of each version stands that is wanted, a candidate or stable.
func (m *models) observeEvaluations(seen *observed) {
	seen.evaluations = map[rollout.ID]evaluation{}
	state := seen.memory.forgiven(seen.wanted, seen.model)
	attempt, anew := 0, rollout.ID("")
	ids := []rollout.ID{seen.wanted, state.Stable}
	if release := state.Release; release != nil {
		attempt = release.Attempt
		if release.Anew {
			anew = release.Candidate
		}
		ids = append(ids, release.Candidate)
	} else if refusal, refused := state.Refused[seen.wanted]; refused {
		attempt = state.Attempts[refusal.Version] // what the refusal stands on goes on being told
	}
	for _, id := range ids {
		f, known := seen.known[id]
		if _, done := seen.evaluations[id]; done || !known {
			continue
		}
		gate := f.Validation
		if id == seen.wanted {
			gate = seen.model.Spec.Validation
		}
		seen.evaluations[id] = seen.evaluate(f, gate, attempt, id == anew, seen.now)
	}
}

// evaluate finds what is known of a version's evaluation: a kept result for the same digests, else its Jobs. A result of
// before does not count if the evaluation is to be carried out anew, and a bad one not where none is asked for.
func (seen *observed) evaluate(f frozen, gate suokev1.Validation, attempt int, anew bool, now time.Time) evaluation {
	if r := seen.kept(f, gate.TestDataset); r != nil && !anew {
		if done := gated(r, gate); done.outcome == rollout.EvaluationPassed || enabled(gate.Enabled) {
			return done
		}
	}
	if !enabled(gate.Enabled) {
		return evaluation{outcome: rollout.EvaluationDisabled, message: "validation.enabled is false, so no evaluation stands behind it"}
	}
	ended := seen.ended(f, gate.TestDataset, attempt, now)
	e := evaluation{attempt: attempt, due: manifest.JobName(f.Version.ID, seen.lastRun(f)+1)}
	for _, r := range ended {
		if !slices.ContainsFunc(f.records, func(k record) bool { return k.Job == r.Job }) {
			e.fresh = &r
		}
		switch {
		case r.Result != nil:
			done := gated(&r, gate)
			done.fresh = e.fresh
			return done
		case r.Final || len(ended) >= tries:
			e.outcome, e.message, e.record = rollout.EvaluationError, r.Error, &r
		default:
			e.message = r.Error + "; it is tried again"
		}
	}
	if job := seen.unended(f, ended); job != nil && e.outcome == rollout.EvaluationPending {
		e.due = ""
		if pod := seen.podOf(job); runs(pod) {
			e.outcome = rollout.EvaluationRunning
		} else if why := held(pod); why != "" {
			e.message = why
		}
	}
	return e
}

// kept finds a result for the same model, runtime and data set, of this version or of another with the same digest. One
// that compares with a version which is not stable any more says nothing of the one that is.
func (seen *observed) kept(f frozen, dataset string) *record {
	for _, other := range newestFirst(seen.known) {
		if other.Version.Digest != f.Version.Digest || other.Version.Template.Image != f.Version.Template.Image {
			continue
		}
		for i := range other.records {
			r := &other.records[len(other.records)-1-i]
			if r.Result != nil && r.Dataset == dataset && seen.comparable(f, r.Result.Comparison) {
				return r
			}
		}
	}
	return nil
}

// comparable says whether a comparison, if there is one, is with the present stable version. What is stable, or
// what was and is still warm, is not compared again, and nothing is compared with itself.
func (seen *observed) comparable(f frozen, with *evaluate.Comparison) bool {
	state := seen.memory.state
	stable := seen.known[state.Stable].Version
	_, warm := state.Retiring[rollout.ID(f.Version.ID)]
	return with == nil || warm || with.Version == stable.Version ||
		f.Version.Digest == stable.Digest && f.Version.Template.Image == stable.Template.Image
}

// ended are the evaluations of this release that ended, oldest first: those kept, and Jobs that ended since.
func (seen *observed) ended(f frozen, dataset string, attempt int, now time.Time) []record {
	var all []record
	for _, r := range f.records {
		if r.Dataset == dataset && r.Attempt == attempt {
			all = append(all, r)
		}
	}
	for _, job := range seen.jobs[rollout.ID(f.Version.ID)] {
		known := slices.ContainsFunc(f.records, func(r record) bool { return r.Job == job.Name })
		if known || job.Annotations[annotationDataset] != dataset {
			continue
		}
		if r, done := read(job, seen.podOf(job)); done {
			r.Dataset, r.Attempt = dataset, attempt
			if r.At.IsZero() {
				r.At = now
			}
			all = append(all, r)
		}
	}
	return all
}

// unended is a Job of the version that has not ended, nil if there is none.
func (seen *observed) unended(f frozen, ended []record) *batchv1.Job {
	for _, job := range seen.jobs[rollout.ID(f.Version.ID)] {
		over := func(r record) bool { return r.Job == job.Name }
		if !slices.ContainsFunc(ended, over) && !slices.ContainsFunc(f.records, over) {
			return job
		}
	}
	return nil
}

// runs says whether a Job's Pod asks. From then on the evaluation ends by itself; before, nothing but the release's
// deadline bounds it.
func runs(pod *corev1.Pod) bool {
	return pod != nil && slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool {
		return s.Name == manifest.EvaluateContainer && s.State.Running != nil
	})
}

// held says what keeps a Job's Pod from asking, empty if nothing is known to.
func held(pod *corev1.Pod) string {
	if pod == nil {
		return ""
	}
	if reason, why := stuck([]*corev1.Pod{pod}); reason == suokev1.ReasonUnschedulable {
		return why
	}
	for _, s := range pod.Status.ContainerStatuses {
		if why := failing(s); why != "" {
			return fmt.Sprintf("the evaluation's Pod %s does not come up: %s", pod.Name, why)
		}
	}
	return ""
}

// lastRun is the number of the version's latest evaluation.
func (seen *observed) lastRun(f frozen) int {
	last := 0
	for _, job := range seen.jobs[rollout.ID(f.Version.ID)] {
		last = max(last, manifest.JobRun(f.Version.ID, job.Name))
	}
	for _, r := range f.records {
		last = max(last, manifest.JobRun(f.Version.ID, r.Job))
	}
	return last
}

func (seen *observed) podOf(job *batchv1.Job) *corev1.Pod {
	for _, pod := range seen.pods[versionOf(job)] {
		if pod.Labels[batchv1.JobNameLabel] == job.Name {
			return pod
		}
	}
	return nil
}

// read says how a Job ended, from its Pod's termination message, or from the Job where the Pod is gone.
func read(job *batchv1.Job, pod *corev1.Pod) (record, bool) {
	if pod != nil {
		for _, s := range pod.Status.ContainerStatuses {
			if t := s.State.Terminated; t != nil && s.Name == manifest.EvaluateContainer {
				r := readTermination(job.Name, t)
				r.At = t.FinishedAt.Time
				return r, true
			}
		}
	}
	for _, c := range job.Status.Conditions {
		// A Job whose time is over fails only when its Pod is gone, which that of a node that is lost is not.
		over := c.Type == batchv1.JobFailed || c.Type == batchv1.JobFailureTarget && c.Reason == batchv1.JobReasonDeadlineExceeded
		if over && c.Status == corev1.ConditionTrue {
			return record{Job: job.Name, Error: "the evaluation did not end: " + c.Message}, true
		}
	}
	return record{}, false
}

func readTermination(job string, t *corev1.ContainerStateTerminated) record {
	var measured evaluate.Result
	err := json.Unmarshal([]byte(t.Message), &measured)
	switch {
	case t.ExitCode == 0 && err == nil:
		return record{Job: job, Result: &measured}
	case t.ExitCode == 0:
		return record{Job: job, Error: fmt.Sprintf("the evaluation left no result: %v", err)}
	case err == nil && measured.Error != "":
		return record{Job: job, Error: measured.Error, Final: t.ExitCode == badInput}
	default:
		return record{Job: job, Error: strings.TrimSpace(fmt.Sprintf("the evaluation ended with exit code %d: %s", t.ExitCode, tail(t.Message))), Final: t.ExitCode == badInput}
	}
}

// applyEvaluations keeps fresh results and starts the evaluation that the engine asks for.
func (m *models) applyEvaluations(ctx context.Context, seen *observed, made decided) error {
	for id, e := range seen.evaluations {
		if e.fresh != nil {
			if err := m.keep(ctx, seen.known[id], *e.fresh); err != nil {
				return err
			}
		}
	}
	id := made.Evaluate
	e := seen.evaluations[id]
	if id == "" || e.due == "" || e.outcome != rollout.EvaluationPending {
		return nil
	}
	ready := seen.readyPods(id)
	if len(ready) == 0 {
		return nil
	}
	return m.startEvaluation(ctx, seen, id, ready[0], e.due)
}

func (m *models) keep(ctx context.Context, f frozen, r record) error {
	all := append(slices.Clone(f.records), r)
	text, err := json.Marshal(all[max(0, len(all)-keptRecords):])
	if err != nil {
		return fmt.Errorf("keeping the evaluation of %s: %w", f.Version.ID, err)
	}
	revision := f.revision.DeepCopy()
	before := revision.DeepCopy()
	if revision.Annotations == nil {
		revision.Annotations = map[string]string{}
	}
	revision.Annotations[annotationEvaluations] = string(text)
	if err := m.Client.Patch(ctx, revision, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("keeping the evaluation of %s: %w", f.Version.ID, err)
	}
	return nil
}

// startEvaluation creates the Job that asks one Pod of the version, and for the comparison one of stable.
func (m *models) startEvaluation(ctx context.Context, seen *observed, id rollout.ID, pod *corev1.Pod, name string) error {
	f := seen.known[id]
	named := seen.model.Spec.Validation.TestDataset
	reference, err := ref.Dataset(named, m.Registry)
	if err != nil {
		return m.keep(ctx, f, record{Job: name, Dataset: named, Attempt: seen.attempt(), At: seen.now, Error: err.Error(), Final: true})
	}
	dataset, err := m.Resolver.Resolve(ctx, reference, credentials.Proof{})
	if p, ours := problem(err); ours && p.Reason != suokev1.ReasonRegistryUnreachable {
		return m.keep(ctx, f, record{
			Job: name, Dataset: named, Attempt: seen.attempt(), At: seen.now, Final: true,
			Error: fmt.Sprintf("validation.testDataset: %v", err),
		})
	}
	if err != nil {
		return fmt.Errorf("asking for the data set: %w", err)
	}
	e := manifest.Evaluation{
		Name: name, Endpoint: endpoint(pod, f), Dataset: dataset.Reference, Task: string(taskOf(seen.model.Spec.ModelType)),
	}
	if stable := seen.memory.state.Stable; stable != "" && stable != id {
		other, ready := seen.known[stable], seen.readyPods(stable)
		if len(ready) > 0 && other.Version.Template.Protocol == f.Version.Template.Protocol {
			e.StableEndpoint, e.StableVersion = endpoint(ready[0], other), other.Version.Version
		}
	}
	job := f.Version.Job(seen.model.Namespace, e)
	job.Annotations[annotationDataset] = named
	job.OwnerReferences = []metav1.OwnerReference{owner(seen.model)}
	if err := m.Client.Create(ctx, job, client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("creating the evaluation of %s: %w", id, err)
	}
	m.Log.Info("evaluation started", "model", seen.model.Name, "version", f.Version.Version, "job", name, "dataset", dataset.Reference)
	return nil
}

func (seen *observed) attempt() int {
	if release := seen.memory.state.Release; release != nil {
		return release.Attempt
	}
	return 0
}

func endpoint(pod *corev1.Pod, f frozen) string {
	return "http://" + net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(int(f.Version.Template.Port)))
}

// taskOf is what a type of model is evaluated by; nothing for a type that cannot be.
func taskOf(kind suokev1.ModelType) evaluate.Task {
	switch kind {
	case suokev1.ModelTypeClassification, suokev1.ModelTypeTCMDiagnosis:
		return evaluate.Classification
	case suokev1.ModelTypeRegression:
		return evaluate.Regression
	case suokev1.ModelTypeLLM:
		return evaluate.Language
	case suokev1.ModelTypeEmbedding:
	}
	return ""
}

// engine is what the engine needs of an evaluation.
func (e evaluation) engine() rollout.Evaluation {
	out := rollout.Evaluation{Outcome: e.outcome, Message: e.message, Attempt: e.attempt}
	if e.record != nil {
		out.Attempt = e.record.Attempt
	}
	if e.record != nil && e.record.Result != nil {
		out.Accuracy = e.record.Result.Metrics.Accuracy
	}
	return out
}

// condition is Validated.
func (e evaluation) condition() (metav1.ConditionStatus, string, string) {
	switch e.outcome {
	case rollout.EvaluationRunning:
		return metav1.ConditionUnknown, suokev1.ReasonEvaluating, "the evaluation runs"
	case rollout.EvaluationPassed:
		return metav1.ConditionTrue, suokev1.ReasonEvaluationPassed, e.message
	case rollout.EvaluationFailed:
		return metav1.ConditionFalse, suokev1.ReasonEvaluationFailed, e.message
	case rollout.EvaluationError:
		return metav1.ConditionFalse, suokev1.ReasonEvaluationError, e.message
	case rollout.EvaluationDisabled:
		return metav1.ConditionFalse, suokev1.ReasonDisabled, e.message
	case rollout.EvaluationPending:
	}
	return metav1.ConditionUnknown, suokev1.ReasonStarting, cmp.Or(e.message, "the evaluation waits for a ready Pod")
}
