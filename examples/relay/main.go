// Command relay is the library as a command: it reads events from standard input, one JSON object a
// line, and delivers them to the webhooks of a configuration file.
//
//	go run ./examples/relay -config config.json < events.jsonl
//
// At the end of the input it waits until everything is settled, at most -drain, and prints its
// totals as one line of JSON. After SIGTERM it leaves to a durable queue what is not being
// attempted. With -emit-only it returns when the queue has taken everything; with -work it emits
// nothing and delivers what the queue holds until it gets SIGTERM. It exits with 0 when nothing is
// pending or dropped, even if lines were invalid or jobs became dead letters, which the totals
// count; with 1 otherwise, and with 2 when the configuration is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/config/open"
)

// The exit codes.
const (
	exitOK        = 0
	exitLeft      = 1 // something is pending or dropped, or what was asked for failed, also in part
	exitBadConfig = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the command without its process. When ctx ends, so does the input.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	f, err := parseFlags(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintln(stderr, "relay:", err)
		return exitBadConfig
	}
	screen := newScreen(stderr)
	if name, _ := f.operating(); name != "" {
		return operate(ctx, f, stdout, screen)
	}
	return relayEvents(ctx, f, stdin, stdout, screen)
}

// relayEvents emits and delivers.
func relayEvents(ctx context.Context, f *flags, stdin io.Reader, stdout io.Writer, stderr *screen) int {
	em, closeQueue, err := start(ctx, f, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "relay:", err)
		if ctx.Err() != nil { // stopped while it waited for the queue
			return exitLeft
		}
		return exitBadConfig
	}
	r := &relay{flags: f, em: em, stderr: stderr}
	if f.work {
		<-ctx.Done()
	} else {
		r.feed(ctx, &textReader{from: stdin})
	}
	r.finish(ctx.Err() != nil)
	if err := closeQueue(); err != nil {
		fmt.Fprintln(stderr, "relay: closing the queue:", err)
	}
	return r.report(stdout)
}

// start makes the emitter that the flags and the configuration ask for.
func start(ctx context.Context, f *flags, stderr io.Writer) (*webhook.Emitter, func() error, error) {
	cfg, err := config.Load(f.config, os.Environ())
	if err != nil {
		return nil, nil, err
	}
	return startWith(ctx, f, cfg, stderr)
}

func startWith(ctx context.Context, f *flags, cfg *config.Config, stderr io.Writer) (*webhook.Emitter, func() error, error) {
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	for _, w := range cfg.Warnings {
		log.Warn("doubtful configuration", "warning", w)
	}
	opts, closer, err := open.Opener{Logger: log}.Options(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	name, _ := f.operating()
	opts.EmitOnly = f.emitOnly || name != ""
	em, err := webhook.New(opts)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	return em, closer.Close, nil
}
