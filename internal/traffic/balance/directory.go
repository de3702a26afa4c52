package balance

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// byService is the informer's index of EndpointSlices by their Service.
const byService = "service"

// Directory keeps Sets as the EndpointSlices of one namespace say.
type Directory struct {
	informer cache.SharedIndexInformer

	mu   sync.Mutex
	sets map[place]*Set
}

type place struct {
	service string
	port    int
}

// NewDirectory returns a Directory of the namespace. Run fills it.
func NewDirectory(client kubernetes.Interface, namespace string) (*Directory, error) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace))
	d := &Directory{informer: factory.Discovery().V1().EndpointSlices().Informer(), sets: map[place]*Set{}}
	err := d.informer.AddIndexers(cache.Indexers{byService: func(object any) ([]string, error) {
		return []string{serviceOf(object)}, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("indexing endpoint slices: %w", err)
	}
	_, err = d.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { d.refresh(serviceOf(object)) },
		UpdateFunc: func(_, object any) { d.refresh(serviceOf(object)) },
		DeleteFunc: func(object any) { d.refresh(serviceOf(object)) },
	})
	if err != nil {
		return nil, fmt.Errorf("watching endpoint slices: %w", err)
	}
	return d, nil
}

// Run watches until the context ends. While the API server is away, the Sets stay as they were.
func (d *Directory) Run(ctx context.Context) { d.informer.RunWithContext(ctx) }

// Synced says whether the Directory has seen every EndpointSlice once.
func (d *Directory) Synced() bool { return d.informer.HasSynced() }

// WaitSynced waits for Synced, and says whether it came before the context's end.
func (d *Directory) WaitSynced(ctx context.Context) bool {
	return cache.WaitForCacheSync(ctx.Done(), d.informer.HasSynced)
}

// Set returns the Service's endpoints at a port. It is kept up to date until Forget.
func (d *Directory) Set(service string, port int) *Set {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := place{service, port}
	set, found := d.sets[at]
	if !found {
		set = &Set{}
		d.sets[at] = set
		set.Update(d.addresses(at))
	}
	return set
}

// Forget drops a Set that no new request will use.
func (d *Directory) Forget(service string, port int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sets, place{service, port})
}

func (d *Directory) refresh(service string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, set := range d.sets {
		if at.service == service {
			set.Update(d.addresses(at))
		}
	}
}

func (d *Directory) addresses(at place) []Address {
	objects, err := d.informer.GetIndexer().ByIndex(byService, at.service)
	if err != nil {
		return nil
	}
	var all []Address
	for _, object := range objects {
		if slice, ok := object.(*discoveryv1.EndpointSlice); ok {
			all = append(all, ready(slice, at.port)...)
		}
	}
	return all
}

// ready lists a slice's endpoints that should get requests. A condition that is not known counts as the API says:
// ready and serving as true, terminating as false. serving is looked at too, because a Service that publishes addresses
// which are not ready has every endpoint ready.
func ready(slice *discoveryv1.EndpointSlice, port int) []Address {
	var addresses []Address
	for _, e := range slice.Endpoints {
		is := e.Conditions
		if len(e.Addresses) == 0 || !orElse(is.Ready, true) || !orElse(is.Serving, true) || orElse(is.Terminating, false) {
			continue
		}
		pod := e.Addresses[0]
		if e.TargetRef != nil {
			pod = e.TargetRef.Name
		}
		addresses = append(addresses, Address{Pod: pod, Host: net.JoinHostPort(e.Addresses[0], strconv.Itoa(port))})
	}
	return addresses
}

func orElse(condition *bool, unknown bool) bool {
	if condition == nil {
		return unknown
	}
	return *condition
}

func serviceOf(object any) string {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	if slice, ok := object.(*discoveryv1.EndpointSlice); ok {
		return slice.Labels[discoveryv1.LabelServiceName]
	}
	return ""
}
