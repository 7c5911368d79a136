package redisqueue

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// cluster is what the queue asks of a client of a Redis Cluster.
type cluster interface {
	Options() *redis.ClusterOptions
	MasterForKey(ctx context.Context, key string) (*redis.Client, error)
	ReloadState(ctx context.Context)
}

// master returns the client that reads the keys of a partition from its master: c, but for a
// cluster client with ReadOnly, RouteRandomly or RouteByLatency, which asks replicas, which may
// lag.
func (q *Queue) master(ctx context.Context, c commander, p *partition) commander {
	if c != commander(q.client) {
		return c
	}
	if c, ok := q.client.(cluster); ok && c.Options().ReadOnly {
		if node, err := c.MasterForKey(ctx, p.base); err == nil {
			return node
		}
	}
	return q.client
}

// checkMode fails if the server is of another kind than the client expects. What a client of one
// server stores on a node of a cluster would be found by no other client.
func (q *Queue) checkMode(ctx context.Context) error {
	if _, ok := q.client.(cluster); ok {
		return nil // it asks the server for the cluster's slots
	}
	answer, err := q.client.Do(ctx, "HELLO").Result()
	var refused redis.Error
	if errors.As(err, &refused) {
		return nil // no Redis, or an old one
	}
	if err != nil {
		return fmt.Errorf("redisqueue: ask the server what it is: %w", err)
	}
	switch helloMode(answer) {
	case "cluster":
		return errors.New("redisqueue: the server is a node of a Redis Cluster, but the client is that of a single server: " +
			`use redis.NewClusterClient (in a configuration, the driver "redis-cluster")`)
	case "sentinel":
		return errors.New("redisqueue: the server is a Sentinel, but the client is that of a single server: " +
			"use redis.NewFailoverClient (in a configuration, database.redis.sentinels)")
	}
	return nil
}

// helloMode returns what HELLO says of the server: standalone, sentinel or cluster.
func helloMode(answer any) string {
	switch fields := answer.(type) {
	case map[any]any:
		mode, _ := fields["mode"].(string)
		return mode
	case []any:
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == "mode" {
				mode, _ := fields[i+1].(string)
				return mode
			}
		}
	}
	return ""
}

// explain adds to an error what to do about it, where that is known.
func explain(err error) error {
	if strings.Contains(err.Error(), "cluster support disabled") {
		return fmt.Errorf("the server is no node of a Redis Cluster, but the client is a cluster's: "+
			`use redis.NewClient (in a configuration, the driver "redis"): %w`, err)
	}
	return err
}

// neededACL is what docs/queue-redis.md tells to permit.
const neededACL = "+@read +@write +@scripting +@pubsub +@transaction +time"

// isDenied reports whether the server has refused a command because of the user's permissions, in a
// script or by itself.
func isDenied(err error) bool {
	var fromServer redis.Error
	if !errors.As(err, &fromServer) {
		return false
	}
	text := fromServer.Error()
	return strings.Contains(text, "NOPERM") || strings.Contains(text, "ACL failure") ||
		strings.Contains(text, "user executing the script can't")
}

// denied returns the error of New for commands that the Redis user may not run.
func (q *Queue) denied(commands string) error {
	return fmt.Errorf("redisqueue: the Redis user may not run %s: grant it ~%s* &%s* %s",
		commands, q.opts.Prefix, q.opts.Prefix, neededACL)
}

// checkPermissions fails if the user may not run a command that the queue needs. Servers that do
// not answer are passed over, as by Receive.
func (q *Queue) checkPermissions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	missing, err := gather(ctx, q, func(p *partition) ([]string, error) { return q.missing(ctx, p) })
	if err != nil {
		return err
	}
	missing = append(missing, q.mayListen(ctx))
	for _, m := range missing {
		if len(m) > 0 {
			return q.denied(strings.Join(m, ", "))
		}
	}
	return nil
}

// missing returns what is not permitted on a partition: commands, each with its key.
func (q *Queue) missing(ctx context.Context, p *partition) ([]string, error) {
	first := []any{"hexists", p.large(), " "}
	answer, err := q.command(ctx, first, "evalsha", permissionsScript.sha, p, nil)
	if isFull(err) { // which refuses every transaction
		first = nil
	}
	if isFull(err) || redis.HasErrorPrefix(err, "NOSCRIPT") {
		answer, err = q.command(ctx, first, "eval", permissionsScript.source, p, nil)
	}
	var refused redis.Error
	switch {
	case err == nil:
		return texts(answer), nil
	case !isDenied(err) || !errors.As(err, &refused):
		return nil, nil
	case strings.Contains(refused.Error(), "executing") || strings.Contains(refused.Error(), "ACL failure"):
		return []string{"TIME"}, nil // the only command that the script does not merely try
	}
	return []string{fmt.Sprintf("the scripts on the keys %s… (%v)", p.base, refused)}, nil
}

// mayListen returns what is missing to listen for wake messages.
func (q *Queue) mayListen(ctx context.Context) []string {
	sub := q.client.Subscribe(ctx, q.channel)
	defer func() { _ = sub.Close() }()
	if _, err := sub.ReceiveTimeout(ctx, takeTimeout); isDenied(err) {
		return []string{"SUBSCRIBE " + q.channel}
	}
	return nil
}
