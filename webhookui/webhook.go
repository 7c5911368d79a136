package webhookui

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
)

// pageTime bounds the calls of the queue for a webhook's page.
const pageTime = 2 * time.Second

// webhookView is the page of one webhook.
type webhookView struct {
	page
	AppID, WebhookID string
	Status           *webhook.WebhookStatus // nil: the queue could not be asked
	Err              error                  // why
	Config           []setting              // nil: not configured here
	Self             string                 // link to this page
	Letters          *letters               // nil: as in the page that is shown
}

// setting is a line of the configuration.
type setting struct{ Name, Value string }

// target names the webhook of a request.
func target(values url.Values) (appID, webhookID string, ok bool) {
	appID, webhookID = values.Get("app"), values.Get("id")
	return appID, webhookID, appID != "" && webhookID != ""
}

// webhookPage makes the page of a webhook. Its dead letters are listed when it is loaded. An update
// of the page that is shown asks only for the status, unless their number has changed: the script
// sends it back as it was. On SQS listing them hides them for a while.
func (h *handler) webhookPage(ctx context.Context, base page, query url.Values) (string, any, int) {
	appID, webhookID, ok := target(query)
	if !ok {
		return messagePage(base, "Which webhook?", "The address does not name an app and a webhook.", http.StatusBadRequest)
	}
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	v := &webhookView{page: base, AppID: appID, WebhookID: webhookID, Self: webhookLink(appID, webhookID)}
	v.Title = short(webhookID) + " · " + base.Title
	status, err := h.em.Webhook(ctx, appID, webhookID)
	switch {
	case errors.Is(err, webhook.ErrUnknownWebhook):
		return messagePage(base, "No such webhook", "Neither this process nor the queue has a webhook of this name.", http.StatusNotFound)
	case err != nil:
		v.Err, v.Mark = err, "problem"
	default:
		v.Status, v.Mark, v.Live = &status, statusMark(&status), strconv.Itoa(status.DeadLetters)
	}
	if w, ok := h.em.WebhookConfig(appID, webhookID); ok {
		v.Config = settings(&w)
	}
	if v.Err == nil && (!query.Has("live") || query.Get("live") != v.Live) {
		v.Letters = h.letters(ctx, v, query.Get("after"))
	}
	return "webhook.html", v, http.StatusOK
}

func statusMark(s *webhook.WebhookStatus) string {
	switch {
	case fails(s):
		return "failing"
	case s.State == webhook.LaneHealthy:
		return "ok"
	}
	return "unknown"
}

// settings lists a configuration, which has no secrets, in the words of the JSON file.
func settings(w *webhook.Webhook) (list []setting) {
	add := func(name, value string) {
		if value != "" {
			list = append(list, setting{name, value})
		}
	}
	add("URL", strings.ReplaceAll(w.URL, "REDACTED", "…"))
	if l := w.Lambda; l != nil {
		add("Lambda function", l.FunctionName)
		add("Region", l.Region)
		add("Invocation type", l.InvocationType)
	}
	types := make([]string, len(w.EventTypes))
	for i, t := range w.EventTypes {
		types[i] = string(t)
	}
	add("Events", strings.Join(types, ", "))
	f := w.Filter
	add("Channel prefix", f.ChannelPrefix)
	add("Channel suffix", f.ChannelSuffix)
	add("Channel pattern", f.ChannelPattern)
	add("Namespace", strings.Join(slices.Concat(f.ChannelNamespaces, nonEmpty(f.ChannelNamespace)), ", "))
	add("Excluded prefix", f.ChannelExcludePrefix)
	if names := slices.Sorted(maps.Keys(w.Headers)); len(names) > 0 {
		add("Headers", strings.Join(names, ", ")+" (values are not shown)")
	}
	add("Request timeout", duration(w.RequestTimeout))
	add("Retries", retries(w.Retry))
	if w.Ordered {
		add("Order", "kept: one job at a time")
	}
	if l := w.RateLimit; l.PerSecond > 0 {
		add("Rate limit", fmt.Sprintf("%v a second, %d at once (each process)", l.PerSecond, l.Burst))
	}
	if w.UserInfoAsString {
		add("user_info", "as a string")
	}
	return list
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func retries(r webhook.Retry) string {
	if r.MaxAttempts == 1 {
		return "none"
	}
	text := fmt.Sprintf("for %s, after %s, doubling to %s", duration(r.MaxElapsed), duration(r.InitialBackoff), duration(r.MaxBackoff))
	if r.MaxAttempts > 1 {
		text += fmt.Sprintf(", %d attempts at most", r.MaxAttempts)
	}
	return text + "; none older than " + duration(r.MaxAge)
}

// message is a page that only says something.
type message struct {
	page
	Headline, Text string
}

func messagePage(base page, headline, text string, status int) (string, any, int) {
	return "message.html", &message{page: base, Headline: headline, Text: text}, status
}
