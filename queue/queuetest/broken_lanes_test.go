package queuetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// staysUntried forgets every success.
type staysUntried struct{ *queue.Memory }

func (q staysUntried) Ack(ctx context.Context, leases []queue.Lease) error {
	err := q.Memory.Ack(ctx, leases)
	for _, l := range leases {
		if l.Health == queue.Untried {
			_ = q.Memory.SetLane(ctx, queue.LaneUpdate{Lane: l.Lane})
		}
	}
	return err
}

// opensOnAnyAck ends a hold by the Ack of a lease that began before it.
type opensOnAnyAck struct{ *queue.Memory }

func (q opensOnAnyAck) Ack(ctx context.Context, leases []queue.Lease) error {
	for _, l := range leases {
		if l.Health == queue.Untried && held(q.Memory, l.Lane) {
			_ = q.Memory.SetLane(ctx, queue.LaneUpdate{Lane: l.Lane})
		}
	}
	return q.Memory.Ack(ctx, leases)
}

// tellsHealthAfterwards has leases tell a state that is not the lane's.
type tellsHealthAfterwards struct{ *queue.Memory }

func (q tellsHealthAfterwards) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for i := range leases {
		leases[i].Health = queue.Healthy
	}
	return leases, err
}

// held reports whether a lane is held.
func held(m *queue.Memory, lane string) bool {
	lanes, _ := m.Lanes(context.Background(), "", 1000)
	return slices.ContainsFunc(lanes, func(l queue.LaneInfo) bool { return l.Lane == lane && !l.HeldUntil.IsZero() })
}

// again holds a lane for longer, or for no time.
func again(m *queue.Memory, lane string, hold time.Duration) {
	_ = m.SetLane(context.Background(), queue.LaneUpdate{Lane: lane, Health: queue.Failing, Hold: hold})
}

// ignoresHolds holds no lane, and does not list them.
type ignoresHolds struct{ queue.Queue }

func (q ignoresHolds) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	u.Hold = 0
	return q.Queue.SetLane(ctx, u)
}

// givesTwoProbes gives the next probe soon after the last one.
type givesTwoProbes struct{ *queue.Memory }

func (q givesTwoProbes) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for _, l := range leases {
		if l.Probe {
			again(q.Memory, l.Lane, time.Nanosecond)
		}
	}
	return leases, err
}

// punishesReleases holds a lane anew when its probe is released.
type punishesReleases struct{ *queue.Memory }

func (q punishesReleases) Release(ctx context.Context, leases []queue.Lease) error {
	err := q.Memory.Release(ctx, leases)
	for _, l := range leases {
		if l.Probe {
			again(q.Memory, l.Lane, time.Minute)
		}
	}
	return err
}

// countsFromTheLease makes the hold due again whenever a lease that was a probe is settled.
type countsFromTheLease struct{ *queue.Memory }

func (q countsFromTheLease) DeadLetter(ctx context.Context, l queue.Lease, reason string) error {
	err := q.Memory.DeadLetter(ctx, l, reason)
	if l.Probe {
		again(q.Memory, l.Lane, time.Nanosecond)
	}
	return err
}

// ignoresSince does every update as if a person had decided.
type ignoresSince struct{ *queue.Memory }

func (q ignoresSince) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	u.Since = queue.Lease{}
	return q.Memory.SetLane(ctx, u)
}

// dawdles lists a lane as failing from the update on.
type dawdles struct{ *queue.Memory }

func (q dawdles) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	u.For = 0
	return q.Memory.SetLane(ctx, u)
}

type countsNoHolds struct{ *queue.Memory }

func (q countsNoHolds) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for i := range leases {
		leases[i].Holds = min(leases[i].Holds, 1)
	}
	return leases, err
}

// refusesLateFailures returns an error where nothing is to be changed.
type refusesLateFailures struct{ *queue.Memory }

func (q refusesLateFailures) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	if u.Since.ID != "" && !u.Since.Probe && held(q.Memory, u.Lane) {
		return queue.ErrLaneHealthy
	}
	return q.Memory.SetLane(ctx, u)
}

type hidesRefusals struct{ *queue.Memory }

func (q hidesRefusals) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	err := q.Memory.SetLane(ctx, u)
	if errors.Is(err, queue.ErrLaneHealthy) {
		return nil
	}
	return err
}

// servesHealthyFirst serves other lanes only when no Healthy lane has a job.
type servesHealthyFirst struct{ *queue.Memory }

func (q servesHealthyFirst) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	soon, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	healthy := w
	healthy.MaxUntried, healthy.MaxFailing = 0, 0
	if leases, err := q.Memory.Receive(soon, healthy); err == nil {
		return leases, nil
	}
	return q.Memory.Receive(ctx, w)
}

type losesFailingLimit struct{ *queue.Memory }

func (q losesFailingLimit) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	w.MaxFailing = w.Max
	return q.Memory.Receive(ctx, w)
}

// forgetsEmptyLanes forgets a lane's state with its last job.
type forgetsEmptyLanes struct{ *queue.Memory }

func (q forgetsEmptyLanes) Ack(ctx context.Context, leases []queue.Lease) error {
	err := q.Memory.Ack(ctx, leases)
	lanes, _ := q.Lanes(ctx, "", 1000)
	for _, l := range lanes {
		if l.Ready+l.Delayed+l.Leased == 0 {
			_ = q.SetLane(ctx, queue.LaneUpdate{Lane: l.Lane})
		}
	}
	return err
}

type neverFails struct{ *queue.Memory }

func (neverFails) SetLane(context.Context, queue.LaneUpdate) error { return nil }

// namesNoReason does not say that a lane's failing is why a job was refused.
type namesNoReason struct{ *queue.Memory }

func (q namesNoReason) Enqueue(ctx context.Context, jobs []queue.Job) error {
	err := q.Memory.Enqueue(ctx, jobs)
	var failed *queue.BatchError
	for i := range jobs {
		if queue.ErrorOf(err, i) != nil {
			failed = failed.Fail(i, queue.ErrFull)
		}
	}
	return failed.Err()
}

// requeues makes jobs that come back the last of their lane.
type requeues struct{ *queue.Memory }

func (q requeues) Nack(ctx context.Context, nacks []queue.Nack) error {
	for _, n := range nacks {
		if err := q.DeadLetter(ctx, n.Lease, "failed"); err != nil {
			return err
		}
		if _, err := q.Replay(ctx, []queue.Replayed{{ID: n.ID, Job: n.Job}}); err != nil {
			return err
		}
	}
	return nil
}

// opensLate does not wake a Receive that waits when a hold ends by hand.
type opensLate struct{ *queue.Memory }

func (q opensLate) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	if u.Health == queue.Untried {
		time.AfterFunc(3*time.Second, func() { _ = q.Memory.SetLane(context.Background(), u) })
		return nil
	}
	return q.Memory.SetLane(ctx, u)
}

type listsBackwards struct{ *queue.Memory }

func (q listsBackwards) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	lanes, err := q.Memory.Lanes(ctx, after, limit)
	slices.Reverse(lanes)
	return lanes, err
}

type takesAnyUpdate struct{ *queue.Memory }

func (q takesAnyUpdate) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	_ = q.Memory.SetLane(ctx, u)
	return nil
}

type hasNoAge struct{ *queue.Memory }

func (q hasNoAge) Receive(ctx context.Context, w queue.Want) ([]queue.Lease, error) {
	leases, err := q.Memory.Receive(ctx, w)
	for i := range leases {
		leases[i].Age = 0
	}
	return leases, err
}
