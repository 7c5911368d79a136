package testredis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// encrypt makes the server take encrypted connections alone, with a certificate for 127.0.0.1 of a
// certificate authority of its own.
func (s *Server) encrypt(port string) {
	s.t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "testredis"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "redis"}, NotBefore: authority.NotBefore,
		NotAfter: authority.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	authorityKey, leafKey := s.newKey(), s.newKey()
	s.CAFile = s.writeCertificate("ca.pem", authority, authority, authorityKey, authorityKey)
	cert := s.writeCertificate("redis.pem", leaf, authority, leafKey, authorityKey)
	der, err := x509.MarshalECPrivateKey(leafKey)
	if err != nil {
		s.t.Fatal(err)
	}
	key := s.writePEM("redis.key", "EC PRIVATE KEY", der)
	s.args = append(s.args, "--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", s.CAFile, "--tls-auth-clients", "no", "--tls-cluster", "yes", "--tls-replication", "yes")
	roots := x509.NewCertPool()
	roots.AddCert(s.parse(s.CAFile))
	s.tls = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
}

func (s *Server) newKey() *ecdsa.PrivateKey {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// writeCertificate writes a certificate for key, signed by the issuer, and returns its path.
func (s *Server) writeCertificate(name string, cert, issuer *x509.Certificate, key, issuerKey *ecdsa.PrivateKey) string {
	s.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, issuer, &key.PublicKey, issuerKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.writePEM(name, "CERTIFICATE", der)
}

func (s *Server) writePEM(name, kind string, der []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *Server) parse(path string) *x509.Certificate {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.t.Fatal(err)
	}
	return cert
}
