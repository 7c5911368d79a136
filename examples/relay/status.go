package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/config"
	"github.com/pushhooks/webhook/queue"
)

// statusLine is a webhook's status as JSON. A number that the queue does not know is null.
type statusLine struct {
	App          string    `json:"app"`
	Webhook      string    `json:"webhook"`
	Configured   bool      `json:"configured"`
	Target       string    `json:"target,omitempty"`
	State        *string   `json:"state"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	HeldUntil    time.Time `json:"held_until,omitzero"`
	Holds        int       `json:"holds,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	Waiting      *int      `json:"waiting"`
	OldestMS     *int64    `json:"oldest_ms"`
	DeadLetters  *int      `json:"dead_letters"`
}

// summaryLine is the last line of the status as JSON.
type summaryLine struct {
	Webhooks map[string]int `json:"webhooks"` // by state
	Queue    queueLine      `json:"queue"`
}

type queueLine struct {
	Driver      config.Driver `json:"driver"`
	Ready       *int          `json:"ready"`
	Held        *int          `json:"held"` // of the ready ones
	Delayed     *int          `json:"delayed"`
	Leased      *int          `json:"leased"`
	OldestMS    *int64        `json:"oldest_ms"` // of the ready ones that are not held
	DeadLetters *int          `json:"dead_letters"`
	DeadEvicted int64         `json:"dead_letters_evicted"`
}

const unknown = "unknown"

// printStatus lists the webhooks, and sums up the queue.
func (o *operator) printStatus(ctx context.Context) error {
	show, flush := o.statusPrinter()
	defer flush()
	states := map[string]int{}
	for s, err := range o.em.Webhooks(ctx) {
		if err != nil {
			return err
		}
		if o.chooses(&s) {
			states[o.state(&s)]++
			if err := show(&s); err != nil {
				return err
			}
		}
	}
	flush()
	stats, err := o.em.QueueStats(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(o.stdout, summaryLine{states, queueLine{
			Driver: o.driver, Ready: known(stats.Ready), Held: known(stats.Held), Delayed: known(stats.Delayed),
			Leased: known(stats.Leased), OldestMS: knownMS(stats.Oldest), DeadLetters: known(stats.Dead), DeadEvicted: stats.DeadDropped,
		}})
	}
	fmt.Fprintln(o.stdout, statesText(states))
	fmt.Fprintln(o.stdout, o.queueText(&stats))
	return nil
}

func (o *operator) chooses(s *webhook.WebhookStatus) bool {
	return (o.app == "" || s.AppID == o.app) && (o.webhook == "" || s.WebhookID == o.webhook) &&
		(!o.failing || s.State == webhook.LaneFailing || s.State == webhook.LaneHeld)
}

// state returns a webhook's state, which on SQS only the processes that work know.
func (o *operator) state(s *webhook.WebhookStatus) string {
	if o.driver == config.DriverSQS {
		return unknown
	}
	return s.State.String()
}

// statusPrinter returns a function that prints a webhook's status, and one to call at the end.
func (o *operator) statusPrinter() (show func(*webhook.WebhookStatus) error, flush func()) {
	if o.json {
		return func(s *webhook.WebhookStatus) error { return printJSON(o.stdout, o.statusLine(s)) }, func() {}
	}
	list := newTable(o.stdout,
		column{name: "APP", cut: true}, column{name: "WEBHOOK", cut: true}, column{name: "STATE"},
		column{name: "SINCE"}, column{name: "NEXT TRY"}, column{name: "WAITING", right: true},
		column{name: "OLDEST", right: true}, column{name: "DEAD", right: true})
	return func(s *webhook.WebhookStatus) error {
		list.add(below(s), s.AppID, s.WebhookID, o.state(s), ago(s.FailingSince, o.now), o.nextTry(s),
			count(s.Waiting), oldest(s.Oldest), count(s.DeadLetters))
		return nil
	}, list.flush
}

func (o *operator) nextTry(s *webhook.WebhookStatus) string {
	switch {
	case s.HeldUntil.IsZero():
		return ""
	case !s.HeldUntil.After(o.now):
		return "due"
	}
	return "in " + span(s.HeldUntil.Sub(o.now))
}

// below is the line below a webhook's row: where it delivers and why it fails, if it does.
func below(s *webhook.WebhookStatus) string {
	switch {
	case s.Unknown:
		return "not in this configuration"
	case s.State != webhook.LaneFailing && s.State != webhook.LaneHeld:
		return ""
	case strings.Contains(s.Reason, s.Target):
		return s.Reason
	}
	return s.Target + ": " + s.Reason
}

func oldest(d time.Duration) string {
	switch {
	case d < 0:
		return unknown
	case d == 0:
		return ""
	}
	return span(d)
}

func (o *operator) statusLine(s *webhook.WebhookStatus) statusLine {
	l := statusLine{
		App: s.AppID, Webhook: s.WebhookID, Configured: !s.Unknown, Target: s.Target,
		FailingSince: exact(s.FailingSince), HeldUntil: exact(s.HeldUntil), Holds: s.Holds, Reason: s.Reason,
		Waiting: known(s.Waiting), OldestMS: knownMS(s.Oldest), DeadLetters: known(s.DeadLetters),
	}
	if state := o.state(s); state != unknown {
		l.State = &state
	}
	return l
}

// statesText counts webhooks by state, those that fail first.
func statesText(states map[string]int) string {
	total, parts := 0, []string{}
	for _, name := range []string{"held", "failing", "untried", "healthy", unknown} {
		if n := states[name]; n > 0 {
			total += n
			parts = append(parts, count(n)+" "+name)
		}
	}
	text := counted(total, "webhook")
	if total > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text
}

// queueText says what the whole queue holds, whatever webhooks were chosen.
func (o *operator) queueText(s *queue.Stats) string {
	text := fmt.Sprintf("queue %s: %s ready", o.driver, count(s.Ready))
	if s.Held > 0 {
		text += fmt.Sprintf(" (%s behind held webhooks)", count(s.Held))
	}
	text += fmt.Sprintf(", %s delayed, %s leased", count(s.Delayed), count(s.Leased))
	if s.Oldest > 0 {
		text += ", oldest " + span(s.Oldest)
	}
	return text + fmt.Sprintf("; %s, %s evicted", counted(s.Dead, "dead letter"), count(s.DeadDropped))
}

// resumeWebhook makes the chosen webhook untried, so that it is tried at once.
func (o *operator) resumeWebhook(ctx context.Context) error {
	if o.driver == config.DriverSQS {
		return errors.New("on SQS each process keeps the states of its webhooks to itself: call Emitter.Resume in it, or start it again")
	}
	if err := o.em.Resume(ctx, o.app, o.webhook); err != nil {
		return err
	}
	if o.json {
		return printJSON(o.stdout, map[string]string{"app": o.app, "webhook": o.webhook, "state": webhook.LaneUntried.String()})
	}
	fmt.Fprintf(o.stdout, "%s/%s is untried again: what waits is tried at once\n", o.app, o.webhook)
	return nil
}

// printJSON prints a value as a line.
func printJSON(to io.Writer, v any) error {
	out := json.NewEncoder(to)
	out.SetEscapeHTML(false)
	return out.Encode(v)
}

// known returns nil for what the queue does not know.
func known(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}

func knownMS(d time.Duration) *int64 {
	if d < 0 {
		return nil
	}
	ms := d.Milliseconds()
	return &ms
}

// exact is a time as JSON shows it: in UTC, to the millisecond.
func exact(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }
