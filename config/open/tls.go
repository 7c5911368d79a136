package open

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/pushhooks/webhook/config"
)

// withFiles returns c with the certificates of the files that t and caFile name; field is what
// caFile is in the configuration. A nil c stays nil: the connection is not encrypted.
func withFiles(c *tls.Config, t *config.TLS, field, caFile string) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || t.SkipVerify
	if caFile == "" {
		field, caFile = masterTLS+"ca_path", t.CAFile
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("%s: the certificates to trust cannot be read: %w", field, err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s holds no certificate: it must be a PEM file", field, caFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%sclient_cert_path %s and client_key_path %s: %w", masterTLS, t.CertFile, t.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// masterTLS is how the paths of a server's encryption begin in the configuration.
const masterTLS = "database.redis.master_tls."
