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

const (
	// remembered is how long a Service's address is used again without asking: a Service that is made anew gets another one.
	remembered = time.Second
	// patience is how long a connection waits for an answer where an address is known. Beyond it, the address of before is
	// used: what is published goes on while the API server is away.
	patience = 250 * time.Millisecond
)

// Getter reads an object of the API.
type Getter interface {
	Get(ctx context.Context, path string, value any) error
}

// Service returns the target that is a Service's port: its ClusterIP, behind which kube-proxy chooses a Pod.
func Service(api Getter, namespace, name string, port int) Target {
	s := &service{api: api, namespace: namespace, name: name, port: strconv.Itoa(port)}
	return s.address
}

// service is a Service's address as it was last looked up.
type service struct {
	api                   Getter
	namespace, name, port string

	mu      sync.Mutex
	known   string
	until   time.Time
	looking *lookup
}

// lookup is one question to the API server, whose answer stands once done is closed.
type lookup struct {
	done    chan struct{}
	address string
	err     error
}

func (s *service) address(ctx context.Context) (string, error) {
	s.mu.Lock()
	known := s.known
	if time.Now().Before(s.until) {
		s.mu.Unlock()
		return known, nil
	}
	l := s.look(ctx)
	s.mu.Unlock()
	if known == "" {
		select {
		case <-l.done:
			return l.address, l.err
		case <-ctx.Done():
			return "", fmt.Errorf("looking up Service %s/%s: %w", s.namespace, s.name, ctx.Err())
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-l.done:
		if l.err == nil {
			return l.address, nil
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	return known, nil
}

// look asks the API server, or waits for who asks already. It is called with mu held.
func (s *service) look(ctx context.Context) *lookup {
	if s.looking != nil {
		return s.looking
	}
	l := &lookup{done: make(chan struct{})}
	s.looking = l
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialTime)
		defer cancel()
		l.address, l.err = s.ask(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.looking = nil
		if l.err == nil {
			s.known, s.until = l.address, time.Now().Add(remembered)
		}
		close(l.done)
	}()
	return l
}

func (s *service) ask(ctx context.Context) (string, error) {
	var found struct {
		Spec struct {
			ClusterIP string `json:"clusterIP"`
		} `json:"spec"`
	}
	if err := s.api.Get(ctx, fmt.Sprintf("/api/v1/namespaces/%s/services/%s", s.namespace, s.name), &found); err != nil {
		return "", fmt.Errorf("looking up Service %s/%s: %w", s.namespace, s.name, err)
	}
	if _, err := netip.ParseAddr(found.Spec.ClusterIP); err != nil {
		return "", fmt.Errorf("Service %s/%s has no address of its own (clusterIP %q)", s.namespace, s.name, found.Spec.ClusterIP)
	}
	return net.JoinHostPort(found.Spec.ClusterIP, s.port), nil
}

// Fixed returns the target that is always the same address.
func Fixed(address string) Target {
	return func(context.Context) (string, error) { return address, nil }
}
