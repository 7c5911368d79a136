package open

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// ownedRedis is a queue that closes its client.
type ownedRedis struct {
	*redisqueue.Queue
	client redis.UniversalClient
}

// Close closes the queue and then the client. Closing twice is harmless.
func (q *ownedRedis) Close() error {
	err := q.Queue.Close()
	if clientErr := q.client.Close(); !errors.Is(clientErr, redis.ErrClosed) {
		err = errors.Join(err, clientErr)
	}
	return err
}

func redisQueue(ctx context.Context, o Opener, cfg *config.Config) (queue.Queue, error) {
	r := &cfg.Queue.Redis
	client, address, err := redisClient(cfg)
	if err != nil {
		return nil, err
	}
	return o.openRedis(ctx, client, address, redisqueue.Options{Prefix: r.Prefix, AtMostOnce: r.AtMostOnce})
}

func redisClusterQueue(ctx context.Context, o Opener, cfg *config.Config) (queue.Queue, error) {
	r := &cfg.Queue.RedisCluster
	opts, err := clusterOptions(cfg)
	if err != nil {
		return nil, err
	}
	address := strings.Join(opts.Addrs, ", ")
	return o.openRedis(ctx, redis.NewClusterClient(opts), address, redisqueue.Options{Prefix: r.Prefix, AtMostOnce: r.AtMostOnce})
}

// openRedis makes the queue once Redis answers, and closes the client if that fails.
func (o Opener) openRedis(
	ctx context.Context, client redis.UniversalClient, address string, opts redisqueue.Options,
) (queue.Queue, error) {
	clientLogger.Store(o.logger())
	var q *redisqueue.Queue
	err := o.wait(ctx, "Redis", address, func() (err error) {
		q, err = redisqueue.New(ctx, client, opts)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &ownedRedis{q, client}, nil
}

// redisClient makes the client of one server, or of the master that sentinels know, and returns
// where that is.
func redisClient(cfg *config.Config) (client *redis.Client, address string, err error) {
	s := &cfg.Database.Redis
	switch {
	case cfg.Queue.Redis.URL != "":
		opts, err := urlOptions(cfg)
		if err != nil {
			return nil, "", err
		}
		return redis.NewClient(opts), opts.Addr, nil
	case len(s.Sentinels) > 0:
		opts, err := sentinelOptions(cfg)
		if err != nil {
			return nil, "", err
		}
		return redis.NewFailoverClient(opts), "sentinels " + strings.Join(opts.SentinelAddrs, ", "), nil
	}
	opts, err := serverOptions(cfg)
	if err != nil {
		return nil, "", err
	}
	return redis.NewClient(opts), opts.Addr, nil
}

func urlOptions(cfg *config.Config) (*redis.Options, error) {
	opts, err := parseRedisURL(string(cfg.Queue.Redis.URL))
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	opts.ContextTimeoutEnabled = true
	opts.TLSConfig, err = withFiles(opts.TLSConfig, &cfg.Database.Redis.TLS, "queue.redis.tls_ca_file", cfg.Queue.Redis.TLSCAFile)
	return opts, err
}

// serverOptions are those of the section "database.redis".
func serverOptions(cfg *config.Config) (*redis.Options, error) {
	s := &cfg.Database.Redis
	host, encrypted := string(s.Host), s.TLS.Enabled
	if scheme, rest, ok := strings.Cut(host, "://"); ok {
		host, encrypted = rest, encrypted || scheme == "rediss"
	}
	opts := &redis.Options{
		Addr: net.JoinHostPort(host, strconv.Itoa(s.Port)), Username: s.Username, Password: string(s.Password), DB: s.DB,
		ContextTimeoutEnabled: true,
	}
	if encrypted {
		opts.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	}
	var err error
	opts.TLSConfig, err = withFiles(opts.TLSConfig, &s.TLS, "queue.redis.tls_ca_file", cfg.Queue.Redis.TLSCAFile)
	return opts, err
}

func sentinelOptions(cfg *config.Config) (*redis.FailoverOptions, error) {
	s := &cfg.Database.Redis
	opts := &redis.FailoverOptions{
		MasterName: s.MasterName, SentinelAddrs: texts(s.Sentinels),
		SentinelUsername: s.SentinelUsername, SentinelPassword: string(s.SentinelPassword),
		Username: s.Username, Password: string(s.Password), DB: s.DB,
		ContextTimeoutEnabled: true,
	}
	if s.TLS.Enabled {
		opts.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	var err error
	opts.TLSConfig, err = withFiles(opts.TLSConfig, &s.TLS, "queue.redis.tls_ca_file", cfg.Queue.Redis.TLSCAFile)
	return opts, err
}

// clusterOptions makes a client's options of nodes that are host:port or URLs. User, password and
// TLS are the cluster's, so they are taken from the first URL, and the others must agree.
func clusterOptions(cfg *config.Config) (*redis.ClusterOptions, error) {
	s := &cfg.Database.Redis
	o := &redis.ClusterOptions{ContextTimeoutEnabled: true}
	first := true
	for i, node := range clusterNodes(cfg) {
		if !strings.Contains(node, "://") {
			o.Addrs = append(o.Addrs, node)
			continue
		}
		n, err := parseRedisURL(node)
		if err != nil {
			return nil, fmt.Errorf("nodes[%d]: %w", i, err)
		}
		if first {
			o.Username, o.Password, o.TLSConfig, first = n.Username, n.Password, n.TLSConfig, false
		}
		if n.Username != o.Username || n.Password != o.Password || (n.TLSConfig == nil) != (o.TLSConfig == nil) {
			return nil, fmt.Errorf("nodes[%d]: user, password and TLS must be those of the other nodes", i)
		}
		o.Addrs = append(o.Addrs, n.Addr)
	}
	if o.Username == "" && o.Password == "" {
		o.Username, o.Password = s.Username, string(s.Password)
		if s.ClusterPassword != "" {
			o.Username, o.Password = s.ClusterUsername, string(s.ClusterPassword)
		}
	}
	if o.TLSConfig == nil && (s.ClusterTLS || s.TLS.Enabled) {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each node has its own, which the client fills in
	}
	var err error
	o.TLSConfig, err = withFiles(o.TLSConfig, &s.TLS, "queue.redis_cluster.tls_ca_file", cfg.Queue.RedisCluster.TLSCAFile)
	return o, err
}

// clusterNodes returns the nodes of the section "queue.redis_cluster" or, if it has none, of
// "database.redis".
func clusterNodes(cfg *config.Config) []string {
	if len(cfg.Queue.RedisCluster.Nodes) == 0 {
		return texts(cfg.Database.Redis.ClusterNodes)
	}
	return texts(cfg.Queue.RedisCluster.Nodes)
}

func texts(urls []config.URL) []string {
	list := make([]string, len(urls))
	for i, u := range urls {
		list[i] = string(u)
	}
	return list
}

// parseRedisURL parses a URL. The error shows nothing of it, because any part may hold a password.
func parseRedisURL(raw string) (*redis.Options, error) {
	o, err := redis.ParseURL(raw)
	var parse *url.Error
	switch {
	case err == nil:
		return o, nil
	case errors.As(err, &parse):
		return nil, errors.New("cannot be parsed; must be a URL such as redis://user:password@localhost:6379/0")
	}
	return nil, errors.New(`has a scheme, a path or an option behind the "?" that the Redis client does not know, ` +
		"or an option with a value that it cannot have; must be a URL such as redis://user:password@localhost:6379/0?read_timeout=5s")
}
