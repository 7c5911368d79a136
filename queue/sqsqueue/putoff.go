package sqsqueue

import (
	"slices"
	"time"
)

const (
	// After a job was delayed and not attempted, its lane is one for others for so long, as far as no Receive wants it.
	putOffMemory = 10 * time.Second

	// Such a lane's messages are left to the others for absenceLeast, which doubles with every fourth receive
	// up to absenceMost: SQS counts the receives and moves what was received too often.
	absenceLeast = time.Second
	absenceMost  = time.Minute
)

// leaveToOthers lets go of what is parked of lanes that are for others, and returns the changes which
// make it visible. The caller holds q.mu.
func (q *Queue) leaveToOthers(now time.Time) (changes []visibility) {
	for name, until := range q.putOff {
		switch l := q.park.lanes[name]; {
		case !until.After(now):
			delete(q.putOff, name)
		case l != nil && q.unwanted(name):
			changes = append(changes, q.letGo(slices.DeleteFunc(slices.Clone(l.ready), (*message).isPart))...)
		}
	}
	for i, c := range changes {
		changes[i].timeout = absence(c.m.receives)
	}
	return changes
}

// unwanted tells whether Receives wait and none of them wants the lane. The caller holds q.mu.
func (q *Queue) unwanted(lane string) bool {
	for w := range q.waiting {
		if n, _ := w.want.Of(lane); n > 0 {
			return false
		}
	}
	return len(q.waiting) > 0
}

// absence is how long a message that was received so often is left to the others.
func absence(receives int) time.Duration {
	return min(absenceLeast<<min(receives/4, 10), absenceMost)
}

// isPart tells whether the message lives in this process only.
func (m *message) isPart() bool { return m.split != nil }
