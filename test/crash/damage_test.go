package crash_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/manifest"
	"github.com/suoke-life/suoke/internal/traffic/route"
)

// TestWhatStandsIsDamagedInMidRelease deletes an object, or empties every status, right after a write of the operator. The
// release may be begun anew for it, and an evaluation that was deleted is not made up.
func TestWhatStandsIsDamagedInMidRelease(t *testing.T) {
	var group abreast
	for _, tale := range rehearse(t) {
		n := tale.writes
		for what, harm := range damages {
			switch returned := strings.HasSuffix(tale.name, "returned"); {
			case returned && what == routeDeleted:
				continue // the rollback window goes with the route: what was promoted stays
			case returned && what == stableThawed && tale.strategy == suokev1.StrategyRollingUpdate:
				continue // stable's Deployment, from which it is frozen again, gave its Pods to the candidate and is gone
			}
			for _, at := range sample(tale.name+what, n, *share) {
				group.run(t, fmt.Sprintf("%s/%s after write %d of %d", tale.name, what, at, n), func(t *testing.T) {
					t.Helper()
					s := earth.tell(t, tale.story)
					s.start(t, &process{name: "operator", trouble: trouble{counts: write, at: at, becomes: once(func(l *life, req *http.Request) (*http.Response, error) {
						res, err := l.send(req)
						if harmed := harm(context.WithoutCancel(req.Context()), l.space); harmed != nil {
							t.Errorf("%s: %v", what, harmed)
						}
						return res, err
					})}})
					s.mustEndAs(t, gistOf(what))
				})
			}
		}
	}
	group.wait()
}

var (
	untold  = regexp.MustCompile(`(?m), attempt \d+, .*$|, Validated=\w+ \w+`)
	reasons = regexp.MustCompile(`(Progressing=\w+) \w+`)
)

// gistOf is an outcome without the way to it. With the route goes what was not yet told of the way, and so the reason. A
// frozen form is written again from its Deployment, and so not once that is gone.
func gistOf(damage string) func(outcome string) string {
	return func(outcome string) string {
		outcome = untold.ReplaceAllString(outcome, "")
		switch {
		case damage == routeDeleted:
			outcome = reasons.ReplaceAllString(outcome, "$1")
		case damage == stableThawed && !strings.Contains(outcome, "deployment: v1 "):
			outcome = strings.ReplaceAll(outcome, "frozen: v1\n", "")
		}
		return outcome
	}
}

const (
	routeDeleted = "the route is deleted"
	stableThawed = "stable's frozen form is deleted"
)

var damages = map[string]func(context.Context, *space) error{
	"every status is emptied":                 emptied,
	routeDeleted:                              deleting(&corev1.ConfigMap{}, func(o client.Object) bool { return o.GetLabels()[route.Label] != "" }),
	"the candidate's Deployment is deleted":   deleting(&appsv1.Deployment{}, of("v2")),
	"stable's Deployment is deleted":          deleting(&appsv1.Deployment{}, of("v1")),
	"the candidate's Service is deleted":      deleting(&corev1.Service{}, of("v2")),
	"stable's Service is deleted":             deleting(&corev1.Service{}, of("v1")),
	"the candidate's Pods are deleted":        deleting(&corev1.Pod{}, of("v2")),
	"the candidate's evaluation is deleted":   deleting(&batchv1.Job{}, of("v2")),
	"the candidate's frozen form is deleted":  deleting(&appsv1.ControllerRevision{}, of("v2")),
	stableThawed:                              deleting(&appsv1.ControllerRevision{}, of("v1")),
	"the candidate's ModelVersion is renewed": renewed,
}

func of(version string) func(client.Object) bool {
	return func(o client.Object) bool { return versionOf(o.GetLabels()[manifest.LabelVersion]) == version }
}

// deleting deletes the objects of a kind that are meant.
func deleting(kind client.Object, meant func(client.Object) bool) func(context.Context, *space) error {
	return func(ctx context.Context, s *space) error {
		s.mu.Lock()
		var doomed []client.Object
		for k, o := range s.objects {
			if k.kind == keyOf(kind).kind && meant(o) {
				doomed = append(doomed, o)
			}
		}
		s.mu.Unlock()
		for _, o := range doomed {
			o, _ := o.DeepCopyObject().(client.Object)
			s.doom(o)
			if err := client.IgnoreNotFound(s.Client.Delete(ctx, o, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))); err != nil {
				return err
			}
		}
		return nil
	}
}

// emptied takes every status away.
func emptied(ctx context.Context, s *space) error {
	nothing := client.RawPatch(types.MergePatchType, []byte(`{"status": null}`))
	for _, m := range all[suokev1.AIModel](s) {
		if err := s.Client.Status().Patch(ctx, m.DeepCopy(), nothing); err != nil {
			return err
		}
	}
	for _, v := range all[suokev1.ModelVersion](s) {
		if err := client.IgnoreNotFound(s.Client.Status().Patch(ctx, v.DeepCopy(), nothing)); err != nil {
			return err
		}
	}
	return nil
}

// renewed deletes the ModelVersion of v2 and creates it again, as `kubectl replace --force` does.
func renewed(ctx context.Context, s *space) error {
	for _, v := range all[suokev1.ModelVersion](s) {
		if v.Spec.Version != "v2" {
			continue
		}
		if err := s.Client.Delete(ctx, v.DeepCopy()); err != nil {
			return err
		}
		again := &suokev1.ModelVersion{Spec: v.Spec}
		again.Name, again.Namespace = v.Name, v.Namespace
		return s.Client.Create(ctx, again)
	}
	return nil
}
