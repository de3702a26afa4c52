package balance_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/suoke-life/suoke/internal/traffic/balance"
)

const namespace = "suoke-life"

// slice is of the Service s.
func slice(name string, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: "s"}},
		Endpoints:  endpoints,
	}
}

func endpoint(pod string, conditions discoveryv1.EndpointConditions) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{
		Addresses: []string{"10.0.0.1"}, Conditions: conditions,
		TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod},
	}
}

func pods(set *balance.Set) []string {
	var names []string
	for range set.Ready() {
		names = append(names, set.Pick(time.Time{}).Pod)
	}
	slices.Sort(names)
	return names
}

func TestWhoGetsRequests(t *testing.T) {
	yes, no := true, false
	for sentence, c := range map[string]struct {
		conditions discoveryv1.EndpointConditions
		gets       bool
	}{
		"unknown conditions count as ready":              {discoveryv1.EndpointConditions{}, true},
		"a ready Pod":                                    {discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes, Terminating: &no}, true},
		"not a Pod that is not ready":                    {discoveryv1.EndpointConditions{Ready: &no, Serving: &no}, false},
		"not a Pod that ends, though it serves":          {discoveryv1.EndpointConditions{Ready: &no, Serving: &yes, Terminating: &yes}, false},
		"not a published Pod that does not serve":        {discoveryv1.EndpointConditions{Ready: &yes, Serving: &no}, false},
		"not a published Pod that ends, though it is up": {discoveryv1.EndpointConditions{Ready: &yes, Serving: &yes, Terminating: &yes}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, _ := directory(t, slice("s-1", endpoint("p", c.conditions)))
				if got := d.Set("s", 8080).Ready() == 1; got != c.gets {
					t.Errorf("gets requests: %v, want %v", got, c.gets)
				}
			})
		})
	}
}

func TestSetsFollowTheSlices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, client := directory(t, slice("s-1", endpoint("a", discoveryv1.EndpointConditions{})))
		set, other := d.Set("s", 8080), d.Set("other", 8080)
		api := client.DiscoveryV1().EndpointSlices(namespace)
		check := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(want, pods(set)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
		check("at first", "a")
		if _, err := api.Create(t.Context(), slice("s-2", endpoint("b", discoveryv1.EndpointConditions{})), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		check("with a second slice", "a", "b")
		if _, err := api.Update(t.Context(), slice("s-1"), metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		check("with the first slice empty", "b")
		if err := api.Delete(t.Context(), "s-2", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		check("with the second slice gone")
		if other.Ready() != 0 {
			t.Error("a Service without slices got endpoints")
		}
	})
}

// directory runs a Directory over a fake API server until the test ends.
func directory(t *testing.T, published ...*discoveryv1.EndpointSlice) (*balance.Directory, *fake.Clientset) {
	t.Helper()
	client := fake.NewClientset()
	for _, s := range published {
		if err := client.Tracker().Add(s); err != nil {
			t.Fatal(err)
		}
	}
	d, err := balance.NewDirectory(client, namespace)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	if !d.WaitSynced(ctx) {
		t.Fatal("the directory did not read the slices")
	}
	synctest.Wait()
	return d, client
}
