package operator_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/release/operator"
)

func TestManagerLeadsAndAnswersProbes(t *testing.T) {
	t.Parallel()
	namespace := server.Namespace(t)
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := socket.Addr().String()
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	mgr, err := operator.NewManager(server.Config, namespace, address, true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the manager ended with %v", err)
		}
	}()
	s := &system{t: t}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		s.until(path+" to be answered", func() (bool, string) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return false, err.Error()
			}
			defer func() { _ = res.Body.Close() }() // only the status matters
			return res.StatusCode == http.StatusOK, res.Status
		})
	}
	s.until("a leader", func() (bool, string) {
		var lease coordinationv1.Lease
		err := server.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: operator.Lease}, &lease)
		return err == nil && lease.Spec.HolderIdentity != nil, fmt.Sprint(err)
	})
}
