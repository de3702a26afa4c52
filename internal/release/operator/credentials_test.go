package operator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

const (
	password = "open-sesame-of-the-models"
	bearer   = "token-of-the-models"
	// meWithPassword is what the registry asks for: me and the password, and withToken the bearer.
	meWithPassword = "Basic bWU6b3Blbi1zZXNhbWUtb2YtdGhlLW1vZGVscw=="
	withToken      = "Bearer " + bearer
)

// secret makes a Secret, or changes it.
func (s *system) secret(name string, data map[string]string) {
	s.t.Helper()
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.namespace}, StringData: data}
	err := s.client.Create(s.t.Context(), object)
	if client.IgnoreAlreadyExists(err) == nil && err != nil {
		object.ResourceVersion = ""
		err = s.client.Update(s.t.Context(), object)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// mounts is the Secret that a version's Pods see and the keys of it, empty if they see none.
func mounts(d appsv1.Deployment) string {
	for _, v := range d.Spec.Template.Spec.Volumes {
		if v.Secret == nil {
			continue
		}
		keys := make([]string, len(v.Secret.Items))
		for i, item := range v.Secret.Items {
			keys[i] = item.Key
		}
		return v.Secret.SecretName + ": " + strings.Join(keys, " ")
	}
	return ""
}

// untilMounted waits until the Pods of v1 see a Secret, while v1 is served by the one version that there is.
func (s *system) untilMounted(want string) {
	s.t.Helper()
	s.until("Pods that see "+want, func() (bool, string) {
		d := s.deployment("v1")
		return d.Name != "" && mounts(d) == want, d.Name + " sees " + mounts(d)
	})
	if status := s.untilModel("v1 to serve", serving("v1")); status.CandidateVersion != "" {
		s.t.Errorf("a release began: %s", describe(status))
	}
	if n := len(s.revisions()); n != 1 {
		s.t.Errorf("%d versions are frozen", n)
	}
}

func (s *system) revisions() []appsv1.ControllerRevision {
	s.t.Helper()
	var list appsv1.ControllerRevisionList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// hides fails if anything but the Secret says a secret.
func (s *system) hides(secrets ...string) {
	s.t.Helper()
	for _, list := range []client.ObjectList{
		&suokev1.AIModelList{}, &suokev1.ModelVersionList{}, &eventsv1.EventList{}, &appsv1.DeploymentList{}, &appsv1.ControllerRevisionList{},
		&corev1.ConfigMapList{}, &batchv1.JobList{},
	} {
		if err := s.client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
			s.t.Fatal(err)
		}
		for _, secret := range secrets {
			if said := text(list); strings.Contains(said, secret) {
				s.t.Errorf("a secret is said: %s", said)
			}
		}
	}
}

// The operator has the rights of the manifests here: it may get Secrets, and neither list nor watch them.
func TestAMissingSecretIsWaitedFor(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	a.guard(meWithPassword)
	s := newSystem(t, from, func(s *system) { s.config = server.As(t, s.namespace, "suoke-operator") })
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.model(func(m *suokev1.AIModelSpec) {
		a.at(m)
		m.Repository.SecretRef = &suokev1.SecretRef{Name: "access"}
	})
	says := func(reason, sentence string) {
		t.Helper()
		status := s.untilModel(sentence, func(status suokev1.AIModelStatus) bool {
			return condition(suokev1.ConditionProgressing, metav1.ConditionFalse, reason)(status) && strings.Contains(status.Message, sentence)
		})
		if status.Phase != suokev1.ModelPending {
			t.Errorf("phase %s", status.Phase)
		}
		s.untilEvent(modelName, reason)
		s.nothingStarted()
	}
	says(suokev1.ReasonSecretNotFound, "repository.secretRef: there is no Secret access; write kubectl create secret generic access -n "+s.namespace+
		" --from-literal=token=…, or --from-literal=username=… --from-literal=password=…")
	s.secret("access", map[string]string{"username": "me"})
	says(suokev1.ReasonSecretNotFound, `the Secret access has no key password; write kubectl patch secret access -n `+s.namespace+` --type=merge -p '{"stringData": {"password": "…"}}'`)
	s.secret("access", map[string]string{"username": "me", "password": "a-wrong-guess"})
	says(suokev1.ReasonRegistryUnreachable, "answered 401 Unauthorized; it wants other credentials (asked with the credentials of the Secret access)")
	s.secret("access", map[string]string{"username": "me", "password": password})
	s.untilMounted("access: token username password")
	s.hides(password, "a-wrong-guess")

	before := s.deployment("v1")
	s.secret("access", map[string]string{"username": "me", "password": "another"})
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas = 2 })
	s.untilModel("two Pods", func(status suokev1.AIModelStatus) bool { return status.DeploymentStatus.ReadyReplicas == 2 })
	s.untilMounted("access: token username password")
	if diff := cmp.Diff(before.Spec.Template, s.deployment("v1").Spec.Template); diff != "" {
		t.Errorf("a Secret that changes makes other Pods:\n%s", diff)
	}
}

