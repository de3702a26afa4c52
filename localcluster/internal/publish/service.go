package publish

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// remembered is how long a Service's address is used again: a Service that is made anew gets another one.
const remembered = time.Second

// Getter reads an object of the API.
type Getter interface {
	Get(ctx context.Context, path string, value any) error
}

// Service returns the target that is a Service's port: its ClusterIP, behind which kube-proxy chooses a Pod.
func Service(api Getter, namespace, name string, port int) Target {
	var (
		mu      sync.Mutex
		address string
		until   time.Time
	)
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Now().Before(until) {
			return address, nil
		}
		var service struct {
			Spec struct {
				ClusterIP string `json:"clusterIP"`
			} `json:"spec"`
		}
		if err := api.Get(ctx, fmt.Sprintf("/api/v1/namespaces/%s/services/%s", namespace, name), &service); err != nil {
			return "", fmt.Errorf("looking up Service %s/%s: %w", namespace, name, err)
		}
		if _, err := netip.ParseAddr(service.Spec.ClusterIP); err != nil {
			return "", fmt.Errorf("Service %s/%s has no address of its own (clusterIP %q)", namespace, name, service.Spec.ClusterIP)
		}
		address, until = net.JoinHostPort(service.Spec.ClusterIP, strconv.Itoa(port)), time.Now().Add(remembered)
		return address, nil
	}
}

// Fixed returns the target that is always the same address.
func Fixed(address string) Target {
	return func(context.Context) (string, error) { return address, nil }
}
