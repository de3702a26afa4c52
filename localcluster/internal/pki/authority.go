// Package pki makes the keys and certificates of one cluster: one authority, ECDSA P-256, valid for a year, made in
// milliseconds and thrown away with the cluster.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Authority signs the certificates of a cluster and keeps them as files NAME.crt and NAME.key in one directory.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Holder is who a certificate is for: a user of the API (Name, Group), or a server (Hosts, IPs), or both.
type Holder struct {
	Name, Group string
	Hosts       []string
	IPs         []netip.Addr
}

// Create makes a new authority in dir: ca.crt and ca.key.
func Create(dir string, now time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the authority's directory: %w", err)
	}
	template := validity(now)
	template.SerialNumber = big.NewInt(1)
	template.Subject = pkix.Name{CommonName: "suoke-local"}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the authority's key: %w", err)
	}
	a := &Authority{dir: dir, cert: template, key: key}
	return a, a.sign("ca", template, key)
}

// Path is a file of the authority's.
func (a *Authority) Path(name string) string { return filepath.Join(a.dir, name) }

// Issue makes a key and a certificate for a holder.
func (a *Authority) Issue(name string, to Holder, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("making the serial number of %s: %w", name, err)
	}
	template := validity(now)
	template.SerialNumber = serial
	template.Subject = pkix.Name{CommonName: to.Name}
	if to.Group != "" {
		template.Subject.Organization = []string{to.Group}
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.DNSNames = to.Hosts
	for _, ip := range to.IPs {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	return a.sign(name, template, key)
}

// Pair makes a key pair without a certificate: NAME.key and NAME.pub, by which service accounts' tokens are signed and checked.
func (a *Authority) Pair(name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making the key %s: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encoding the key %s: %w", name, err)
	}
	if err := a.write(name+".pub", "PUBLIC KEY", public); err != nil {
		return err
	}
	return a.writeKey(name, key)
}

func (a *Authority) sign(name string, template *x509.Certificate, key *ecdsa.PrivateKey) error {
	cert, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	if err := a.write(name+".crt", "CERTIFICATE", cert); err != nil {
		return err
	}
	return a.writeKey(name, key)
}

func (a *Authority) writeKey(name string, key *ecdsa.PrivateKey) error {
	text, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encoding the key of %s: %w", name, err)
	}
	return a.write(name+".key", "EC PRIVATE KEY", text)
}

func (a *Authority) write(file, kind string, der []byte) error {
	if err := os.WriteFile(a.Path(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// validity begins an hour ago, for clocks that differ a little.
func validity(now time.Time) *x509.Certificate {
	return &x509.Certificate{NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0)}
}
