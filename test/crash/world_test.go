package crash_test

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/test/apiserver"
)

// world is one API server with many namespaces, every revision of whose objects is kept.
type world struct {
	*apiserver.Server
	// end the watches.
	end context.CancelFunc

	mu     sync.Mutex
	spaces map[string]*space
}

// change is one revision of an object; gone says that it was deleted.
type change struct {
	// at is the resource version, which orders the changes of all kinds.
	at   int64
	of   key
	is   client.Object
	gone bool
	// seen is when this process heard of it.
	seen time.Time
}

// key names an object of a namespace.
type key struct{ kind, name string }

func keyOf(o client.Object) key { return key{reflect.TypeOf(o).Elem().Name(), o.GetName()} }

func newWorld(s *apiserver.Server) *world {
	ctx, end := context.WithCancel(context.Background())
	w := &world{Server: s, end: end, spaces: map[string]*space{}}
	watcher, err := client.NewWithWatch(s.Config, client.Options{Scheme: s.Client.Scheme()})
	if err != nil {
		panic(err)
	}
	for _, list := range []client.ObjectList{
		&suokev1.AIModelList{}, &suokev1.ModelVersionList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &corev1.PodList{},
		&appsv1.DeploymentList{}, &appsv1.ControllerRevisionList{}, &batchv1.JobList{}, &autoscalingv2.HorizontalPodAutoscalerList{},
	} {
		changes, err := watcher.Watch(ctx, list)
		if err != nil {
			panic(fmt.Sprintf("watching %T: %v", list, err))
		}
		go w.follow(ctx, watcher, list, changes)
	}
	return w
}

// follow ends with the API server, after the last test. A watch that the server ends, as it does with those of a kind whose
// definition it reads anew, goes on from the last revision that was heard of.
func (w *world) follow(ctx context.Context, watcher client.WithWatch, list client.ObjectList, changes watch.Interface) {
	last := "1"
	for {
		for event := range changes.ResultChan() {
			o, ok := event.Object.(client.Object)
			if !ok {
				continue
			}
			last = o.GetResourceVersion()
			w.hear(event.Type, o)
		}
		again := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: last}}
		var err error
		for changes, err = watcher.Watch(ctx, list, again); err != nil; changes, err = watcher.Watch(ctx, list, again) {
			if ctx.Err() != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

func (w *world) hear(kind watch.EventType, o client.Object) {
	w.mu.Lock()
	s := w.spaces[o.GetNamespace()]
	w.mu.Unlock()
	if s != nil {
		s.note(change{at: revisionOf(o), of: keyOf(o), is: o, gone: kind == watch.Deleted, seen: time.Now()})
	}
}

// revisionOf is an object's resource version, a number in every API server there is.
func revisionOf(o client.Object) int64 {
	at, err := strconv.ParseInt(o.GetResourceVersion(), 10, 64)
	if err != nil {
		panic(err)
	}
	return at
}

// space is one namespace: its objects, what became of them, and what kubelet, Job controller and routers do there.
type space struct {
	*world
	name  string
	story story
	// begun is the revision at which the story begins.
	begun  int64
	router *router
	// rivals says that two operators act at once, by mistake.
	rivals bool
	// stir wakes the kubelet.
	stir chan struct{}

	mu      sync.Mutex
	objects map[key]client.Object
	changes []change
	// doomed are the objects that the test deletes.
	doomed map[types.UID]bool
	log    log
}

// newSpace makes a namespace with a router, in which things happen until the test ends.
func (w *world) newSpace(t *testing.T, tale story) *space {
	t.Helper()
	s := &space{world: w, name: w.Namespace(t), story: tale, stir: make(chan struct{}, 1), objects: map[key]client.Object{}, doomed: map[types.UID]bool{}}
	s.router = newRouter(t, s)
	w.mu.Lock()
	w.spaces[s.name] = s
	w.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.kubelet(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.spaces, s.name)
	})
	if err := s.runRouter(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *space) note(c change) {
	s.mu.Lock()
	s.changes = append(s.changes, c)
	if c.gone {
		delete(s.objects, c.of)
	} else {
		s.objects[c.of] = c.is
	}
	s.mu.Unlock()
	if m, ok := c.is.(*corev1.ConfigMap); ok {
		s.router.apply(m, c.gone)
	}
	s.wake()
}

// doom says that the test is about to delete an object, so that nobody is blamed for it.
func (s *space) doom(o client.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doomed[o.GetUID()] = true
}

func (s *space) wake() {
	select {
	case s.stir <- struct{}{}:
	default: // it is awake
	}
}

// all returns the objects of a kind, and their names in order.
func all[T any, P interface {
	*T
	client.Object
}](s *space) map[string]P {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]P{}
	for k, o := range s.objects {
		if o, ok := o.(P); ok {
			found[k.name] = o
		}
	}
	return found
}

// log is what the operator said, for a test that fails.
type log struct {
	mu    sync.Mutex
	lines []byte
}

// Write keeps a line.
func (l *log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(append(l.lines, time.Now().Format("05.000 ")...), line...)
	return len(line), nil
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.lines)
}
