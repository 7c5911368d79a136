// Command relay is the library as a command: it reads events from standard input, one JSON object a line, and has them
// delivered to the webhooks of a configuration file.
//
//	go run ./examples/relay -config config.json < events.jsonl
//
// At the end of the input it waits until everything is settled, at most -drain, and prints its totals as one line of
// JSON. With -emit-only it returns when the queue has taken everything; with -work it emits nothing and
// delivers what the queue holds until it gets SIGTERM. It exits with 0 when nothing is pending or dropped, 1 otherwise, and 2 when
// the configuration is wrong.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	defer stop()
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
		return exitBadConfig
	}
	r := &relay{flags: f, em: em, stderr: stderr}
	r.feed(ctx, stdin)
	r.finish()
	if err := closeQueue(); err != nil {
		fmt.Fprintln(stderr, "relay: closing the queue:", err)
	}
	return r.report(stdout)
}

// start makes the emitter that the flags and the configuration ask for.
func start(ctx context.Context, f *flags, stderr io.Writer) (*webhook.Emitter, func() error, error) {
	cfg, err := config.Load(f.config, os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	opts, closer, err := open.Options(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	level := slog.LevelInfo
	if f.verbose {
		level = slog.LevelDebug
	}
	opts.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	if f.emitOnly {
		opts.Workers = -1
	}
	em, err := webhook.New(opts)
	if err != nil {
		return nil, nil, errors.Join(err, closer.Close())
	}
	return em, closer.Close, nil
}

// relay feeds an emitter and counts what it can't take.
type relay struct {
	*flags
	em      *webhook.Emitter
	stderr  io.Writer
	emitted int64
	invalid int64
}

// feed emits what it reads until the input or ctx ends. With -work it reads nothing.
func (r *relay) feed(ctx context.Context, stdin io.Reader) {
	if r.work {
		<-ctx.Done()
		return
	}
	lines := make(chan line)
	go readLines(ctx, stdin, lines)
	for {
		select {
		case l, ok := <-lines:
			if !ok {
				return
			}
			r.emit(ctx, l)
		case <-ctx.Done():
			return
		}
	}
}

func (r *relay) emit(ctx context.Context, l line) {
	err := r.emitLine(ctx, l)
	if err == nil {
		r.emitted++
		return
	}
	r.invalid++
	fmt.Fprintf(r.stderr, "line %d: %v\n", l.number, err)
}

// emitLine emits one line's event, waiting for room where there is none.
func (r *relay) emitLine(ctx context.Context, l line) error {
	if l.err != nil {
		return l.err
	}
	var ev webhook.Event
	if err := json.Unmarshal(l.text, &ev); err != nil {
		return err
	}
	if err := ev.Validate(); err != nil {
		return err
	}
	for {
		err := r.em.Emit(ev)
		if !errors.Is(err, webhook.ErrOverflow) {
			return err
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// finish waits, at most the time of -drain, until all is settled, or with -emit-only until the queue has it, and shuts down.
func (r *relay) finish() {
	ctx, cancel := context.WithTimeout(context.Background(), r.drain)
	defer cancel()
	var err error
	switch {
	case r.emitOnly:
		err = r.em.Flush(ctx)
	case !r.work:
		err = r.em.Drain(ctx)
	}
	if err = errors.Join(err, r.em.Shutdown(ctx)); err != nil {
		fmt.Fprintln(r.stderr, "relay:", err)
	}
}

// totals is the line that the command prints. All but the first two and the last count pairs of an event and a webhook.
type totals struct {
	Emitted   int64 `json:"emitted"`
	Invalid   int64 `json:"invalid"`
	Matched   int64 `json:"matched"`
	Delivered int64 `json:"delivered"`
	Dead      int64 `json:"dead"`
	Dropped   int64 `json:"dropped"`
	Pending   int64 `json:"pending"`
	Queued    int64 `json:"queued"`
	Attempts  int64 `json:"attempts"`
}

func (r *relay) report(stdout io.Writer) int {
	s := r.em.Stats()
	t := totals{
		Emitted: r.emitted, Invalid: r.invalid, Matched: s.Matched + s.Adopted,
		Delivered: s.Delivered, Dead: s.Dead, Dropped: s.Dropped, Pending: s.Pending, Queued: s.Queued,
		Attempts: s.Attempts,
	}
	if err := json.NewEncoder(stdout).Encode(t); err != nil {
		fmt.Fprintln(r.stderr, "relay: printing the totals:", err)
		return exitLeft
	}
	if t.Pending > 0 || t.Dropped > 0 {
		return exitLeft
	}
	return exitOK
}

// line is one line of the input, without its end, or why it could not be read.
type line struct {
	number int
	text   []byte
	err    error
}

// maxLine bounds a line; no valid event is longer, however it is escaped.
const maxLine = 2 << 20

// readLines sends the lines that are not empty, and closes the channel at the input's end.
func readLines(ctx context.Context, r io.Reader, to chan<- line) {
	defer close(to)
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		l, err := readLine(in)
		l.number = n
		if len(l.text) > 0 || l.err != nil {
			select {
			case to <- l:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads to the end of a line, and keeps what fits maxLine. The error is the input's end.
func readLine(in *bufio.Reader) (line, error) {
	var l line
	for {
		part, err := in.ReadSlice('\n')
		if len(l.text)+len(part) > maxLine {
			l.err = fmt.Errorf("longer than %d bytes", maxLine)
			l.text = nil
		} else if l.err == nil {
			l.text = append(l.text, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			l.err = err
		}
		l.text = bytes.TrimSpace(l.text)
		return l, err
	}
}
