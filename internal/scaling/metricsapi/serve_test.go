package metricsapi_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/suoke-life/suoke/internal/profile"
	"github.com/suoke-life/suoke/internal/scaling/metricsapi"
	"github.com/suoke-life/suoke/internal/scaling/scrape"
)

// The endpoint has no rights but those that its manifest gives it, and a root that it must not write to.
func TestTheEndpointAnswersWhoMayRead(t *testing.T) {
	namespace := server.Namespace(t)
	create(t, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader"},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"custom.metrics.k8s.io"}, Resources: []string{"pods/ai_inference_requests_per_second"}, Verbs: []string{"get"},
		}},
	})
	reader, stranger := account(t, namespace, "reader"), account(t, namespace, "stranger")
	bind(t, namespace, "reader", namespace, "reader")

	root := t.TempDir()
	address, issued, ask := serve(t, namespace, root)
	url := "https://" + address + "/apis/custom.metrics.k8s.io/v1beta2/namespaces/" + namespace + "/pods/*/ai_inference_requests_per_second"
	for who, c := range map[string]struct {
		token string
		code  int
	}{
		"nobody is refused":                               {"", http.StatusForbidden},
		"a token that nobody gave is refused":             {"made-up", http.StatusUnauthorized},
		"an account without the right is refused":         {stranger, http.StatusForbidden},
		"an account that may read the metric is answered": {reader, http.StatusOK},
	} {
		t.Run(who, func(t *testing.T) {
			code, body, peer := ask(t, url, c.token)
			if !peer.Equal(issued) {
				t.Errorf("it serves with the certificate of %s", peer.Subject)
			}
			if code != c.code {
				t.Fatalf("%d, want %d: %s", code, c.code, body)
			}
			if c.code == http.StatusOK {
				wantRates(t, body, map[string]string{"a": "30500m", "b": "12"})
			}
		})
	}
	written, err := os.ReadDir(root)
	if err != nil || len(written) > 0 {
		t.Errorf("it wrote %v into its working directory, %v", written, err)
	}
}

func wantRates(t *testing.T, body []byte, want map[string]string) {
	t.Helper()
	var list v1beta2.MetricValueList
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if list.Kind != "MetricValueList" || list.APIVersion != "custom.metrics.k8s.io/v1beta2" {
		t.Errorf("it answers with %s %s", list.APIVersion, list.Kind)
	}
	got := map[string]string{}
	for _, item := range list.Items {
		got[item.DescribedObject.Name] = item.Value.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rates (-want +got):\n%s", diff)
	}
}

// asker asks with a token, if it is not empty, and gives the code, the body and the server's certificate.
type asker func(t *testing.T, url, token string) (int, []byte, *x509.Certificate)

// serve runs an Endpoint in a directory, under an account of its own, until the test ends.
func serve(t *testing.T, namespace, dir string) (address string, issued *x509.Certificate, ask asker) {
	t.Helper()
	authority := sharedAuthority(t, namespace)
	certificate, key, err := authority.Issue("metrics-adapter", namespace, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	if issued, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, b, other := agentPod("a", "xiaoai"), agentPod("b", "xiaoai"), agentPod("c", "xiaoke")
	for _, pod := range []*corev1.Pod{a, b, other} {
		pod.Namespace = namespace
	}
	endpoint := &metricsapi.Endpoint{
		Listener: listener, Kubeconfig: kubeconfig(t, adapterAccount(t, namespace)), Certificate: certificate, Key: key,
		Metrics: metricsapi.NewProvider(profile.Embedded(), corelisters.NewPodLister(indexed(a, b, other)), namespace, fixed{
			"a": {scrape.Short: 30.5}, "b": {scrape.Short: 12}, "c": {scrape.Short: 7},
		}),
	}

	t.Chdir(dir)
	running, stop := context.WithCancel(t.Context())
	ended, end := context.WithCancelCause(t.Context())
	go func() { end(fmt.Errorf("the endpoint ended: %w", endpoint.Run(running))) }()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority.CA)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "metrics-adapter." + namespace + ".svc"}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		<-ended.Done()
	})
	return listener.Addr().String(), issued, func(t *testing.T, url, token string) (int, []byte, *x509.Certificate) {
		t.Helper()
		req, err := http.NewRequestWithContext(ended, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err) // why the endpoint ended, if it did
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body, res.TLS.PeerCertificates[0]
	}
}

// adapterAccount is an account with the rights to ask the API server who is asking and whether they may, and its token.
func adapterAccount(t *testing.T, namespace string) (token string) {
	t.Helper()
	token = account(t, namespace, "metrics-adapter")
	create(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: namespace + "-auth-delegator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "metrics-adapter"}},
	})
	bind(t, metav1.NamespaceSystem, "extension-apiserver-authentication-reader", namespace, "metrics-adapter")
	return token
}

// kubeconfig is a file that reaches the API server with a token.
func kubeconfig(t *testing.T, token string) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: server.Config.Host, CertificateAuthorityData: server.Config.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// account makes a ServiceAccount and a token of it.
func account(t *testing.T, namespace, name string) (token string) {
	t.Helper()
	made := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	create(t, made)
	var request authenticationv1.TokenRequest
	if err := server.Client.SubResource("token").Create(t.Context(), made, &request); err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

// bind gives a ServiceAccount a Role, which may be of another namespace.
func bind(t *testing.T, namespace, role, accountNamespace, name string) {
	t.Helper()
	create(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: accountNamespace + "-" + name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: accountNamespace, Name: name}},
	})
}

func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := server.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}
