// Command relay is the library as a command: it reads events from standard input, one JSON object a
// line, and delivers them to the webhooks of a configuration file.
//
//	go run ./examples/relay -config config.json < events.jsonl
//
// At the end of the input it waits until everything is settled, at most -drain, and prints its
// totals as one line of JSON. With -emit-only it returns when the queue has taken everything; with
// -work it emits nothing and delivers what the queue holds until it gets SIGTERM. It exits with 0
// when nothing is pending or dropped, even if lines were invalid or jobs became dead letters, which
// the totals count; with 1 otherwise, and with 2 when the configuration is wrong.
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
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/config/open"
)

// The exit codes.
const (
	exitOK        = 0
	exitLeft      = 1 // something is pending or dropped, or the run failed
	exitBadConfig = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// flags are the command's.
type flags struct {
	config   string
	drain    time.Duration
	emitOnly bool
	work     bool
	verbose  bool
}

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	fs := flag.NewFlagSet("relay", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&f.config, "config", "", "the configuration `file` (required)")
	fs.DurationVar(&f.drain, "drain", 30*time.Second, "how long to wait at the end until everything is settled")
	fs.BoolVar(&f.emitOnly, "emit-only", false, "start no workers, and return when the queue has taken everything")
	fs.BoolVar(&f.work, "work", false, "read nothing, and deliver what the queue holds until SIGTERM")
	fs.BoolVar(&f.verbose, "v", false, "log successful attempts too")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.config == "":
		return nil, errors.New("-config is missing: name the configuration file")
	case f.emitOnly && f.work:
		return nil, errors.New("-emit-only and -work exclude each other")
	case fs.NArg() > 0:
		return nil, fmt.Errorf("unexpected argument %q: events are read from standard input", fs.Arg(0))
	}
	return f, nil
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
	r.finish()
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
	opts.EmitOnly = f.emitOnly
	em, err := webhook.New(opts)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	return em, closer.Close, nil
}
