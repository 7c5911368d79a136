package flatqueue

import (
	"context"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// SetLane changes a lane's state in this process.
func (q *Queue) SetLane(_ context.Context, u queue.LaneUpdate) error {
	u, err := u.Checked()
	if err != nil {
		return err
	}
	now, err := q.begin()
	if err != nil {
		return err
	}
	defer q.mu.Unlock()
	verdict := q.set.SetLane(lanes.Update{
		Lane: u.Lane, Health: lanes.Health(u.Health), Hold: u.Hold,
		Since: leaseNumber(u.Since.Receipt), Reason: u.Reason, For: u.For,
	}, now)
	if verdict == lanes.RefusedHealthy {
		return queue.ErrLaneHealthy
	}
	q.lookBy(now) // its share of the park may be less
	return nil
}

// noOthers is the names of lanes that the set does not have.
func noOthers(func(string) bool) {}

// Lanes lists what this process knows of its lanes. Ready counts the jobs that are parked here;
// what else the store has of a lane is not known.
func (q *Queue) Lanes(_ context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	now, err := q.begin()
	if err != nil {
		return nil, err
	}
	defer q.mu.Unlock()
	var list []queue.LaneInfo
	for _, l := range q.set.Page(after, limit, noOthers) {
		i := q.set.Info(l, now)
		info := queue.LaneInfo{
			Lane: l.Name, Ready: i.Ready, Oldest: i.Oldest, Health: queue.Health(i.Health), Holds: i.Holds, Reason: i.Reason,
			Delayed: -1, Leased: -1, Bytes: -1, Dead: -1,
		}
		if i.Health != lanes.Untried {
			info.Since = q.set.Time(i.Since)
		}
		if i.Held {
			info.HeldUntil = q.set.Time(i.HeldUntil)
		}
		list = append(list, info)
	}
	return list, nil
}