// A Secret may be deleted once it has opened the registry: then it is missed when Pods come that need it.
func TestASecretThatIsGoneIsMissedByLaterPods(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	s := newSystem(t, from)
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.secret("access", map[string]string{"token": bearer})
	s.model(func(m *suokev1.AIModelSpec) {
		a.at(m)
		m.Repository.SecretRef = &suokev1.SecretRef{Name: "access"}
	})
	s.untilMounted("access: token username password")
	if err := s.client.Delete(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "access", Namespace: s.namespace}}); err != nil {
		t.Fatal(err)
	}
	s.set(func(k *cluster) { k.crashing["v1"] = "no credentials" })
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas = 2 })
	status := s.untilModel("the Secret to be missed", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonSecretNotFound))
	if status.Phase != suokev1.ModelReady || !strings.Contains(status.Message, "there is no Secret access; write kubectl create secret") {
		t.Errorf("while it is missing: %s", describe(status))
	}
	s.edit(func(m *suokev1.AIModel) { m.Spec.Version, m.Spec.Repository.SecretRef = "v9", nil })
	s.untilModel("both to be told", func(status suokev1.AIModelStatus) bool {
		return condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonArtifactNotFound)(status) &&
			strings.Contains(status.Message, "; the credentials of v1: there is no Secret access; write kubectl create secret")
	})
	s.edit(func(m *suokev1.AIModel) {
		m.Spec.Version, m.Spec.Repository.SecretRef = "v1", &suokev1.SecretRef{Name: "access"}
	})
	s.secret("access", map[string]string{"token": bearer})
	s.untilModel("it to be there", condition(suokev1.ConditionDegraded, metav1.ConditionFalse, suokev1.ReasonPromoted))
}

// keeping is a reader that lets nobody read Secrets.
type keeping struct{ client.Reader }

// Get reads anything else.
func (k keeping) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if _, is := o.(*corev1.Secret); is {
		return apierrors.NewForbidden(corev1.Resource("secrets"), key.Name, errors.New("as the test wants it"))
	}
	return k.Reader.Get(ctx, key, o, options...)
}

func TestASecretThatCannotBeReadStopsNothingElse(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	a.push("models/digits:v2", "two")
	s := newSystem(t, from, func(s *system) {
		s.live = func(r client.Reader) client.Reader { return keeping{r} }
	})
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.model(a.at)
	s.untilModel("v1 to serve", serving("v1"))
	s.edit(func(m *suokev1.AIModel) {
		m.Spec.Version, m.Spec.Deployment.Replicas, m.Spec.Repository.SecretRef = "v2", 2, &suokev1.SecretRef{Name: "access"}
	})
	status := s.untilModel("two Pods of v1", func(status suokev1.AIModelStatus) bool {
		return condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonSecretUnreadable)(status) && status.DeploymentStatus.ReadyReplicas == 2
	})
	if !strings.Contains(status.Message, `repository.secretRef: reading the Secret access: secrets "access" is forbidden: as the test wants it; let the operator's Role get secrets`) {
		t.Errorf("it says %q", status.Message)
	}
	s.untilEvent(modelName, suokev1.ReasonSecretUnreadable)
	s.want("v1")
	s.untilModel("that of v1 too", condition(suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonSecretUnreadable))
}

