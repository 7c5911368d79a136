// Package open makes what a configuration names: the queue, and the Lambda sender where an app has
// a Lambda webhook. It imports every driver; a host that wants only one makes that itself and takes
// the rest from [config.Config.Options].
package open

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue"
)

// openers make the queue of each driver.
var openers = map[config.Driver]func(context.Context, Opener, *config.Config) (queue.Queue, error){
	"":                        memoryQueue,
	config.DriverMemory:       memoryQueue,
	config.DriverDisk:         diskQueue,
	config.DriverRedis:        redisQueue,
	config.DriverRedisCluster: redisClusterQueue,
	config.DriverSQS:          sqsQueue,
	config.DriverNone:         noQueue,
}

// Opener opens what a configuration names. The zero value is ready to use.
type Opener struct {
	// Logger gets a line whenever opening waits for a server. Options also sets it in the options
	// that it returns. Defaults to slog.Default(), and to no Logger in the options.
	Logger *slog.Logger
}

// Queue is [Opener.Queue] of the zero Opener.
func Queue(ctx context.Context, cfg *config.Config) (queue.Queue, error) {
	return Opener{}.Queue(ctx, cfg)
}

// Options is [Opener.Options] of the zero Opener.
func Options(ctx context.Context, cfg *config.Config) (webhook.Options, io.Closer, error) {
	return Opener{}.Options(ctx, cfg)
}

// Queue makes the queue that cfg names. The caller closes it, which also closes what was opened for
// it. While Redis cannot be reached or is not ready, Queue waits, as long as ctx lets it, and logs
// what for; ctx bounds the opening alone. The error names the driver.
func (o Opener) Queue(ctx context.Context, cfg *config.Config) (queue.Queue, error) {
	driver := cfg.Queue.Driver
	opener, ok := openers[driver]
	if !ok {
		return nil, fmt.Errorf("config/open: %q is not a queue driver", driver)
	}
	q, err := opener(ctx, o, cfg)
	if err != nil {
		return nil, fmt.Errorf("config/open: queue driver %q: %w", driver, err)
	}
	return q, nil
}

// Options makes the queue, as Queue does, and the Lambda sender that cfg names, and returns options
// for an emitter with them. The closer closes both: to be called after the emitter was shut down.
func (o Opener) Options(ctx context.Context, cfg *config.Config) (webhook.Options, io.Closer, error) {
	opts := cfg.Options()
	q, err := o.Queue(ctx, cfg)
	if err != nil {
		return webhook.Options{}, nil, err
	}
	opts.Queue, opts.Logger = q, o.Logger
	opened := closers{q}
	if hasLambda(opts.Apps) {
		sender, err := lambdaSender(ctx)
		if err != nil {
			return webhook.Options{}, nil, errors.Join(fmt.Errorf("config/open: Lambda: %w", err), q.Close())
		}
		opts.Lambda = sender
		opened = append(opened, sender)
	}
	return opts, opened, nil
}

// closers closes several.
type closers []io.Closer

func (list closers) Close() error {
	var err error
	for _, c := range list {
		err = errors.Join(err, c.Close())
	}
	return err
}

// hasLambda reports whether an app has a Lambda webhook.
func hasLambda(apps []webhook.App) bool {
	for i := range apps {
		for j := range apps[i].Webhooks {
			if apps[i].Webhooks[j].Lambda != nil {
				return true
			}
		}
	}
	return false
}
