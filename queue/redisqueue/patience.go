package redisqueue

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxPatience is how long the client waits at most for an answer, or for a command to be sent, when
// its own timeouts have proved too short. A caller's context ends sooner.
const maxPatience = time.Minute

// commander is the part of a client that sends commands.
type commander interface {
	Process(ctx context.Context, cmd redis.Cmder) error
	TxPipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// client returns the client for a call on p, and whether it is a patient one. After calls that were
// cut off by the timeouts of the caller's client it is that client with longer ones: what is too
// large for them would otherwise be sent again for ever. A patient one does not follow a slot that
// moves.
func (q *Queue) clientFor(ctx context.Context, p *partition) (c commander, patient bool) {
	p.mu.Lock()
	slows := p.slowsAt(time.Now())
	p.mu.Unlock()
	if slows == 0 {
		return q.client, false
	}
	single, ok := q.client.(*redis.Client)
	if cluster, is := q.client.(*redis.ClusterClient); is {
		var err error
		single, err = cluster.MasterForKey(ctx, p.base)
		ok = err == nil
	}
	if !ok {
		return q.client, false
	}
	longest := max(single.Options().ReadTimeout, single.Options().WriteTimeout)
	if longest <= 0 { // it has none
		return q.client, false
	}
	return single.WithTimeout(max(longest, min(maxPatience, longest<<slows))), true
}

// send calls do with the client for a call on p, and once more with the caller's if the slot of p
// has moved. It notes whether the call was cut off.
func (q *Queue) send(ctx context.Context, p *partition, do func(c commander) error) {
	c, patient := q.clientFor(ctx, p)
	err := do(c)
	if patient && (redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK")) {
		err = do(q.client)
	}
	if isTimeout(err) && ctx.Err() == nil {
		p.slower()
	}
}
