package redisqueue

import (
	"cmp"
	"context"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// SetLane changes a lane's state.
func (q *Queue) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	u, err := u.Checked()
	if err != nil {
		return err
	}
	args := []any{u.Lane, int(u.Health), u.Hold.Microseconds(), began(&u.Since), u.Reason, u.For.Microseconds()}
	answer, err := q.ask(ctx, setLaneScript, u.Lane, args)
	if err == nil && number(answer) == 0 {
		err = queue.ErrLaneHealthy
	}
	return err
}

const (
	// lanePage is how many lanes one script looks at, and listPage how many it lists, which takes
	// longer.
	lanePage = 500
	listPage = 250

	// maxLanes is how many lanes are listed in one call.
	maxLanes = 1000
)

// Lanes lists lanes in the order of their names, at most 1,000 in a call.
func (q *Queue) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	limit = min(limit, maxLanes)
	if limit <= 0 {
		return nil, q.alive()
	}
	return first(ctx, q, limit,
		func(a, b *queue.LaneInfo) int { return cmp.Compare(a.Lane, b.Lane) },
		func(p *partition, last *queue.LaneInfo, n int) ([]queue.LaneInfo, error) {
			if last != nil {
				return q.lanesOf(ctx, p, last.Lane, n)
			}
			return q.lanesOf(ctx, p, after, n)
		})
}

// lanesOf lists the lanes of a partition. It passes over those that have no jobs, state or dead
// letters.
func (q *Queue) lanesOf(ctx context.Context, p *partition, after string, limit int) ([]queue.LaneInfo, error) {
	var infos []queue.LaneInfo
	for {
		page := min(limit, listPage)
		start := time.Now()
		answer, err := q.eval(ctx, lanesScript, p, append([]any{after, page}, q.deadLimits()...))
		if err != nil {
			return nil, err
		}
		lanes := list(answer)
		if len(lanes) == 0 {
			continue // a script ends a hundred of what is due, and drops a hundred dead letters
		}
		now := int64(number(lanes[0]))
		p.noteClock(start, now)
		for _, v := range lanes[1:] {
			info := p.readLane(list(v), now)
			after = info.Lane
			if used := info.Ready+info.Delayed+info.Leased+info.Dead > 0; used || info.Health != queue.Untried || !info.HeldUntil.IsZero() {
				infos = append(infos, info)
			}
		}
		if len(lanes) <= page || len(infos) >= limit {
			return infos, nil
		}
	}
}

// readLane reads what lua/lanes.lua returns of a lane.
func (p *partition) readLane(f []any, now int64) queue.LaneInfo {
	if len(f) < 13 {
		return queue.LaneInfo{}
	}
	name, _ := f[0].(string)
	info := queue.LaneInfo{
		Lane: name, Ready: number(f[1]), Delayed: number(f[3]), Leased: number(f[4]), Bytes: int64(number(f[5])),
		Health: queue.Health(number(f[6])), Since: p.local(int64(number(f[7]))), Holds: number(f[10]),
		Dead: number(f[12]),
	}
	if enqueued := int64(number(f[2])); enqueued > 0 {
		info.Oldest = age(enqueued, now)
	}
	if number(f[8]) > 0 {
		info.HeldUntil = p.local(int64(number(f[9])))
	}
	if info.Health == queue.Failing {
		info.Reason, _ = f[11].(string)
	}
	return info
}

// sweep forgets the lanes of a partition that have had no jobs for the given time.
func (q *Queue) sweep(ctx context.Context, p *partition, age time.Duration) error {
	for after := ""; ; {
		answer, err := q.eval(ctx, sweepScript, p, []any{after, lanePage, age.Microseconds()})
		if err != nil {
			return err
		}
		if after, _ = answer.(string); after == "" {
			return nil
		}
	}
}
