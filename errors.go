package webhook

import (
	"errors"
	"strings"
)

// Errors of an Emitter, matched with errors.Is.
var (
	// ErrUnknownApp is returned when no app with the event's AppID is configured.
	ErrUnknownApp = errors.New("webhook: unknown app")

	// ErrInvalidEvent is returned when the event cannot be delivered; the text names the field, its
	// value and what would be right.
	ErrInvalidEvent = errors.New("webhook: invalid event")

	// ErrOverflow is returned when none of the event's webhooks has room to keep the event until
	// the queue takes it: the queue has been away or slow for long, or these webhooks have been
	// failing or slow for long and hold all that they may hold. Nothing was kept; the host may try
	// again, or use EmitWait. If some of the webhooks have room, the event is dropped for the
	// others, without an error.
	ErrOverflow = errors.New("webhook: no room for the event")

	// ErrUnknownWebhook is returned by Webhook and Resume when neither this emitter nor the queue
	// has such a webhook.
	ErrUnknownWebhook = errors.New("webhook: unknown webhook")

	// ErrUnverified is returned by Replay when dead letters stay because they cannot be
	// verified here: they were altered, are of another version of the job format, or this emitter
	// does not have their app or key.
	ErrUnverified = errors.New("they cannot be verified here: they were altered or are of another version, or their app or key is not configured in this process")

	// ErrClosed is returned after Shutdown or Close was called.
	ErrClosed = errors.New("webhook: emitter is closed")
)

// ConfigError lists every mistake of a configuration. New and SetApp return it, and so do package
// config and the UnmarshalJSON methods.
type ConfigError struct {
	Problems []Problem
}

// Problem is one mistake in a configuration.
type Problem struct {
	// Path names the field as in the JSON file, such as
	// "apps[0].webhooks[2].filter.channel_pattern".
	Path string

	// Message gives the value, unless it may be a secret, and what would be right.
	Message string
}

// Error lists the problems, one a line when there are several.
func (e *ConfigError) Error() string {
	if len(e.Problems) == 1 {
		return "webhook: " + e.Problems[0].String()
	}
	var b strings.Builder
	b.WriteString("webhook: the configuration has mistakes:")
	for _, p := range e.Problems {
		b.WriteString("\n  ")
		b.WriteString(p.String())
	}
	return b.String()
}

// String returns the path and the message.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}
