package queue

import (
	"context"
	"maps"

	"github.com/pushhooks/webhook/internal/lanes"
)

// SetLane changes a lane's state.
func (m *Memory) SetLane(_ context.Context, u LaneUpdate) error {
	u, err := u.Checked()
	if err != nil {
		return err
	}
	now, err := m.begin()
	if err != nil {
		return err
	}
	defer m.mu.Unlock()
	verdict := m.set.SetLane(lanes.Update{
		Lane: u.Lane, Health: lanes.Health(u.Health), Hold: u.Hold,
		Since: receiptNumber(u.Since.Receipt), Reason: u.Reason, For: u.For,
	}, now)
	if verdict == lanes.RefusedHealthy {
		return ErrLaneHealthy
	}
	return nil
}

// Lanes lists lanes in the order of their names.
func (m *Memory) Lanes(_ context.Context, after string, limit int) ([]LaneInfo, error) {
	now, err := m.begin()
	if err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	m.evict()
	var list []LaneInfo
	for _, l := range m.set.Page(after, limit, maps.Keys(m.dead.byLane)) {
		i := m.set.Info(l, now)
		info := LaneInfo{
			Lane: l.Name, Ready: i.Ready, Oldest: i.Oldest, Health: Health(i.Health), Holds: i.Holds, Reason: i.Reason,
			Delayed: i.Delayed, Leased: i.Leased, Bytes: i.Bytes, Dead: m.dead.of(l.Name),
		}
		if i.Health != lanes.Untried {
			info.Since = m.set.Time(i.Since)
		}
		if i.Held {
			info.HeldUntil = m.set.Time(i.HeldUntil)
		}
		list = append(list, info)
	}
	return list, nil
}
