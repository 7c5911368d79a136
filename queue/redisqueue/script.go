package redisqueue

import (
	"cmp"
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Each script says at its head what it takes and returns.
var (
	//go:embed lua/prelude.lua
	prelude string

	//go:embed lua/enqueue.lua
	enqueueLua string
	//go:embed lua/take.lua
	takeLua string
	//go:embed lua/extend.lua
	extendLua string
	//go:embed lua/ack.lua
	ackLua string
	//go:embed lua/nack.lua
	nackLua string
	//go:embed lua/putback.lua
	putbackLua string
	//go:embed lua/replace.lua
	replaceLua string
	//go:embed lua/bury.lua
	buryLua string
	//go:embed lua/list.lua
	listLua string
	//go:embed lua/find.lua
	findLua string
	//go:embed lua/replay.lua
	replayLua string
	//go:embed lua/discard.lua
	discardLua string
	//go:embed lua/stats.lua
	statsLua string
	//go:embed lua/oldest.lua
	oldestLua string
	//go:embed lua/lanes.lua
	lanesLua string

	enqueueScript = newScript("enqueue", enqueueLua)
	takeScript    = newScript("take", takeLua)
	extendScript  = newScript("extend", extendLua)
	ackScript     = newScript("ack", ackLua)
	nackScript    = newScript("nack", nackLua)
	putbackScript = newScript("putback", putbackLua)
	replaceScript = newScript("replace", replaceLua)
	buryScript    = newScript("bury", buryLua)
	listScript    = newScript("list", listLua)
	findScript    = newScript("find", findLua)
	replayScript  = newScript("replay", replayLua)
	discardScript = newScript("discard", discardLua)
	statsScript   = newScript("stats", statsLua)
	oldestScript  = newScript("oldest", oldestLua)
	lanesScript   = newScript("lanes", lanesLua)
)

type script struct {
	name, source, sha string
}

func newScript(name, body string) *script {
	source := prelude + body
	sum := sha1.Sum([]byte(source))
	return &script{name: name, source: source, sha: hex.EncodeToString(sum[:])}
}

// single is a command that go-redis does not send a second time when the answer is lost. The queue's callers
// repeat what failed, and a repeated lease or settlement would not be the same as the first.
type single struct{ *redis.Cmd }

func (single) NoRetry() bool { return true }

// eval runs a script on a partition by its hash, or with its source where the server does not have it.
func (q *Queue) eval(ctx context.Context, s *script, p *partition, args []any) (any, error) {
	return q.evalAfter(ctx, nil, s, p, args)
}

// evalAfter runs a command and then a script on a partition in one transaction. first may be nil.
func (q *Queue) evalAfter(ctx context.Context, first []any, s *script, p *partition, args []any) (any, error) {
	answer, err := q.command(ctx, first, "evalsha", s.sha, p, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server was restarted, perhaps without its data, or it has become a master.
		if err = q.pin(ctx); err != nil {
			return nil, err
		}
		answer, err = q.command(ctx, first, "eval", s.source, p, args)
	}
	if err != nil {
		q.reload(ctx, err)
		return nil, fmt.Errorf("redisqueue: %s: %w", s.name, err)
	}
	return answer, nil
}

func (q *Queue) command(ctx context.Context, first []any, name, script string, p *partition, args []any) (any, error) {
	line := make([]any, 0, len(args)+7)
	line = append(line, name, script, 2, p.base, p.base+"-", q.channel, p.number)
	cmd := single{redis.NewCmd(ctx, append(line, args...)...)}
	if first == nil {
		_ = q.client.Process(ctx, cmd)
		return cmd.Result()
	}
	before := redis.NewCmd(ctx, first...)
	_, err := q.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		_ = tx.Process(ctx, before)
		_ = tx.Process(ctx, cmd)
		return nil
	})
	return cmd.Val(), cmp.Or(before.Err(), cmd.Err(), err)
}

// reload makes a cluster client look for the masters again when one could not be reached. By itself it does that
// once a minute, and until then it asks a master that is dead. The client keeps it to a few times a second.
func (q *Queue) reload(ctx context.Context, err error) {
	var fromServer redis.Error
	cluster, ok := q.client.(interface{ ReloadState(context.Context) })
	if ok && !errors.As(err, &fromServer) && ctx.Err() == nil {
		cluster.ReloadState(ctx)
	}
}
