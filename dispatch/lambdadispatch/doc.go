// Package lambdadispatch delivers to AWS Lambda functions, through Invoke of the AWS SDK. It is the
// sender for webhooks with a "lambda" target:
//
//	sender, err := lambdadispatch.New(lambdadispatch.Options{Envelope: true})
//	em, err := webhook.New(webhook.Options{Apps: apps, Lambda: sender})
//
// # What the function gets
//
// By default the payload is the signed body and nothing else, as the reference has it:
//
//	{"time_ms":1707744000000,"events":[{"name":"channel_occupied","channel":"chat"}]}
//
// The client context holds the rest: see below. AWS hands the client context to the function for
// RequestResponse invocations only, and drops it for Event, so a function that must know the app or
// verify the signature needs Options.Envelope or RequestResponse. With Options.Envelope the payload
// is
//
//	{
//	  "payload": {"time_ms":1707744000000,"events":[…]},
//	  "headers": {"X-Pusher-Key":"…","X-Pusher-Signature":"…","Webhook-Id":"…","Webhook-Attempt":"1",…},
//	  "body": "{\"time_ms\":1707744000000,\"events\":[…]}",
//	  "app_id": "my-app",
//	  "webhook_id": "wh_2323…"
//	}
//
// "payload" and "headers" are Soketi's; the webhook's custom headers are among them. "body" is the
// payload's text, byte for byte what was signed: a runtime that has parsed the payload can't tell
// how it was written.
//
// The client context has, under "custom", the strings key, signature, app_id, webhook_id, job_id
// and attempt.
//
// # What becomes of an attempt
//
// An Event invocation is delivered when Lambda has queued it (202). What the function makes of it
// is between Lambda and the function: Lambda itself invokes it up to two more times, and then has
// the function's own dead-letter queue or failure destination. A RequestResponse invocation is
// delivered when the function returned without an error.
//
// The SDK's own retries are off: an attempt is one attempt, and what fails is tried again with the
// emitter's backoff. The constants named Reason… say what is tried again and what is not.
package lambdadispatch
