package webhook

import (
	"log/slog"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// Options configures an Emitter. The zero value of every field is its default.
type Options struct {
	// Apps are the apps to begin with. SetApp and RemoveApp change them later.
	Apps []App

	// Queue carries jobs from Emit to the workers. The emitter uses it and does not close it.
	// Defaults to an in-memory queue of its own.
	Queue queue.Queue

	// HTTP makes the attempts for webhooks with a URL. Defaults to a dispatch.HTTP with its own
	// defaults.
	HTTP dispatch.Sender

	// Lambda makes the attempts for webhooks with a Lambda function: lambdadispatch.New(…). Without
	// it such a webhook is a configuration error.
	Lambda dispatch.Sender

	// Middleware wraps both, the first one outermost. A panic or a runtime.Goexit in it fails the
	// attempt and nothing else.
	Middleware []dispatch.Middleware

	// EventTypes declares the host's own event types, besides those that the library knows.
	EventTypes []EventType

	// Batching says how events are gathered into one request. Defaults to 50 ms, 100 events, 200
	// KiB.
	Batching Batching

	// Retry says how failed deliveries are repeated. Defaults to backoffs of 1 s, doubling to 60 s,
	// for 5 minutes.
	Retry Retry

	// Debounce is how long channel_vacated and member_removed are held back. When the channel is
	// occupied or the member added again meanwhile, at this emitter, neither event is
	// sent; otherwise the held one is, with the time of its sending. Shutdown sends what is held.
	// Pusher's figure is 3 * time.Second. Defaults to 0, off.
	Debounce time.Duration

	// CountInterval spaces out the subscription_count events of channels with more than 100
	// subscribers: at most one in this time, and the last value always. Pusher's figure is 5 *
	// time.Second. Defaults to 0: every one is sent.
	CountInterval time.Duration

	// RequestTimeout bounds one attempt, from dialing to the end of the answer. Defaults to 10
	// seconds.
	RequestTimeout time.Duration

	// Workers is the number of attempts at once. Defaults to 20. While the queue is told of what was
	// delivered, workers make other attempts, so a process that is killed has made at most 5 x Workers
	// deliveries that are made again.
	Workers int

	// EmitOnly makes an emitter that hands events to the queue and delivers none: it has no workers
	// and no pollers. Other processes deliver from the queue.
	EmitOnly bool

	// Pollers is the number of loops that receive jobs from the queue. Defaults to 1. More of them
	// help where a receive takes long, such as from a remote Redis.
	Pollers int

	// OutboxBytes bounds what waits in memory for the queue to take it: open batches and jobs not
	// handed over, with their buffers' capacity and about 600 bytes for each. Defaults to 24 MiB. It may
	// be exceeded by one batch's buffer and, when events that Debounce or CountInterval held back are let
	// go of while it is full, by about 1 KiB for each of their webhooks.
	OutboxBytes int64

	// EnqueueJobs is the largest number of jobs that are handed to the queue in one call.
	// Defaults to 256.
	EnqueueJobs int

	// KeepTime keeps a job's first time_ms, however late it is delivered. By default a job older
	// than 4 minutes is stamped and signed afresh, because an official receiver rejects what is
	// older than 5.
	KeepTime bool

	// StandardWebhooks adds webhook-id, webhook-timestamp and webhook-signature headers as the
	// Standard Webhooks specification has them, signed with the app's secret. One that begins with
	// "whsec_" is decoded from base64, as the specification says; of any other the bytes are the key,
	// which a receiver's library wants as "whsec_" and their base64. An app with PreviousKeys has a
	// signature for each of its secrets, the current one first.
	StandardWebhooks bool

	// Trace watches what happens. Its functions must be fast.
	Trace *Trace

	// Logger gets lines about webhooks that fail, dead letters, what is dropped and the queue, and at
	// Debug one for each attempt. Defaults to slog.Default().
	Logger *slog.Logger
}

// Batching says how events for one webhook are gathered into one request.
type Batching struct {
	// Disabled makes every event a request of its own, at once. In JSON it is "enabled": false.
	Disabled bool

	// Duration is how long a batch stays open after its first event. Defaults to 50 ms.
	Duration time.Duration

	// Size is how many events a batch holds at most. Defaults to 100. Negative: as many as Bytes
	// hold.
	Size int

	// Bytes is how large a batch's body grows at most; a single event that is larger travels alone.
	// Defaults to 200 KiB.
	Bytes int
}
