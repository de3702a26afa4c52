package metricsapi

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// AuthoritySecret holds the certificate authority that all replicas share. Delete it and restart them to have another.
const AuthoritySecret = "metrics-adapter-ca" //nolint:gosec // a name, not a credential

// leafLife is how long a serving certificate is valid: longer than a Pod lives, shorter than the authority (10 years).
const leafLife = 5 * 365 * 24 * time.Hour

// Authority signs the replicas' serving certificates.
type Authority struct {
	// CA is its certificate, in PEM: what the API server must trust.
	CA          []byte
	certificate *x509.Certificate
	key         crypto.Signer
}

// SharedAuthority reads the authority from its Secret, and makes it if there is none. Of several replicas that make one
// at the same time, the first one's counts.
func SharedAuthority(ctx context.Context, client kubernetes.Interface, namespace string) (*Authority, error) {
	secrets := client.CoreV1().Secrets(namespace)
	for {
		secret, err := secrets.Get(ctx, AuthoritySecret, metav1.GetOptions{})
		if err == nil {
			return parseAuthority(secret.Data)
		}
		if !apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("reading Secret %s: %w", AuthoritySecret, err)
		}
		data, err := newAuthority()
		if err != nil {
			return nil, err
		}
		_, err = secrets.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: AuthoritySecret, Labels: map[string]string{
				"app.kubernetes.io/name": "metrics-adapter", "app.kubernetes.io/part-of": "suoke",
				"app.kubernetes.io/component": "metrics-adapter",
			}},
			Type: corev1.SecretTypeTLS,
			Data: data,
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, fmt.Errorf("writing Secret %s: %w", AuthoritySecret, err)
		}
	}
}

func newAuthority() (map[string][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	certificate, err := certutil.NewSelfSignedCACert(certutil.Config{CommonName: "suoke-metrics-adapter"}, key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return nil, fmt.Errorf("writing a key: %w", err)
	}
	certificatePEM, err := certutil.EncodeCertificates(certificate)
	if err != nil {
		return nil, fmt.Errorf("writing a certificate: %w", err)
	}
	return map[string][]byte{corev1.TLSCertKey: certificatePEM, corev1.TLSPrivateKeyKey: keyPEM}, nil
}

func parseAuthority(data map[string][]byte) (*Authority, error) {
	unreadable := func(err error) error {
		return fmt.Errorf("secret %s: delete it, and restart metrics-adapter, which makes another: %w", AuthoritySecret, err)
	}
	certificates, err := certutil.ParseCertsPEM(data[corev1.TLSCertKey])
	if err != nil {
		return nil, unreadable(err)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(data[corev1.TLSPrivateKeyKey])
	if err != nil {
		return nil, unreadable(err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, unreadable(errors.New("its key cannot sign"))
	}
	return &Authority{CA: data[corev1.TLSCertKey], certificate: certificates[0], key: key}, nil
}

// Issue makes a serving certificate and its key, in PEM, for a Service of this namespace.
func (a *Authority) Issue(service, namespace string, now time.Time) (certificate, key []byte, err error) {
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("making a serial number: %w", err)
	}
	host := service + "." + namespace + ".svc"
	template := &x509.Certificate{
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host, service, service + "." + namespace, host + ".cluster.local"},
		SerialNumber: serial,
		NotBefore:    now.Add(-5 * time.Minute), // clocks differ
		NotAfter:     now.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, leafKey.Public(), a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("signing a certificate: %w", err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a certificate: %w", err)
	}
	if certificate, err = certutil.EncodeCertificates(signed); err != nil {
		return nil, nil, fmt.Errorf("writing a certificate: %w", err)
	}
	if key, err = keyutil.MarshalPrivateKeyToPEM(leafKey); err != nil {
		return nil, nil, fmt.Errorf("writing a key: %w", err)
	}
	return certificate, key, nil
}
