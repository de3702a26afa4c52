package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/suoke-life/suoke/localcluster/internal/cluster"
)

// made is when the certificates of these tests are made.
var made = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

func provision(t *testing.T) cluster.Config {
	t.Helper()
	c := cluster.Config{Name: "test", Dir: t.TempDir(), Network: 7, APIPort: 16443}
	if err := Provision(c, made); err != nil {
		t.Fatal(err)
	}
	return c
}

func decode(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		t.Fatalf("%s is not one block of PEM", file)
	}
	return block.Bytes
}

func certificate(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(decode(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestEveryCertificateIsSignedForAYear(t *testing.T) {
	c := provision(t)
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, c.Path("pki", "ca.crt")))
	files, err := filepath.Glob(c.Path("pki", "*.crt"))
	if err != nil || len(files) != 12 {
		t.Fatalf("there are %d certificates (%v), want 12", len(files), err)
	}
	serials := map[string]string{}
	for _, file := range files {
		cert := certificate(t, file)
		if other, taken := serials[cert.SerialNumber.String()]; taken {
			t.Errorf("%s has the serial number of %s", file, other)
		}
		serials[cert.SerialNumber.String()] = file
		if _, err := tls.LoadX509KeyPair(file, strings.TrimSuffix(file, "crt")+"key"); err != nil {
			t.Errorf("%s does not go with its key: %v", file, err)
		}
		if filepath.Base(file) != "ca.crt" && cert.IsCA {
			t.Errorf("%s may sign others", file)
		}
		for what, test := range map[string]struct {
			at    time.Time
			valid bool
		}{
			"a clock that is behind by an hour": {at: made.Add(-time.Hour), valid: true},
			"a clock further behind":            {at: made.Add(-2 * time.Hour)},
			"eleven months later":               {at: made.AddDate(0, 11, 0), valid: true},
			"after a year":                      {at: made.AddDate(1, 0, 1)},
		} {
			_, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: test.at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if (err == nil) != test.valid {
				t.Errorf("%s, %s: %v", filepath.Base(file), what, err)
			}
		}
	}
}

func TestServersAreKnownByTheirAddresses(t *testing.T) {
	c := provision(t)
	at := c.Addresses()
	for name, hosts := range map[string][]string{
		"apiserver":       {"127.0.0.1", "localhost", at.Node.String(), at.Kubernetes.String(), "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		"kubelet-serving": {at.Node.String(), "suoke-test"},
		"metrics-server":  {"metrics-server.kube-system.svc"},
	} {
		cert := certificate(t, c.Path("pki", name+".crt"))
		for _, host := range hosts {
			if err := cert.VerifyHostname(host); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if cert.VerifyHostname("example.com") == nil || cert.VerifyHostname("10.0.0.1") == nil {
			t.Errorf("%s is valid for everybody", name)
		}
	}
}

// TestUsersAreWhoTheyAre wants the names by which the API server's own roles and the node authorizer know a client.
func TestUsersAreWhoTheyAre(t *testing.T) {
	c := provision(t)
	for name, want := range map[string][]string{
		"admin":              {"admin", "system:masters"},
		"apiserver-kubelet":  {"kube-apiserver-kubelet-client", "system:masters"},
		"front-proxy":        {"front-proxy"},
		"controller-manager": {"system:kube-controller-manager"},
		"scheduler":          {"system:kube-scheduler"},
		"proxy":              {"system:kube-proxy"},
		"kubelet":            {"system:node:suoke-test", "system:nodes"},
		"netpol":             {"suoke:netpol"},
	} {
		subject := certificate(t, c.Path("pki", name+".crt")).Subject
		if diff := cmp.Diff(want, append([]string{subject.CommonName}, subject.Organization...)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestKubeconfigs(t *testing.T) {
	c := provision(t)
	for file, server := range map[string]string{
		c.Kubeconfig():                                 "https://127.0.0.1:16443",
		c.Path("pki", "admin.kubeconfig"):              "https://10.107.255.2:6443",
		c.Path("pki", "controller-manager.kubeconfig"): "https://10.107.255.2:6443",
		c.Path("pki", "scheduler.kubeconfig"):          "https://10.107.255.2:6443",
		c.Path("pki", "proxy.kubeconfig"):              "https://10.107.255.2:6443",
		c.Path("pki", "kubelet.kubeconfig"):            "https://10.107.255.2:6443",
		c.Path("pki", "netpol.kubeconfig"):             "https://10.107.255.2:6443",
	} {
		config, err := clientcmd.BuildConfigFromFlags("", file)
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != server {
			t.Errorf("%s leads to %s, want %s", file, config.Host, server)
		}
		if _, err := tls.X509KeyPair(config.CertData, config.KeyData); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if authority, err := os.ReadFile(c.Path("pki", "ca.crt")); err != nil || !bytes.Equal(authority, config.CAData) {
			t.Errorf("%s trusts another authority (%v)", file, err)
		}
	}
}

func TestServiceAccountsKeyIsAPair(t *testing.T) {
	c := provision(t)
	private, err := x509.ParseECPrivateKey(decode(t, c.Path("pki", "sa.key")))
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.ParsePKIXPublicKey(decode(t, c.Path("pki", "sa.pub")))
	if err != nil {
		t.Fatal(err)
	}
	if key, ok := public.(*ecdsa.PublicKey); !ok || !private.PublicKey.Equal(key) {
		t.Error("sa.pub does not check what sa.key signs")
	}
}

func TestNobodyElseReadsTheKeys(t *testing.T) {
	c := provision(t)
	err := filepath.WalkDir(c.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == c.Dir {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
