module github.com/pushhooks/webhook/interop

go 1.26.0

require (
	github.com/pusher/pusher-http-go/v5 v5.1.1
	github.com/pushhooks/webhook v0.0.0
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1
	go.uber.org/goleak v1.3.0
)

require (
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/pushhooks/webhook => ../