func TestARegistrysCredentialsAreUsedForItsModels(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	a.guard(withToken)
	s := newSystem(t, from)
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	central := s.central()
	central.Spec.Endpoint = "http://" + a.host
	central.Spec.Authentication = suokev1.Authentication{Type: suokev1.AuthenticationToken, SecretRef: &suokev1.SecretRef{Name: "access"}}
	if err := s.client.Create(t.Context(), central); err != nil {
		t.Fatal(err)
	}
	s.model(func(m *suokev1.AIModelSpec) { a.at(m); m.RegistryRef = "central" })
	status := s.untilModel("the Secret to be missed", condition(suokev1.ConditionProgressing, metav1.ConditionFalse, suokev1.ReasonSecretNotFound))
	if want := "registryRef: authentication.secretRef of ModelRegistry central: there is no Secret access; write kubectl create"; !strings.Contains(status.Message, want) {
		t.Errorf("it says %q, want %q", status.Message, want)
	}
	s.secret("access", map[string]string{"token": bearer, "username": "me", "password": "of somebody else"})
	s.untilMounted("access: token")
	s.hides(bearer)

	s.secret("own", map[string]string{"token": bearer})
	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: "own"} })
	s.untilMounted("own: token username password")
}

// What a model is fetched with is no part of what is served.
func TestOtherCredentialsBeginNoRelease(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	s := newSystem(t, from)
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"] = passes, passes })
	s.model(a.at)
	s.untilMounted("")

	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: "access"} })
	status := s.untilModel("the Secret to be missed", condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonSecretNotFound))
	if status.Phase != suokev1.ModelReady || status.StableVersion != "v1" || mounts(s.deployment("v1")) != "" {
		t.Errorf("while it is missing: %s", describe(status))
	}
	a.guard(meWithPassword)
	s.secret("access", map[string]string{"username": "me", "password": password})
	s.untilMounted("access: token username password")
	if attempts := s.attempts(); attempts != "v1 1" {
		t.Errorf("attempts: %s", attempts)
	}

	s.stop()
	s.start()
	s.edit(func(m *suokev1.AIModel) { m.Spec.Deployment.Replicas = 2 })
	s.untilModel("two Pods", func(status suokev1.AIModelStatus) bool { return status.DeploymentStatus.ReadyReplicas == 2 })
	s.untilMounted("access: token username password")
	revision := s.revisions()[0]
	if err := s.client.Delete(t.Context(), &revision); err != nil {
		t.Fatal(err)
	}
	s.until("the version to be frozen again", func() (bool, string) {
		now := s.revisions()
		return len(now) == 1 && now[0].UID != revision.UID, strconv.Itoa(len(now))
	})
	s.untilMounted("access: token username password")

	a.wants.Store(nil)
	a.push("models/digits:v2", "two")
	a.guard(withToken)
	s.secret("next", map[string]string{"token": bearer})
	s.canary("v2", time.Hour)
	s.edit(func(m *suokev1.AIModel) {
		m.Spec.Version, m.Spec.Repository.SecretRef = "v2", &suokev1.SecretRef{Name: "next"}
	})
	s.untilModel("a canary of v2", func(status suokev1.AIModelStatus) bool { return len(status.Traffic) == 2 })
	if one, two := mounts(s.deployment("v1")), mounts(s.deployment("v2")); one != "access: token username password" || two != "next: token username password" {
		t.Errorf("v1 sees %q, v2 %q", one, two)
	}
	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = nil })
	said := s.untilModel("the refusal of nobody", func(status suokev1.AIModelStatus) bool {
		return strings.Contains(status.Message, "it wants other credentials")
	})
	if !condition(suokev1.ConditionProgressing, metav1.ConditionTrue, suokev1.ReasonStepHolding)(said) || mounts(s.deployment("v2")) == "" {
		t.Errorf("the release does not go on: %s", describe(said))
	}
	s.hides(password, bearer)
}

