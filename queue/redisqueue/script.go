package redisqueue

import (
	"cmp"
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Each script is a file that says at its head what it takes and returns. A line "--@ name" in it
// stands for the text of another file: what several scripts do is written once, and no script holds
// what it does not use, since even a function that is not called costs time in every run.
var (
	//go:embed lua/*.lua
	files embed.FS

	enqueueScript = newScript("enqueue")
	takeScript    = newScript("take")
	extendScript  = newScript("extend")
	ackScript     = newScript("ack")
	ackOnceScript = newScript("ackonce")
	nackScript    = newScript("nack")
	releaseScript = newScript("release")
	putbackScript = newScript("putback")
	replaceScript = newScript("replace")
	buryScript    = newScript("bury")
	setLaneScript = newScript("setlane")
	lanesScript   = newScript("lanes")
	listScript    = newScript("list")
	findScript    = newScript("find")
	replayScript  = newScript("replay")
	discardScript = newScript("discard")
	statsScript   = newScript("stats")
	oldestScript  = newScript("oldest")
	sweepScript   = newScript("sweep")
	readScript    = newScript("read")
	layoutLua     = luaFile("layout")
)

type script struct {
	name, source, sha string
}

func newScript(name string) *script {
	source := luaFile("base") + luaFile(name)
	sum := sha1.Sum([]byte(source))
	return &script{name: name, source: source, sha: hex.EncodeToString(sum[:])}
}

var (
	includes = regexp.MustCompile(`(?m)^ *--@ (\w+)$`)
	comments = regexp.MustCompile(`(?m)^ *--[^@\n].*\n|^ +|^\n`)
)

// luaFile returns the text of a file, with those that it includes, and without comments.
func luaFile(name string) string {
	text, err := files.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	return includes.ReplaceAllStringFunc(comments.ReplaceAllString(string(text), ""), func(line string) string {
		_, included, _ := strings.Cut(line, "--@ ")
		return luaFile(included)
	})
}

// single is a command that go-redis does not send a second time when the answer is lost. The
// queue's callers repeat what failed, and a repeated lease or settlement would not be the same as
// the first.
type single struct{ *redis.Cmd }

func (single) NoRetry() bool { return true }

// eval runs a script on a partition by its hash, or with its source where the server does not have
// it.
func (q *Queue) eval(ctx context.Context, s *script, p *partition, args []any) (any, error) {
	return q.evalAfter(ctx, nil, s, p, args)
}

// evalAfter runs a command and then a script on a partition in one transaction. first may be nil.
func (q *Queue) evalAfter(ctx context.Context, first []any, s *script, p *partition, args []any) (any, error) {
	answer, err := q.command(ctx, first, "evalsha", s.sha, p, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server was restarted, perhaps without its data, or it has become a master.
		if err = q.checkLayout(ctx); err != nil {
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
	line = append(line, args...)
	var answer any
	var err error
	q.send(ctx, p, func(c commander) error {
		answer, err = run(ctx, c, first, line)
		return err
	})
	return answer, err
}

// run runs a command, after another one in one transaction unless that is nil.
func run(ctx context.Context, c commander, first, line []any) (any, error) {
	cmd := single{redis.NewCmd(ctx, line...)}
	if first == nil {
		_ = c.Process(ctx, cmd)
		return cmd.Result()
	}
	before := redis.NewCmd(ctx, first...)
	_, err := c.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		_ = tx.Process(ctx, before)
		_ = tx.Process(ctx, cmd)
		return nil
	})
	return cmd.Val(), cmp.Or(before.Err(), cmd.Err(), err)
}

// isFull reports whether Redis has refused a write because its memory is full.
func isFull(err error) bool {
	var fromServer redis.Error
	return errors.As(err, &fromServer) && strings.Contains(fromServer.Error(), "OOM command not allowed")
}

// reload makes a cluster client look for the masters again when one could not be reached. By itself
// it does that once a minute, and until then it asks a master that is dead. The client keeps it to
// a few times a second.
func (q *Queue) reload(ctx context.Context, err error) {
	var fromServer redis.Error
	cluster, ok := q.client.(interface{ ReloadState(context.Context) })
	if ok && !errors.As(err, &fromServer) && ctx.Err() == nil {
		cluster.ReloadState(ctx)
	}
}
