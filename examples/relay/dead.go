package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/pushhooks/webhook"
)

// deadLine is a dead letter as JSON.
type deadLine struct {
	ID       string    `json:"id"`
	App      string    `json:"app"`
	Webhook  string    `json:"webhook"`
	Job      string    `json:"job"` // the Webhook-Id that the receiver saw
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	Events   int       `json:"events"`
	First    time.Time `json:"first_attempt,omitzero"`
	At       time.Time `json:"given_up"`
	Body     string    `json:"body"`
}

// printDead lists the dead letters that were chosen, oldest first.
func (o *operator) printDead(ctx context.Context) error {
	list := newTable(o.stdout,
		column{name: "ID"}, column{name: "APP", cut: true}, column{name: "WEBHOOK", cut: true},
		column{name: "GIVEN UP"}, column{name: "ATTEMPTS", right: true}, column{name: "EVENTS", right: true})
	found, events := 0, 0
	for d, err := range o.em.DeadLetters(ctx, o.query()) {
		if err != nil {
			list.flush()
			return err
		}
		found++
		events += d.Events
		if !o.json {
			list.add(d.Reason, d.ID, d.AppID, d.WebhookID, ago(d.At, o.now), strconv.Itoa(d.Attempts), strconv.Itoa(d.Events))
			continue
		}
		err := printJSON(o.stdout, deadLine{
			d.ID, d.AppID, d.WebhookID, d.JobID, d.Reason, d.Attempts, d.Events, exact(d.First), exact(d.At), string(d.Body),
		})
		if err != nil {
			return err
		}
	}
	list.flush()
	if !o.json {
		fmt.Fprintf(o.stdout, "%s, with %s\n", counted(found, "dead letter"), counted(events, "event"))
	}
	return o.missing(found)
}

// missing returns an error if IDs were given and fewer dead letters were found.
func (o *operator) missing(found int) error {
	if n := len(o.ids) - found; n > 0 {
		return fmt.Errorf("%d of the %s chosen by -id not found: see -dead for what is there", n, counted(len(o.ids), "dead letter"))
	}
	return nil
}

// replayDead queues the chosen dead letters again.
func (o *operator) replayDead(ctx context.Context) error {
	return o.each(ctx, "replayed", o.em.Replay)
}

// discardDead deletes the chosen dead letters.
func (o *operator) discardDead(ctx context.Context) error {
	return o.each(ctx, "discarded", o.em.Discard)
}

// each has the chosen dead letters replayed or discarded, and prints how many were.
func (o *operator) each(
	ctx context.Context, done string, act func(context.Context, webhook.DeadLetterQuery) (int, error),
) error {
	q := o.query()
	if o.all {
		q.Since = time.Unix(0, 0) // a query without a condition is no choice
	}
	q.Progress = func(p webhook.DeadLetterProgress) {
		o.stderr.progress(fmt.Sprintf("%s %s of %s dead letters", done, count(p.Done), count(p.Seen)))
	}
	n, err := act(ctx, q)
	o.stderr.progress("")
	if o.json {
		err = errors.Join(err, printJSON(o.stdout, map[string]int{done: n}))
	} else {
		fmt.Fprintf(o.stdout, "%s %s\n", done, counted(n, "dead letter"))
	}
	if err != nil {
		return err
	}
	return o.missing(n)
}

// counted writes a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}
