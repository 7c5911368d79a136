package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
)

// flags are the command's.
type flags struct {
	config   string
	drain    time.Duration
	emitOnly bool
	work     bool
	verbose  bool

	status, dead, replay, discard, resume bool // the operator's commands

	app, webhook string
	ids          idList
	since        moment
	all          bool
	failing      bool
	json         bool
}

const usage = `relay reads events from standard input, one JSON object a line, and delivers them:
  relay -config config.json < events.jsonl
  relay -config config.json -emit-only < events.jsonl
  relay -config config.json -work
It also shows an operator what a durable queue holds, and changes it (docs/operations.md):
  relay -config config.json -status [-app id] [-webhook id] [-failing] [-json]
  relay -config config.json -dead [-app id] [-webhook id] [-id ids] [-since time] [-json]
  relay -config config.json -replay|-discard {[-app id] [-webhook id] [-id ids] [-since time] | -all}
  relay -config config.json -resume -app id -webhook id
Flags:
`

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	fs := flag.NewFlagSet("relay", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // of a mistake the error alone is told, and not all flags
	fs.StringVar(&f.config, "config", "", "the configuration `file` (required)")
	fs.DurationVar(&f.drain, "drain", 30*time.Second, "how long to wait at the end until everything is settled")
	fs.BoolVar(&f.emitOnly, "emit-only", false, "start no workers, and return when the queue has taken everything")
	fs.BoolVar(&f.work, "work", false, "read nothing, and deliver what the queue holds until SIGTERM")
	fs.BoolVar(&f.verbose, "v", false, "log successful attempts too")

	fs.BoolVar(&f.status, "status", false, "list the webhooks: which fail, since when, why, and how many jobs wait")
	fs.BoolVar(&f.dead, "dead", false, "list the dead letters")
	fs.BoolVar(&f.replay, "replay", false, "queue dead letters again; needs -app, -webhook, -id, -since or -all")
	fs.BoolVar(&f.discard, "discard", false, "delete dead letters for good; needs -app, -webhook, -id, -since or -all")
	fs.BoolVar(&f.resume, "resume", false, "try the webhook -app, -webhook at once, although it is held")
	fs.StringVar(&f.app, "app", "", "only what is for the app with this `id`")
	fs.StringVar(&f.webhook, "webhook", "", "only what is for the webhook with this `id`")
	fs.Var(&f.ids, "id", "only the dead letters with these `ids`, separated by commas; may be repeated")
	fs.Var(&f.since, "since", "only dead letters given up in the last `duration`, such as 2h or 3d, or since a time, such as 2006-01-02T15:04:05Z")
	fs.BoolVar(&f.all, "all", false, "-replay or -discard every dead letter")
	fs.BoolVar(&f.failing, "failing", false, "-status of webhooks that are failing or held alone")
	fs.BoolVar(&f.json, "json", false, "print JSON, one object a line")
	fs.Usage = func() {}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stderr, usage)
		fs.SetOutput(stderr)
		fs.PrintDefaults()
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w; relay -help lists the flags", err)
	}
	if f.config == "" {
		return nil, errors.New("-config is missing: name the configuration file")
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: events are read from standard input", fs.Arg(0))
	}
	return f, f.check(fs)
}

// What the relay does is one of modes. The flags of choosing go with some of them only.
var (
	commands = []string{"status", "dead", "replay", "discard", "resume"}
	modes    = append([]string{"emit-only", "work"}, commands...)
	choosing = map[string][]string{
		"app":     commands,
		"webhook": commands,
		"id":      {"dead", "replay", "discard"},
		"since":   {"dead", "replay", "discard"},
		"all":     {"replay", "discard"},
		"failing": {"status"},
		"json":    commands,
	}
)

// check refuses flags that do not go together.
func (f *flags) check(fs *flag.FlagSet) error {
	set := map[string]bool{}
	fs.Visit(func(fl *flag.Flag) { set[fl.Name] = fl.Value.(flag.Getter).Get() != false })
	mode, err := chosenMode(set)
	if err != nil {
		return err
	}
	for name, of := range choosing {
		if set[name] && !slices.Contains(of, mode) {
			return fmt.Errorf("-%s goes with %s", name, "-"+strings.Join(of, ", -"))
		}
	}
	return f.checkChoice(mode)
}

// chosenMode returns the mode that was set, or "".
func chosenMode(set map[string]bool) (mode string, err error) {
	for _, name := range modes {
		switch {
		case !set[name]:
		case mode != "":
			return "", fmt.Errorf("-%s and -%s exclude each other", mode, name)
		default:
			mode = name
		}
	}
	return mode, nil
}

// checkChoice refuses changes of what was not chosen.
func (f *flags) checkChoice(mode string) error {
	chosen := f.app != "" || f.webhook != "" || len(f.ids) > 0 || !f.since.IsZero()
	switch {
	case f.resume && (f.app == "" || f.webhook == ""):
		return errors.New("-resume needs -app and -webhook: the webhook to try")
	case (f.replay || f.discard) && !chosen && !f.all:
		return fmt.Errorf("-%s needs -app, -webhook, -id or -since to choose dead letters, or -all", mode)
	case f.all && chosen:
		return errors.New("-all and a choice by -app, -webhook, -id or -since exclude each other")
	}
	return nil
}

// query chooses the dead letters that the flags ask for.
func (f *flags) query() webhook.DeadLetterQuery {
	return webhook.DeadLetterQuery{AppID: f.app, WebhookID: f.webhook, Since: f.since.Time, IDs: f.ids}
}

// idList is a flag that holds IDs, separated by commas, and may be repeated.
type idList []string

// Get returns the IDs.
func (l *idList) Get() any { return []string(*l) }

func (l *idList) String() string { return strings.Join(*l, ",") }

// Set adds IDs.
func (l *idList) Set(text string) error {
	for id := range strings.SplitSeq(text, ",") {
		if id = strings.TrimSpace(id); id == "" {
			return errors.New("an id is empty")
		}
		if !slices.Contains(*l, id) {
			*l = append(*l, id)
		}
	}
	return nil
}

// moment is a flag that holds a time, or a duration before now.
type moment struct{ time.Time }

// Get returns the time.
func (m *moment) Get() any { return m.Time }

func (m *moment) String() string {
	if m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// Set reads a time or a duration.
func (m *moment) Set(text string) error {
	if d, err := readSpan(text); err == nil {
		if d <= 0 {
			return errors.New("must be longer than 0, such as 2h")
		}
		m.Time = time.Now().Add(-d)
		return nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return errors.New("must be a duration such as 2h or 3d, or a time such as 2006-01-02T15:04:05Z")
	}
	m.Time = t
	return nil
}

// readSpan reads a duration, which may also be a number of days.
func readSpan(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16) // 180 years
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
