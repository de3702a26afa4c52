package scale_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	suokev1 "github.com/suoke-life/suoke/api/v1"
	"github.com/suoke-life/suoke/internal/traffic/route"
	"github.com/suoke-life/suoke/test/apiserver"
)

const (
	registryHost  = "registry.test:5000"
	routerService = "model-router"
	// versionsOfModel have a ModelVersion each; the first is the one that everything returns to.
	versionsOfModel = 5
	// hands that write to the API server at once.
	hands = 8
	// share of the requests that a canary gets, in percent.
	share = 20
)

// world is a namespace with models, and all that runs there but the operator.
type world struct {
	tb         testing.TB
	client     client.Client
	kubeconfig string
	namespace  string
	models     int
	// late is when what has not happened does not happen any more.
	late    time.Time
	clock   *clock
	cluster *cluster
	routers *routers
}

func newWorld(tb testing.TB, server *apiserver.Server, p plan) *world {
	tb.Helper()
	n := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "scale-"}}
	if err := server.Client.Create(tb.Context(), n); err != nil {
		tb.Fatal(err)
	}
	w := &world{
		tb: tb, client: server.Client, kubeconfig: kubeconfig(tb, server.Config), namespace: n.Name,
		models: p.models, late: time.Now().Add(p.limit), clock: newClock(),
	}
	w.routers = newRouters(w)
	w.cluster = newCluster(w, server.Config)
	return w
}

// kubeconfig writes what the operator's process reaches the API server by. It names no limits, as in a cluster.
func kubeconfig(tb testing.TB, config *rest.Config) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "kubeconfig")
	err := clientcmd.WriteToFile(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"c": {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{"u": {
			ClientCertificateData: config.CertData, ClientKeyData: config.KeyData, Token: config.BearerToken,
		}},
		Contexts: map[string]*clientcmdapi.Context{"x": {Cluster: "c", AuthInfo: "u"}}, CurrentContext: "x",
	}, file)
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// operator starts an operator for this world.
func (w *world) operator() *running {
	w.tb.Helper()
	return start(w, setup{Kubeconfig: w.kubeconfig, Namespace: w.namespace, RouterPort: w.routers.port, Tempo: w.clock.run(1)})
}

// run changes how fast simulated time passes, for everybody.
func (w *world) run(o *running, speed float64) {
	w.tb.Helper()
	o.setTempo(w.clock.run(speed))
}

func modelName(i int) string { return fmt.Sprintf("model-%04d", i) }

func versionName(n int) string { return fmt.Sprintf("v%d", n) }

// declare creates the models, which ask for their first version, and what people say about every version.
func (w *world) declare() {
	w.tb.Helper()
	w.each(w.models, func(ctx context.Context, i int) error {
		for n := range versionsOfModel {
			err := w.client.Create(ctx, &suokev1.ModelVersion{
				ObjectMeta: metav1.ObjectMeta{Name: modelVersion(i, n+1), Namespace: w.namespace},
				Spec: suokev1.ModelVersionSpec{
					ModelRef: modelName(i), Version: versionName(n + 1), Description: "One of many.",
					CanaryDeployment: suokev1.CanaryDeployment{Enabled: true, TrafficPercentage: share, Duration: metav1.Duration{Duration: 1000 * time.Hour}},
				},
			})
			if err != nil {
				return err
			}
		}
		return w.client.Create(ctx, &suokev1.AIModel{
			ObjectMeta: metav1.ObjectMeta{Name: modelName(i), Namespace: w.namespace},
			Spec: suokev1.AIModelSpec{
				ModelName: "digits", Version: versionName(1), AgentType: "xiaoai", ModelType: suokev1.ModelTypeClassification,
				Repository: suokev1.Repository{URL: "oci://" + registryHost + "/models/digits"},
				Validation: suokev1.Validation{Enabled: new(false)},
			},
		})
	})
}

func modelVersion(i, n int) string { return modelName(i) + "-" + versionName(n) }

// release asks for another version of every model, and waits until each has its canary.
func (w *world) release(n int) {
	w.tb.Helper()
	patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec": {"version": %q}}`, versionName(n)))
	w.each(w.models, func(ctx context.Context, i int) error {
		return w.client.Patch(ctx, &suokev1.AIModel{ObjectMeta: metav1.ObjectMeta{Name: modelName(i), Namespace: w.namespace}}, patch)
	})
	w.routers.await("a canary of "+versionName(n)+" at every model", func(r route.Route) bool {
		v, found := r.Version(r.Candidate)
		return found && v.Version == versionName(n) && v.Weight == share
	})
}

// touch changes an annotation of every ModelVersion.
func (w *world) touch() {
	w.tb.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"annotations": {"touched": "yes"}}}`))
	w.each(w.models*versionsOfModel, func(ctx context.Context, i int) error {
		name := modelVersion(i/versionsOfModel, i%versionsOfModel+1)
		return w.client.Patch(ctx, &suokev1.ModelVersion{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}}, patch)
	})
}

// each does something n times, with all hands.
func (w *world) each(n int, do func(ctx context.Context, i int) error) {
	w.tb.Helper()
	var next atomic.Int64
	errs := make([]error, hands)
	var working sync.WaitGroup
	for hand := range hands {
		working.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[hand] == nil; i = int(next.Add(1)) - 1 {
				errs[hand] = do(w.tb.Context(), i)
			}
		})
	}
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		w.tb.Fatal(err)
	}
}

// until waits for something to hold, and tells what held instead.
func (w *world) until(what string, holds func() (bool, string)) {
	w.tb.Helper()
	for {
		ok, instead := holds()
		if ok {
			return
		}
		if time.Now().After(w.late) {
			w.tb.Fatalf("there is no time left to wait for %s; last seen: %s", what, instead)
		}
		time.Sleep(200 * time.Millisecond)
	}
}
