// Command websocket-server is a small Pusher-protocol server: an example of a host of package
// webhook.
//
//	go run .                      a demo, with a page for two browsers
//	go run . -config config.json  the apps, webhooks and queue of a configuration file
//
// Clients and their backends connect to -listen. What -internal serves is for those who run it:
// metrics, and the status page of the webhooks, which asks for the user admin and the password in
// STATUS_PASSWORD, if that is set. SIGTERM ends it in good order.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/config/open"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, os.Args[1:], os.Stdout, nil); err != nil && !errors.Is(err, flag.ErrHelp) {
		log.Fatal(err)
	}
}

// flags are the command line.
type flags struct {
	listen, internal, config, disk, redis string
	shutdown                              time.Duration
}

func parse(args []string) (f flags, err error) {
	set := flag.NewFlagSet("websocket-server", flag.ContinueOnError)
	set.StringVar(&f.listen, "listen", "127.0.0.1:6001", "`address` for clients and the HTTP API")
	set.StringVar(&f.internal, "internal", "127.0.0.1:6002", "`address` for the status page, metrics and the demo")
	set.StringVar(&f.config, "config", "", "configuration `file`, instead of the demo")
	set.StringVar(&f.disk, "disk", "", "`file` that holds the webhooks' queue")
	set.StringVar(&f.redis, "redis", "", "`address` of the Redis that holds the webhooks' queue")
	set.DurationVar(&f.shutdown, "shutdown", 30*time.Second, "`time` to deliver what is left at the end")
	return f, set.Parse(args)
}

// options opens the queue. The demo is nil if there is a configuration file.
func (f flags) options(ctx context.Context, d *demo) (webhook.Options, io.Closer, error) {
	cfg := &config.Config{Apps: []webhook.App{d.app}}
	if f.config != "" {
		var err error
		if cfg, err = config.Load(f.config, os.Environ()); err != nil {
			return webhook.Options{}, nil, err
		}
	}
	for _, warning := range cfg.Warnings {
		slog.Warn("doubtful configuration", "warning", warning)
	}
	switch {
	case f.disk != "" && f.redis != "":
		return webhook.Options{}, nil, errors.New("-disk and -redis exclude each other")
	case f.disk != "":
		cfg.Queue.Driver, cfg.Queue.Disk.Path = config.DriverDisk, f.disk
	case f.redis != "":
		if !strings.Contains(f.redis, "://") {
			f.redis = "redis://" + f.redis
		}
		cfg.Queue.Driver, cfg.Queue.Redis.URL = config.DriverRedis, config.URL(f.redis)
	}
	return open.Options(ctx, cfg)
}

// run is the command without its process. adjust, if it is not nil, is for tests.
func run(ctx context.Context, args []string, out io.Writer, adjust func(*webhook.Options)) error {
	f, err := parse(args)
	if err != nil {
		return err
	}
	var l net.ListenConfig
	public, err := l.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }()
	internal, err := l.Listen(ctx, "tcp", f.internal)
	if err != nil {
		return err
	}
	defer func() { _ = internal.Close() }()
	d := newDemo(internal.Addr(), public.Addr())
	opts, queue, err := f.options(ctx, d)
	if err != nil {
		return err
	}
	if adjust != nil {
		adjust(&opts)
	}
	return errors.Join(f.serve(ctx, out, opts, d, public, internal), queue.Close())
}

// serve serves until ctx ends, and then ends everything in the order that docs/hosts.md gives.
func (f flags) serve(ctx context.Context, out io.Writer, opts webhook.Options, d *demo, public, internal net.Listener) error {
	telemetry, metrics, err := newMetrics()
	if err != nil {
		return err
	}
	defer func() { _ = telemetry.Close() }()
	opts.Trace = webhook.JoinTraces(telemetry.Trace(), opts.Trace)
	em, err := webhook.New(opts)
	if err != nil {
		return err
	}
	defer func() { _ = em.Close() }() // does nothing after Shutdown
	mux, err := operations(em, metrics, internal.Addr())
	if err = errors.Join(err, telemetry.Observe(em)); err != nil {
		return err
	}
	if f.config == "" {
		d.mount(mux)
		fmt.Fprintf(out, "demo page:    http://%s/\n", internal.Addr())
	}
	fmt.Fprintf(out, "status page:  http://%[1]s/webhooks/\nmetrics:      http://%[1]s/metrics\nsockets, API: http://%[2]s\n", internal.Addr(), public.Addr())

	s := newServer(em, opts.Apps, slog.Default())
	retrying, stopRetrying := context.WithCancel(context.Background())
	defer stopRetrying()
	go s.retry(retrying)
	front := &http.Server{Handler: s.handler(), ReadTimeout: 10 * time.Second}
	back := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}
	// at last: it shows what is left, and is the demo's receiver
	defer func() { _ = back.Close() }()
	failed := make(chan error, 2)
	go func() { failed <- front.Serve(public) }()
	go func() { failed <- back.Serve(internal) }()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	ending, cancel := context.WithTimeout(context.Background(), f.shutdown)
	defer cancel()
	return errors.Join(err, front.Shutdown(ending), s.shutdown(ending)) // in this order
}
