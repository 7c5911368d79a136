package webhooktest

import (
	"fmt"
	"strings"

	"github.com/pushhooks/webhook"
)

// report tells what arrived, for the message of a test that waited in vain.
func (r *Receiver) report() string {
	const most = 20
	all := r.Deliveries()
	var b strings.Builder
	fmt.Fprintf(&b, "%d events were taken, of %d requests", len(r.Events()), len(all))
	for i, d := range all {
		if i < len(all)-most {
			continue
		}
		fmt.Fprintf(&b, "\n\t%d. %s", i+1, d.describe())
	}
	return b.String()
}

// describe tells of a delivery in one line.
func (d *Delivery) describe() string {
	id := d.ID
	if id == "" {
		id = "no Webhook-Id"
	}
	line := fmt.Sprintf("%s attempt %d of %s, %s: ", d.Path, d.Attempt, id, d.describeStatus())
	if d.Err != nil {
		return line + d.Err.Error()
	}
	return line + describeEvents(d.Payload.Events)
}

func (d *Delivery) describeStatus() string {
	if d.Status == 0 {
		return "not answered"
	}
	return fmt.Sprintf("answered %d", d.Status)
}

func describeEvents(events []webhook.Event) string {
	const most = 5
	var parts []string
	for i, e := range events {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(events)-most))
			break
		}
		parts = append(parts, string(e.Type)+" "+e.Channel)
	}
	return strings.Join(parts, ", ")
}
