package redisqueue

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// cluster is what the queue asks of a client of a Redis Cluster.
type cluster interface {
	Options() *redis.ClusterOptions
	MasterForKey(ctx context.Context, key string) (*redis.Client, error)
	ReloadState(ctx context.Context)
}

// master returns the client that reads the keys of a partition from its master. A cluster client with
// ReadOnly, RouteRandomly or RouteByLatency asks replicas, which may lag.
func (q *Queue) master(ctx context.Context, p *partition) interface {
	Process(ctx context.Context, cmd redis.Cmder) error
} {
	if c, ok := q.client.(cluster); ok && c.Options().ReadOnly {
		if node, err := c.MasterForKey(ctx, p.base); err == nil {
			return node
		}
	}
	return q.client
}
