// Package webhook delivers a WebSocket server's events to webhooks, in Pusher's format.
//
// The server emits events. The library matches each event against its app's webhooks, gathers
// events for a moment, signs them as Pusher does, puts jobs on a queue, and delivers them over HTTP
// or to an AWS Lambda function, from any process that opens the same queue.
//
//	em, err := webhook.New(webhook.Options{
//		Apps: []webhook.App{{
//			ID: "my-app", Key: "my-key", Secret: "my-secret",
//			Webhooks: []webhook.Webhook{{
//				URL:        "https://backend.example.com/webhooks",
//				EventTypes: []webhook.EventType{webhook.TypeChannelOccupied, webhook.TypeChannelVacated},
//			}},
//		}},
//	})
//	…
//	err = em.Emit(webhook.ChannelOccupied("my-app", "presence-chat")) // never waits
//	…
//	err = em.Shutdown(ctx)
//
// # The way through
//
//	Emit       matches the event against its app's webhooks, encodes it once, appends it to a batch of each
//	batcher    cuts a batch after 50 ms, 100 events or 200 KiB
//	outbox     bounded, and only in memory; holds what the queue has not taken yet
//	enqueuer   makes a job of each batch, signs it, hands many to the queue in one call, waits out its outages
//	queue      memory, disk, Redis, Redis Cluster, SQS or none: a lane for each webhook, and its health
//	scheduler  receives from the lanes that may run, under leases; which runs next, on how many workers
//	delivery   checks the job, makes one attempt, decides: ack, retry after a delay, split or dead letter
//	dispatch   HTTP or Lambda: one attempt, one outcome
//
// # What is guaranteed
//
// An event is as durable as its queue from the moment the queue has taken it; before that it is in
// memory for about the batch window. EmitSync and Flush wait for the queue. Delivery is at least
// once: an attempt that timed out may have been processed, so a retry can be a copy. The Webhook-Id
// header is the same in every attempt and replay, so a receiver can tell. A failed job is retried
// for 5 minutes and then kept as a dead letter. Order is kept within a request, and across requests
// of a webhook that is Ordered.
//
// A dead endpoint harms no other: each webhook has its own lane and its own concurrency limit. A
// lane is untried, healthy, failing or held; the queue keeps this state, so that all processes and
// every restart know it (on SQS, each process for itself). Everything is bounded, and what happens
// at a bound is an error or a counter.
//
// # A map of the files
//
//	webhook.go          App, Webhook, Secret, Headers      webhook_json.go, webhook_marshal.go, webhook_print.go  their JSON
//	event.go            Event and its constructors         event_encode.go, event_json.go, event_scan.go, event_validate.go
//	filter.go           Filter                             matcher.go      compiled; route.go  indexed
//	options.go          Options                            defaults.go, validate.go, validate_app.go, validate_http.go
//	emitter.go          New, SetApp, RemoveApp             shutdown.go     Flush, Drain, Shutdown, Close
//	emit.go             Emit, EmitWait, Wants              emit_sync.go    EmitSync; errors.go
//	registry.go         apps by ID, compiled               identity.go     webhooks' identities; id.go  jobs' IDs
//	batcher.go          open batches                       batch.go        one of them, and its buffer
//	backlog.go          hand-over goes first               debounce.go     events held back
//	outbox.go           room, and what the queue lacks     waiting_line.go EmitWaits in the order of arrival
//	enqueuer.go         handing over                       blocked_lanes.go  lanes that the queue refused
//	job.go, body.go     a job's text                       signer.go       Pusher signature, envelope MAC
//	delivery.go         the scheduler's Handler            delivery_run.go  one job: check and attempt
//	delivery_result.go  what an outcome means              retry.go        backoff and budget
//	sender.go           requests of attempts               testsend.go     test deliveries
//	outcome.go          outcomes of any sender, made valid  guarded_queue.go  a queue's panics as errors
//	deadletters.go      listing, replay, discard           verify.go       the receiving side
//	trace.go, trace_join.go, log.go, stats.go              watching; redact.go  without secrets
//	reporter.go         lines of the background            failing.go, notice.go, survey.go, drops.go, line_limit.go
//
// Package internal/scheduler runs the jobs and knows nothing of webhooks. Packages queue and
// dispatch hold the contracts of queues and senders, and those implementations that need nothing
// but the standard library. Those that cost a dependency are packages of their own:
// queue/redisqueue, queue/sqsqueue, queue/boltqueue, dispatch/lambdadispatch. Package config reads
// the configuration files of Sockudo (JSON, TOML) and Soketi and their environment variables,
// config/open opens what they name, occupancy makes events of what a host's sockets do, and
// webhooktest is for the tests of hosts.
package webhook
