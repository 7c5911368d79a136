package config

import (
	"net"
	"strconv"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/strict"
)

// Database is the section "database", of which only "redis" is read.
type Database struct {
	Redis RedisServer
}

// RedisServer is the section "database.redis": the server, the sentinels or the cluster of the
// drivers redis and redis-cluster where the section "queue" names none.
type RedisServer struct {
	// may begin with redis:// or rediss://. Defaults to 127.0.0.1 where anything else of the server
	// is set
	Host     Host
	Port     int // defaults to 6379
	Username string
	Password webhook.Secret
	DB       int
	TLS      TLS

	Sentinels        []URL  // each host:port; with them, Host and Port are not used
	MasterName       string // defaults to mymaster
	SentinelUsername string
	SentinelPassword webhook.Secret

	ClusterNodes    []URL          // each host:port
	ClusterUsername string         // defaults to Username
	ClusterPassword webhook.Secret // defaults to Password
	ClusterTLS      bool
}

// TLS is how connections to Redis are encrypted.
type TLS struct {
	Enabled    bool
	SkipVerify bool   // accept any certificate
	CAFile     string // PEM; defaults to the system's roots
	CertFile   string // PEM; with KeyFile, the client's certificate
	KeyFile    string
}

// named reports whether anything says which server it is.
func (s *RedisServer) named() bool {
	return s.Host != "" || s.Port != 0 || s.Username != "" || s.Password != "" || s.DB != 0 || len(s.Sentinels) > 0
}

// setDefaults fills in what the reference takes where only some of the server is given.
func (s *RedisServer) setDefaults() {
	if s.named() && s.Host == "" {
		s.Host = "127.0.0.1"
	}
	if s.named() && s.Port == 0 {
		s.Port = 6379
	}
	if len(s.Sentinels) > 0 && s.MasterName == "" {
		s.MasterName = "mymaster"
	}
}

func (l *loader) decodeDatabase(v strict.Value) {
	strict.Object{"redis": l.decodeRedisServer}.ReadOpen(v)
}

func (l *loader) decodeRedisServer(v strict.Value) {
	s := &l.Database.Redis
	sentinels := endpoints(&s.Sentinels, 26379)
	nodes := endpoints(&s.ClusterNodes, 7000)
	sentinelTLS := decodeTLS(&l.sentinelTLS)
	strict.Object{
		"host":              strict.Hidden(strict.String(&s.Host)),
		"port":              port(&s.Port),
		"username":          strict.Hidden(strict.String(&s.Username)),
		"password":          strict.Hidden(strict.String(&s.Password)),
		"db":                strict.Int(&s.DB, 0),
		"master_tls":        decodeTLS(&s.TLS),
		"sentinels":         sentinels,
		"sentinel_username": strict.Hidden(strict.String(&s.SentinelUsername)),
		"sentinel_password": strict.Hidden(strict.String(&s.SentinelPassword)),
		"sentinel_tls":      sentinelTLS,
		"name":              strict.String(&s.MasterName),
		"cluster": strict.Object{
			"nodes":    nodes,
			"username": strict.Hidden(strict.String(&s.ClusterUsername)),
			"password": strict.Hidden(strict.String(&s.ClusterPassword)),
			"use_tls":  strict.Bool(&s.ClusterTLS),
			"useTLS":   strict.Bool(&s.ClusterTLS),
		}.ReadOpen,
		"cluster_nodes": l.olderNodes,
		// of other data of the reference; its queue has a prefix of its own
		"key_prefix": ignore,

		// Soketi's names.
		"sentinelPassword": strict.Hidden(strict.String(&s.SentinelPassword)),
		"clusterNodes":     nodes,
		"keyPrefix":        l.decodeKeyPrefix,
	}.ReadOpen(v)
}

// olderNodes reads what the reference reads where "cluster" has no nodes.
func (l *loader) olderNodes(v strict.Value) {
	var nodes []URL
	endpoints(&nodes, 7000)(v)
	if len(l.Database.Redis.ClusterNodes) == 0 {
		l.Database.Redis.ClusterNodes = nodes
	}
}

// decodeKeyPrefix reads the prefix that Soketi's queue takes from the server.
func (l *loader) decodeKeyPrefix(v strict.Value) { strict.String(&l.keyPrefix)(v) }

func decodeTLS(dst *TLS) strict.Field {
	return strict.Object{
		"enabled":              strict.Bool(&dst.Enabled),
		"accept_invalid_certs": strict.Bool(&dst.SkipVerify),
		"acceptInvalidCerts":   strict.Bool(&dst.SkipVerify),
		"ca_path":              strict.String(&dst.CAFile),
		"client_cert_path":     strict.String(&dst.CertFile),
		"client_key_path":      strict.String(&dst.KeyFile),
	}.Read
}

func port(dst *int) strict.Field { return strict.Between(dst, 1, 65535) }

// endpoints reads an array of {"host": …, "port": …}, or of "host:port".
func endpoints(dst *[]URL, defaultPort int) strict.Field {
	return func(v strict.Value) {
		*dst = nil
		strict.Embedded(strict.Array(func(v strict.Value) {
			if v.Raw()[0] != '{' {
				var node URL
				strict.Hidden(strict.String(&node))(v)
				*dst = append(*dst, node)
				return
			}
			host, number := "", defaultPort
			strict.Object{"host": strict.Hidden(strict.String(&host)), "port": port(&number)}.ReadOpen(v)
			*dst = append(*dst, URL(withPort(host, number)))
		}))(v)
	}
}

// withPort returns host:port. A host that has a port or is a URL stays as it is.
func withPort(host string, number int) string {
	if _, _, err := net.SplitHostPort(host); err == nil || host == "" {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(number))
}
