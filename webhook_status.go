package webhook

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Webhook returns the status of one webhook, for which it asks the queue for one lane. The error
// wraps [ErrUnknownWebhook] if neither this emitter nor the queue has it.
func (e *Emitter) Webhook(ctx context.Context, appID, webhookID string) (WebhookStatus, error) {
	if strings.Contains(webhookID, "/") { // the lane would be another webhook's
		return WebhookStatus{}, unknownWebhook(appID, webhookID)
	}
	h, lane := e.apps.hook(appID, webhookID), laneOf(appID, webhookID)
	info, err := (&guardedQueue{e.queue, e.log}).lane(ctx, lane)
	switch {
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		return WebhookStatus{}, fmt.Errorf("webhook: status: %w", err)
	case info != nil:
		return e.statusOf(info, h), nil
	case h != nil:
		return e.statusHere(h), nil
	}
	return WebhookStatus{}, unknownWebhook(appID, webhookID)
}

func unknownWebhook(appID, webhookID string) error {
	return fmt.Errorf("%w: app %q has no webhook %q here, and the queue has nothing of one", ErrUnknownWebhook, shorten(appID), shorten(webhookID))
}

// WebhookConfig returns the configuration of a webhook as it is in force, for people to look at:
// its ID and the defaults of Retry, RequestTimeout and RateLimit are filled in. It holds no secret:
// the URL has no more than scheme, host and port, and REDACTED stands for the value of each header.
// It reports false if this emitter has no such webhook.
func (e *Emitter) WebhookConfig(appID, webhookID string) (Webhook, bool) {
	h := e.apps.hook(appID, webhookID)
	if h == nil {
		return Webhook{}, false
	}
	w := App{Webhooks: []Webhook{*h.Webhook}}.clone().Webhooks[0]
	w.ID, w.URL, w.Headers = h.id, shownURL(w.URL), w.Headers.redacted()
	w.Retry = w.Retry.or(e.opts.Retry)
	w.Retry.MaxAge = w.Retry.maxAge()
	w.RequestTimeout = e.sender.timeoutOf(h)
	if w.RateLimit.PerSecond > 0 {
		w.RateLimit.Burst = w.RateLimit.rate().Burst
	}
	return w, true
}
