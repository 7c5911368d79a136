package open

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pushhooks/webhook/internal/testredis"
)

// overTLS returns the section "queue" for an encrypted server.
func overTLS(driver string, server *testredis.Server, caFile string) map[string]any {
	section := map[string]any{"prefix": "tls:"}
	if caFile != "" {
		section["tls_ca_file"] = caFile
	}
	url := "rediss://" + server.Addr
	if driver == "redis" {
		section["url"] = url
		return map[string]any{"driver": driver, "redis": section}
	}
	section["nodes"] = []string{url}
	return map[string]any{"driver": driver, "redis_cluster": section}
}

// encrypted starts a server, or a cluster of one node, that takes encrypted connections alone.
func encrypted(t *testing.T, driver string) *testredis.Server {
	t.Helper()
	if driver == "redis" {
		return testredis.StartServer(t, testredis.Options{TLS: true})
	}
	return testredis.StartSingleNodeCluster(t, testredis.Options{TLS: true})
}

func TestServersWithACertificateOfOnesOwn(t *testing.T) {
	t.Parallel()
	for _, driver := range []string{"redis", "redis-cluster"} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			server := encrypted(t, driver)
			roundTrip(t, parse(t, overTLS(driver, server, server.CAFile)))

			// Nobody else has signed the certificate.
			_, err := Queue(t.Context(), parse(t, overTLS(driver, server, "")))
			if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
				t.Errorf("without tls_ca_file: %v", err)
			}
			other := testredis.StartServer(t, testredis.Options{TLS: true})
			_, err = Queue(t.Context(), parse(t, overTLS(driver, server, other.CAFile)))
			if err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("with another tls_ca_file: %v", err)
			}
		})
	}
}

func TestFileOfCertificatesThatCannotBeUsedIsNamed(t *testing.T) {
	t.Parallel()
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	server := &testredis.Server{Addr: "127.0.0.1:1"} // is never asked
	for driver, field := range map[string]string{
		"redis": "queue.redis.tls_ca_file", "redis-cluster": "queue.redis_cluster.tls_ca_file",
	} {
		for _, path := range []string{noPEM, "/nonexistent/ca.pem", t.TempDir()} {
			_, err := Queue(t.Context(), parse(t, overTLS(driver, server, path)))
			if err == nil || !strings.Contains(err.Error(), field) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s with %s: %v; want an error that names %s and the path", driver, path, err, field)
			}
		}
	}
}
