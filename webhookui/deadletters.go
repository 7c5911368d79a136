package webhookui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/pushhooks/webhook"
)

const (
	letterRows = 10    // dead letters on a page
	letterScan = 1_000 // how many of all webhooks are looked through for a page
	maxTypes   = 3     // event types named in a letter's line
)

// letters is a page of a webhook's dead letters.
type letters struct {
	List      []letter
	Cursor    string // the page begins behind this dead letter; "": it is the first
	Next      string // link to the next page; "": there is none
	Looked    int    // if this many were looked through, and there are more
	Unlisted  bool   // the queue has no list of them
	Err       error
	DiscardIn string // link to the page that asks before all are discarded
}

// letter is a dead letter as it is shown.
type letter struct {
	webhook.DeadLetter
	Word, Detail string // of the reason
	Types        string // of the events
	Text         string // the events
	Whole        bool   // Text is all of them
	Doubtful     bool   // it could not be verified
}

// letters lists a page behind a cursor. It looks through a bounded number of dead letters, since
// those of other webhooks may lie between.
func (h *handler) letters(ctx context.Context, v *webhookView, cursor string) *letters {
	l := &letters{Cursor: cursor, DiscardIn: "discard?" + url.Values{"app": {v.AppID}, "id": {v.WebhookID}}.Encode()}
	if v.Status.DeadLetters == 0 {
		return l
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var seen webhook.DeadLetterProgress
	q := webhook.DeadLetterQuery{AppID: v.AppID, WebhookID: v.WebhookID, After: cursor, Progress: func(p webhook.DeadLetterProgress) {
		if seen = p; p.Seen >= letterScan {
			cancel()
		}
	}}
	more := func(after string) string {
		return v.Self + "&" + url.Values{"after": {after}}.Encode() + "#dead-letters"
	}
	for d, err := range h.em.DeadLetters(ctx, q) {
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			l.Unlisted = true
		case err != nil && seen.Last != "": // it took too long, or there are very many
			l.Next, l.Looked = more(seen.Last), seen.Seen
		case err != nil:
			l.Err = err
		case len(l.List) == letterRows:
			l.Next = more(l.List[letterRows-1].ID)
		default:
			l.List = append(l.List, showLetter(d))
			if cursor == "" && len(l.List) == v.Status.DeadLetters {
				return l // the others are of other webhooks
			}
			continue
		}
		break
	}
	return l
}

func showLetter(d webhook.DeadLetter) letter {
	l := letter{DeadLetter: d}
	l.Word, l.Detail, _ = strings.Cut(d.Reason, ":")
	l.Detail = strings.TrimSpace(l.Detail)
	l.Text, l.Whole = pretty(d.Body, maxShown)
	l.Types = eventTypes(d.Body)
	l.Doubtful = d.AppID == "" || l.Word == "bad_signature"
	return l
}

// eventTypes names the types of a payload's events, each once, in the order in which they come.
func eventTypes(body []byte) string {
	var payload struct {
		Events []struct {
			Name string `json:"name"`
		} `json:"events"`
	}
	if json.Unmarshal(body, &payload) != nil {
		return ""
	}
	var names []string
	for _, e := range payload.Events {
		if slices.Contains(names, e.Name) {
			continue
		}
		if len(names) == maxTypes {
			return strings.Join(names, ", ") + " …"
		}
		names = append(names, short(e.Name))
	}
	return strings.Join(names, ", ")
}

// confirmation asks before all dead letters of a webhook are discarded.
type confirmation struct {
	page
	AppID, WebhookID string
	Self             string
	Count            int // -1: unknown
}

func (h *handler) confirmPage(ctx context.Context, base page, query url.Values) (string, any, int) {
	appID, webhookID, ok := target(query)
	switch {
	case !ok:
		return messagePage(base, "Which webhook?", "The address does not name an app and a webhook.", http.StatusBadRequest)
	case !base.Write:
		return messagePage(base, "You may not change anything", "You may look at this page, and change nothing.", http.StatusForbidden)
	}
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	c := &confirmation{page: base, AppID: appID, WebhookID: webhookID, Self: webhookLink(appID, webhookID), Count: -1}
	if s, err := h.em.Webhook(ctx, appID, webhookID); err == nil {
		c.Count = s.DeadLetters
	}
	return "discard.html", c, http.StatusOK
}
