package boltqueue

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/pushhooks/webhook/internal/lanes"
	"github.com/pushhooks/webhook/queue"
)

// SetLane changes a lane's state, and returns when that is on the disk. When the disk fails, the
// new state holds until the file is closed, and is written with the next change.
func (q *Queue) SetLane(ctx context.Context, u queue.LaneUpdate) error {
	u, err := u.Checked()
	if err != nil {
		return err
	}
	if err := checkLane(u.Lane); err != nil {
		return err
	}
	o := &laneOp{update: lanes.Update{
		Lane: u.Lane, Health: lanes.Health(u.Health), Hold: u.Hold,
		Since: receiptNumber(u.Since.Receipt), Reason: u.Reason, For: u.For,
	}}
	if err := q.do(ctx, o); err != nil {
		return err
	}
	if o.verdict == lanes.RefusedHealthy {
		return queue.ErrLaneHealthy
	}
	return nil
}

// laneOp changes a lane's state. The group writes it, after all of its operations were admitted.
type laneOp struct {
	update  lanes.Update
	verdict lanes.Verdict
}

func (o *laneOp) admit(x *index, now time.Duration) bool {
	o.verdict = x.set.SetLane(o.update, now)
	if o.verdict != lanes.Changed {
		return false
	}
	x.changed(o.update.Lane)
	return true
}

func (o *laneOp) write(*tables) error                 { return nil }
func (o *laneOp) finish(*index, time.Duration, error) {}

// Lanes lists lanes in the order of their names.
func (q *Queue) Lanes(ctx context.Context, after string, limit int) ([]queue.LaneInfo, error) {
	if err := q.dropOld(ctx); err != nil {
		return nil, err
	}
	x, now, err := q.begin()
	if err != nil {
		return nil, err
	}
	defer q.end()
	var list []queue.LaneInfo
	for _, l := range x.set.Page(after, limit, maps.Keys(x.dead.lanes)) {
		i := x.set.Info(l, now)
		info := queue.LaneInfo{
			Lane: l.Name, Ready: i.Ready, Oldest: i.Oldest, Health: queue.Health(i.Health), Holds: i.Holds,
			Reason: i.Reason, Delayed: i.Delayed, Leased: i.Leased, Bytes: i.Bytes, Dead: x.dead.of(l.Name),
		}
		if i.Health != lanes.Untried {
			info.Since = x.set.Time(i.Since)
		}
		if i.Held {
			info.HeldUntil = x.set.Time(i.HeldUntil)
		}
		list = append(list, info)
	}
	return list, nil
}

// seenEvery is how exactly the file tells when a lane's last job left (H6): a settlement writes
// nothing of its lane while the lane's record is younger than that.
const seenEvery = time.Hour

// laneRecords is what the index knows of the lanes' records in the file.
type laneRecords struct {
	seen  map[string]int64    // of each record: laneRecord.seen
	dirty map[string]struct{} // lanes whose record is to be written or removed
	swept time.Duration       // when records of forgotten lanes were last looked for
}

// changed notes that a lane's state is no longer what its record tells.
func (x *index) changed(lane string) { x.lanes.dirty[lane] = struct{}{} }

// used notes that a job of a lane is settled, so that its record tells when the lane was used last.
func (x *index) used(lane string, now time.Duration) {
	if seen, ok := x.lanes.seen[lane]; ok && x.unix(now)-seen >= int64(seenEvery) {
		x.changed(lane)
	}
}

// sweep finds the records of lanes that the set has forgotten.
func (x *index) sweep(now time.Duration) {
	if now-x.lanes.swept < seenEvery {
		return
	}
	x.lanes.swept = now
	for lane := range x.lanes.seen {
		if x.set.Lane(lane) == nil {
			x.changed(lane)
		}
	}
}

// laneWrite is a lane's record to write, or to remove if it is nil.
type laneWrite struct {
	lane   string
	record *laneRecord
}

// planLanes takes what is to be written of lanes.
func (t *tables) planLanes(now time.Duration) {
	x := t.x
	x.sweep(now)
	for name := range x.lanes.dirty {
		w := laneWrite{lane: name}
		if l := x.set.Lane(name); l != nil {
			if st, ok := x.set.Stored(l); ok {
				w.record = x.laneRecord(&st, now)
			}
		}
		if _, stored := x.lanes.seen[name]; stored || w.record != nil {
			t.lanes = append(t.lanes, w)
		}
	}
	clear(x.lanes.dirty)
}

func (x *index) laneRecord(st *lanes.Stored, now time.Duration) *laneRecord {
	r := &laneRecord{
		health: uint8(st.Health), held: st.Held, holds: uint32(st.Holds), seen: x.unix(now), since: x.unix(st.Since),
		reason: st.Reason,
	}
	if st.Held {
		r.heldUntil = x.unix(st.HeldUntil)
	}
	return r
}

// writeLanes writes the records.
func (t *tables) writeLanes() error {
	for _, w := range t.lanes {
		var err error
		if w.record == nil {
			err = t.laneStates().Delete([]byte(w.lane))
		} else {
			err = t.laneStates().Put([]byte(w.lane), w.record.encode())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// applyLanes notes what was written, or what is still to be.
func (t *tables) applyLanes(err error) {
	x := t.x
	for _, w := range t.lanes {
		switch {
		case err != nil:
			x.changed(w.lane)
		case w.record == nil:
			delete(x.lanes.seen, w.lane)
		default:
			x.lanes.seen[w.lane] = w.record.seen
		}
	}
}

// storedLane is a lane's record that was read.
type storedLane struct {
	name    string
	record  laneRecord
	emptied int64 // when its last job left at the latest, if it has none
}

// loadLanes gives the lanes the state that the file keeps, and removes what is kept long enough or
// cannot be read. The jobs were loaded before.
func (t *tables) loadLanes(now time.Duration) error {
	var list []storedLane
	c := t.laneStates().Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		l := storedLane{name: string(k)}
		t.x.changed(l.name) // it is removed, unless it is restored below
		t.x.lanes.seen[l.name] = 0
		r, err := decodeLane(v)
		if err != nil {
			continue
		}
		l.record, l.emptied = r, min(r.seen+int64(seenEvery), t.x.unix(now))
		list = append(list, l)
	}
	// as the set keeps them
	slices.SortFunc(list, func(a, b storedLane) int { return cmp.Compare(a.emptied, b.emptied) })
	for i := range list {
		t.x.restoreLane(&list[i], now)
	}
	t.planLanes(now)
	return t.writeLanes()
}

// restoreLane restores the state of a lane.
func (x *index) restoreLane(l *storedLane, now time.Duration) {
	r := &l.record
	st := lanes.Stored{
		Health: lanes.Health(r.health), Since: x.at(r.since, now), Held: r.held, Holds: int(r.holds), Reason: r.reason,
	}
	if r.held {
		st.HeldUntil = min(time.Duration(r.heldUntil-x.zero), now+queue.MaxHold)
	}
	if x.set.Lane(l.name) == nil {
		st.Emptied = x.at(l.emptied, now)
	}
	x.set.RestoreLane(l.name, st, now)
	if x.set.Lane(l.name) != nil {
		x.lanes.seen[l.name] = r.seen
		delete(x.lanes.dirty, l.name)
	}
}
