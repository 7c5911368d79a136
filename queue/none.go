package queue

import "context"

// None is the queue that takes nothing: webhooks are disabled. It is the reference's
// QUEUE_DRIVER=none. An emitter with it accepts every event of a known app and does nothing.
var None Queue = none{}

type none struct{}

func (none) Traits() Traits                                  { return Traits{Disabled: true} }
func (none) Enqueue(context.Context, []Job) error            { return nil }
func (none) Extend(context.Context, []Lease) error           { return nil }
func (none) Ack(context.Context, []Lease) error              { return nil }
func (none) Nack(context.Context, []Nack) error              { return nil }
func (none) Release(context.Context, []Lease) error          { return nil }
func (none) SetLane(context.Context, LaneUpdate) error       { return nil }
func (none) Replace(context.Context, Lease, []Job) error     { return nil }
func (none) DeadLetter(context.Context, Lease, string) error { return nil }
func (none) Close() error                                    { return nil }
func (none) Receive(ctx context.Context, _ Want) ([]Lease, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
