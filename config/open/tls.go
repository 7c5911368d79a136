package open

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/pushhooks/webhook/config"
)

// withFiles returns c with the certificates of the files that t and caFile name. A nil c stays nil:
// the connection is not encrypted.
func withFiles(c *tls.Config, t *config.TLS, caFile string) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	c.InsecureSkipVerify = c.InsecureSkipVerify || t.SkipVerify
	if caFile == "" {
		caFile = t.CAFile
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("certificates to trust: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificates to trust: %s holds none; it must be a PEM file", caFile)
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}
