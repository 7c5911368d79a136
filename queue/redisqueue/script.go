package redisqueue

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Each script is made of the fragments that it uses, in this order, and of its own file: what a script
// does not use would cost time in every call. Each file says at its head what it takes and returns.
var (
	//go:embed lua/*.lua
	files embed.FS

	enqueueScript = newScript("enqueue", "state place")
	takeScript    = newScript("take", "state ticket worked place expire marks remove again")
	extendScript  = newScript("extend", "state ticket place")
	ackScript     = newScript("ack", "state ticket place settle marks remove health")
	ackOnceScript = newScript("ackonce", "full state place health")
	nackScript    = newScript("nack", "state ticket worked place settle again")
	releaseScript = newScript("release", "state ticket place settle again")
	putbackScript = newScript("putback", "state ticket worked place again")
	replaceScript = newScript("replace", "full state ticket place settle marks remove again")
	buryScript    = newScript("bury", "full state ticket worked place settle marks remove again letters")
	setLaneScript = newScript("setlane", "full state place health")
	lanesScript   = newScript("lanes", "full state ticket worked place expire page")
	listScript    = newScript("list", "letters")
	findScript    = newScript("find", "letters")
	replayScript  = newScript("replay", "state place letters")
	discardScript = newScript("discard", "letters")
	statsScript   = newScript("stats", "full state ticket worked place expire letters")
	oldestScript  = newScript("oldest", "state page")
	sweepScript   = newScript("sweep", "state page")
	layoutLua     = luaFile("layout")
)

type script struct {
	name, source, sha string
}

func newScript(name, fragments string) *script {
	var source strings.Builder
	for _, fragment := range append(append([]string{"base"}, strings.Fields(fragments)...), name) {
		source.WriteString(luaFile(fragment))
	}
	sum := sha1.Sum([]byte(source.String()))
	return &script{name: name, source: source.String(), sha: hex.EncodeToString(sum[:])}
}

func luaFile(name string) string {
	text, err := files.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(text)
}

// single is a command that go-redis does not send a second time when the answer is lost. The queue's callers
// repeat what failed, and a repeated lease or settlement would not be the same as the first.
type single struct{ *redis.Cmd }

func (single) NoRetry() bool { return true }

// eval runs a script on a partition by its hash, or with its source where the server does not have it.
func (q *Queue) eval(ctx context.Context, s *script, p *partition, args []any) (any, error) {
	answer, err := q.command(ctx, "evalsha", s.sha, p, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server was restarted, perhaps without its data, or it has become a master.
		if err = q.checkLayout(ctx); err != nil {
			return nil, err
		}
		answer, err = q.command(ctx, "eval", s.source, p, args)
	}
	if err != nil {
		q.reload(ctx, err)
		return nil, fmt.Errorf("redisqueue: %s: %w", s.name, err)
	}
	return answer, nil
}

func (q *Queue) command(ctx context.Context, name, script string, p *partition, args []any) (any, error) {
	line := make([]any, 0, len(args)+7)
	line = append(line, name, script, 2, p.base, p.base+"-", q.channel, p.number)
	cmd := single{redis.NewCmd(ctx, append(line, args...)...)}
	_ = q.client.Process(ctx, cmd)
	return cmd.Result()
}

// isFull reports whether Redis has refused a write because its memory is full.
func isFull(err error) bool {
	var fromServer redis.Error
	return errors.As(err, &fromServer) && strings.Contains(fromServer.Error(), "OOM command not allowed")
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
