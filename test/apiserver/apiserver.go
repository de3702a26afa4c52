// Package apiserver starts a real etcd and kube-apiserver with the project's CRDs for the tests of one package. It
// promises that both are gone when Main returns. There is no controller manager, no scheduler and no kubelet: a test
// writes what they would have written.
package apiserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	suokev1 "github.com/suoke-life/suoke/api/v1"
)

const (
	// assetsVariable names the directory that holds etcd and kube-apiserver.
	assetsVariable = "KUBEBUILDER_ASSETS"
	// builtAssets is where the Makefile puts them, from the repository's root.
	builtAssets = "build/cluster/assets"
	// crds is the file that users apply.
	crds = "k8s/ai-model-version-crd.yaml"
)

// Server is a running API server.
type Server struct {
	// Config reaches it with every right.
	Config *rest.Config
	// Client knows the built-in kinds and ours.
	Client client.Client

	environment *envtest.Environment
}

// Tests are a package's: *testing.M, or what does more before and after.
type Tests interface{ Run() int }

// Main starts a server, hands it to use, runs the package's tests and stops it. Call it from TestMain and exit with
// what it returns. What still watches the server keeps it from stopping.
func Main(m Tests, use func(*Server)) int {
	server, err := start()
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting an API server:", err)
		return 1
	}
	use(server)
	code := m.Run()
	if err := server.environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the API server:", err)
		return 1
	}
	return code
}

// Namespace makes a namespace for one test.
func (s *Server) Namespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := s.Client.Create(t.Context(), namespace); err != nil {
		t.Fatalf("creating a namespace: %v", err)
	}
	return namespace.Name
}

// Scheme knows the built-in kinds and ours.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), suokev1.AddToScheme(scheme))
}

func start() (*Server, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	assets := os.Getenv(assetsVariable)
	if assets == "" {
		assets = filepath.Join(root, builtAssets)
	}
	if _, err := os.Stat(filepath.Join(assets, "kube-apiserver")); err != nil { //nolint:gosec // who runs the tests chooses the directory
		return nil, fmt.Errorf("no kube-apiserver in %s; run 'make cluster' or set %s: %w", assets, assetsVariable, err)
	}
	scheme, err := Scheme()
	if err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	environment := &envtest.Environment{
		BinaryAssetsDirectory: assets,
		// A machine that compiles beside it takes its time.
		ControlPlaneStartTimeout: 2 * time.Minute,
		ErrorIfCRDPathMissing:    true,
		CRDDirectoryPaths:        []string{filepath.Join(root, crds)},
	}
	config, err := environment.Start()
	if err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	config.QPS, config.Burst = -1, -1 // tests of the operator bring limits of their own
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, errors.Join(err, environment.Stop())
	}
	return &Server{Config: config, Client: reader, environment: environment}, nil
}

// repository finds the directory of go.mod above the working directory, which is the tested package's.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the working directory")
		}
		dir = parent
	}
}
