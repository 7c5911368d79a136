package open

import (
	"context"
	"errors"
	"fmt"
	"net/url"
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

func redisQueue(ctx context.Context, cfg *config.Config) (queue.Queue, error) {
	r := &cfg.Queue.Redis
	opts, err := parseRedisURL(r.URL)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	opts.ContextTimeoutEnabled = true
	return newRedis(ctx, redis.NewClient(opts), redisqueue.Options{Prefix: r.Prefix, AtMostOnce: r.AtMostOnce})
}

func redisClusterQueue(ctx context.Context, cfg *config.Config) (queue.Queue, error) {
	r := &cfg.Queue.RedisCluster
	opts, err := clusterOptions(r.Nodes)
	if err != nil {
		return nil, err
	}
	return newRedis(ctx, redis.NewClusterClient(opts), redisqueue.Options{Prefix: r.Prefix, AtMostOnce: r.AtMostOnce})
}

func newRedis(ctx context.Context, client redis.UniversalClient, opts redisqueue.Options) (queue.Queue, error) {
	q, err := redisqueue.New(ctx, client, opts)
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &ownedRedis{q, client}, nil
}

// clusterOptions makes a client's options of nodes that are host:port or URLs. User, password and TLS are the
// cluster's, so they are taken from the first URL, and the others must agree.
func clusterOptions(nodes []string) (*redis.ClusterOptions, error) {
	o := &redis.ClusterOptions{ContextTimeoutEnabled: true}
	first := true
	for i, node := range nodes {
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
	if o.TLSConfig != nil {
		o.TLSConfig.ServerName = "" // each node has its own, which the client fills in
	}
	return o, nil
}

// parseRedisURL parses a URL. The error does not show it, because it may hold a password.
func parseRedisURL(raw string) (*redis.Options, error) {
	o, err := redis.ParseURL(raw)
	var parse *url.Error
	if errors.As(err, &parse) {
		return nil, errors.New("cannot be parsed; must be a URL such as redis://user:password@localhost:6379/0")
	}
	return o, err
}