// An operator that is killed between the note and the Deployment has its successor go on from the note.
func TestNotedCredentialsAreAppliedByTheNextOperator(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	s := newSystem(t, from)
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.model(a.at)
	s.untilMounted("")
	s.stop()
	revision := s.revisions()[0]
	noted := client.RawPatch(types.MergePatchType, []byte(
		`{"metadata": {"annotations": {"suoke.life/credentials": "{\"credentials\": {\"secret\": \"access\", \"keys\": [\"token\", \"username\", \"password\"]}, \"secretRef\": {\"name\": \"access\"}}"}}}`))
	if err := s.client.Patch(t.Context(), &revision, noted); err != nil {
		t.Fatal(err)
	}
	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: "access"} })
	a.silent.Store(true) // it is proved already
	s.start()
	s.untilMounted("access: token username password")
}

// losing is a client whose answer to the next note of credentials is lost once it was written.
type losing struct {
	client.Client
	next *atomic.Bool
}

// Patch writes, and may not say so.
func (l losing) Patch(ctx context.Context, o client.Object, patch client.Patch, options ...client.PatchOption) error {
	err := l.Client.Patch(ctx, o, patch, options...)
	if err == nil && o.GetAnnotations()["suoke.life/credentials"] != "" && l.next.CompareAndSwap(true, false) {
		return errors.New("the connection broke")
	}
	return err
}

func TestALostAnswerToANoteLosesNoCredentials(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	var next atomic.Bool
	s := newSystem(t, from, func(s *system) {
		s.through = func(c client.Client) client.Client { return losing{c, &next} }
	})
	s.set(func(k *cluster) { k.evaluated["v1"] = passes })
	s.secret("access", map[string]string{"token": bearer})
	s.model(a.at)
	s.untilMounted("")
	next.Store(true)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: "access"} })
	s.untilMounted("access: token username password")
	if next.Load() {
		t.Error("no answer was lost")
	}
}

// What was refused was not refused for its credentials, and the refusal is told on whatever they are.
func TestOtherCredentialsForgiveNoRefusal(t *testing.T) {
	a, from := withArtifacts(t)
	a.push("models/digits:v1", "one")
	a.push("models/digits:v2", "two")
	s := newSystem(t, from)
	s.set(func(k *cluster) { k.evaluated["v1"], k.evaluated["v2"], k.failing["v2"] = passes, passes, 0.5 })
	s.model(a.at)
	s.untilModel("v1 to serve", serving("v1"))
	s.canary("v2", time.Minute)
	s.want("v2")
	returned := condition(suokev1.ConditionDegraded, metav1.ConditionTrue, suokev1.ReasonErrorRate)
	s.untilModel("v2 to be returned", returned)
	s.edit(func(m *suokev1.AIModel) { m.Spec.Repository.SecretRef = &suokev1.SecretRef{Name: "access"} })
	status := s.untilModel("the Secret to be missed", func(status suokev1.AIModelStatus) bool {
		return strings.Contains(status.Message, "there is no Secret access; write kubectl create secret")
	})
	if !returned(status) || status.Phase != suokev1.ModelReady || !strings.HasPrefix(status.Message, "v2 was refused: ") {
		t.Errorf("while it is missing: %s", describe(status))
	}
	s.secret("access", map[string]string{"token": bearer})
	status = s.untilModel("it to be there", func(status suokev1.AIModelStatus) bool { return !strings.Contains(status.Message, "Secret") })
	if !returned(status) || s.attempts() != "v1 1, v2 1" {
		t.Errorf("once it is there, with attempts %s: %s", s.attempts(), describe(status))
	}
}

// attempts are those of each version, as the ModelVersions tell.
func (s *system) attempts() string {
	s.t.Helper()
	var list suokev1.ModelVersionList
	if err := s.client.List(s.t.Context(), &list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, v := range list.Items {
		all = append(all, fmt.Sprint(v.Spec.Version, " ", v.Status.Attempt))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}
