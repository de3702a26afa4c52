package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/suoke-life/suoke/internal/model/ref"
	"github.com/suoke-life/suoke/internal/model/store"
	"github.com/suoke-life/suoke/internal/traffic/server"
)

// freeAddresses are on loopback; nobody listens there.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	all := make([]string, n)
	for i := range all {
		socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = socket.Close() }()
		all[i] = socket.Addr().String()
	}
	return all
}

// The API server is not there: models are kept and served all the same, and the process ends when it is told to.
func TestTheRegistryServesWithoutAnAPIServer(t *testing.T) {
	addresses := freeAddresses(t, 3)
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, clusters: [{name: c, cluster: {server: "http://%s"}}], contexts: [{name: c, context: {cluster: c}}]}`, addresses[2])
	weights := filepath.Join(dir, "model", "model.onnx")
	if err := os.Mkdir(filepath.Dir(weights), 0o750); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{kubeconfig: []byte(text), weights: bytes.Repeat([]byte("weights "), 10_000)} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- runRegistry(ctx, registryOptions{
			cluster: server.Cluster{Namespace: "suoke-life", Kubeconfig: kubeconfig}, root: filepath.Join(dir, "registry"),
			address: addresses[0], admin: addresses[1],
		}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	}()
	to := ref.Reference{Host: addresses[0], Repository: "models/digits", Tag: "v1"}
	options := store.Options{PlainHTTP: true, Attempts: 8, Wait: 10 * time.Millisecond} // it has just been started
	if err := store.Ping(t.Context(), to.Host, options); err != nil {
		t.Fatal(err)
	}
	pushed, err := store.Push(t.Context(), filepath.Dir(weights), to, options)
	if err != nil {
		t.Fatal(err)
	}
	pulled, err := store.Pull(t.Context(), to, filepath.Join(dir, "pulled"), options)
	if err != nil || pulled.Digest != pushed.Digest {
		t.Errorf("pulled %s, %v; pushed %s", pulled.Digest, err, pushed.Digest)
	}
	for url, want := range map[string]string{
		addresses[0] + "/health": "ok", addresses[0] + "/ready": "ok", addresses[1] + "/health": "ok", addresses[1] + "/ready": "ok",
		addresses[1] + "/metrics": "suoke_registry_blobs_served_total 1", addresses[0] + "/metrics": "404 page not found",
	} {
		if got := answerOf(t, url); !strings.Contains(got, want) {
			t.Errorf("%s answered %.200q, not %q", url, got, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "registry")); err != nil {
		t.Error(err)
	}
}

func answerOf(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
