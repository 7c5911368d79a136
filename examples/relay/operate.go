package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue/boltqueue"
)

// openWithin bounds how long an operator's command waits for a queue that does not answer.
const openWithin = 10 * time.Second

// operator looks at a queue, and changes what is in it, for a person. It starts no workers and
// emits nothing.
type operator struct {
	*flags
	em     *webhook.Emitter
	driver config.Driver
	stdout io.Writer
	stderr *screen
	now    time.Time
}

// operating returns the operator's command that the flags ask for, and its name; nil if they ask
// for none.
func (f *flags) operating() (name string, command func(*operator, context.Context) error) {
	switch {
	case f.status:
		return "status", (*operator).printStatus
	case f.dead:
		return "dead", (*operator).printDead
	case f.replay:
		return "replay", (*operator).replayDead
	case f.discard:
		return "discard", (*operator).discardDead
	case f.resume:
		return "resume", (*operator).resumeWebhook
	}
	return "", nil
}

// operate runs an operator's command and returns the exit code.
func operate(ctx context.Context, f *flags, stdout io.Writer, stderr *screen) int {
	name, command := f.operating()
	fail := func(err error) { fmt.Fprintf(stderr, "relay: -%s: %v\n", name, err) }
	cfg, err := config.Load(f.config, os.Environ())
	if err == nil {
		err = checkQueue(&cfg.Queue)
	}
	if err != nil {
		fail(err)
		return exitBadConfig
	}
	opening, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	em, closeQueue, err := startWith(opening, f, cfg, stderr)
	if err != nil {
		fail(explain(err, &cfg.Queue))
		if opening.Err() != nil || errors.Is(err, boltqueue.ErrInUse) {
			return exitLeft
		}
		return exitBadConfig
	}
	o := &operator{flags: f, em: em, driver: cfg.Queue.Driver, stdout: stdout, stderr: stderr, now: time.Now()}
	o.warnUnknown(cfg.Apps)
	err = command(o, ctx)
	stderr.progress("")
	if err = errors.Join(err, em.Close(), closeQueue()); err != nil {
		fail(err)
		return exitLeft
	}
	return exitOK
}

// checkQueue refuses queues that hold nothing that another process could look at.
func checkQueue(q *config.Queue) error {
	switch q.Driver {
	case "", config.DriverMemory:
		return errors.New(`the queue's driver is "memory": its jobs are in the process that emits them, and no other ` +
			"process can see them. Ask that process (Emitter.Webhooks, DeadLetters, Replay, Discard, Resume), or set " +
			`queue.driver to "disk", "redis", "redis-cluster" or "sqs"`)
	case config.DriverNone:
		return errors.New(`the queue's driver is "none": webhooks are turned off, so there is nothing to see`)
	case config.DriverDisk:
		if _, err := os.Stat(q.Disk.Path); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no queue at %s (queue.disk.path): the process that emits makes the file", q.Disk.Path)
		}
	}
	return nil
}

// explain adds to an error what to do about it.
func explain(err error, q *config.Queue) error {
	if errors.Is(err, boltqueue.ErrInUse) {
		return fmt.Errorf("%w. Stop the process that has %s open and repeat the command, or ask that process "+
			"(Emitter.Webhooks, DeadLetters, Replay, Discard, Resume)", err, q.Disk.Path)
	}
	return err
}

// warnUnknown tells of a choice that names what is not configured. It may be right: what was
// removed from the configuration can have left dead letters.
func (o *operator) warnUnknown(apps []webhook.App) {
	knownApp := o.app == ""
	// one without an ID has a hash
	knownWebhook := o.webhook == "" || strings.HasPrefix(o.webhook, "wh_")

	for i := range apps {
		if o.app != "" && apps[i].ID != o.app {
			continue
		}
		knownApp = true
		for j := range apps[i].Webhooks {
			knownWebhook = knownWebhook || apps[i].Webhooks[j].ID == o.webhook
		}
	}
	switch {
	case !knownApp:
		fmt.Fprintf(o.stderr, "relay: warning: the configuration has no app %q\n", o.app)
	case !knownWebhook:
		fmt.Fprintf(o.stderr, "relay: warning: the configuration has no webhook %q\n", o.webhook)
	}
}
