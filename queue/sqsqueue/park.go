package sqsqueue

import (
	"cmp"
	"slices"
	"time"

	"github.com/pushhooks/webhook/queue"
)

// park holds the messages that this process has received: those that wait until a
// Receive wants them, and those that are leased. It does no I/O and is guarded by Queue.mu.
//
// A message is in one of three states: ready (in its lane's list), delayed (receipt
// empty and in delayed) or leased (in leases).
type park struct {
	lanes   map[string]*lane
	ring    []*lane             // lanes with ready messages; the first is next in turn
	byID    map[string]*message // by SQS's message id
	byJob   map[string]*message // by job id
	leases  map[string]*message // by receipt
	delayed map[*message]struct{}
	bytes   int64 // Data of ready and delayed messages
	seq     uint64
}

// lane is the messages of one lane.
type lane struct {
	name  string
	ready []*message // by seq
	busy  int        // leased and delayed
}

func newPark() *park {
	return &park{
		lanes:   make(map[string]*lane),
		byID:    make(map[string]*message),
		byJob:   make(map[string]*message),
		leases:  make(map[string]*message),
		delayed: make(map[*message]struct{}),
	}
}

// jobs counts the messages that are parked: ready or delayed.
func (p *park) jobs() int { return len(p.byID) - len(p.leases) }

// add parks a message that was just received, behind the others of its lane.
func (p *park) add(m *message) {
	p.seq++
	m.seq = p.seq
	p.register(m)
	p.queue(m)
}

func (p *park) register(m *message) {
	p.byID[m.id] = m
	p.byJob[m.job.ID] = m
	p.bytes += int64(len(m.job.Data))
}

// queue puts a message among the ready ones of its lane, in order of arrival.
func (p *park) queue(m *message) {
	l := p.lane(m)
	i, _ := slices.BinarySearchFunc(l.ready, m, func(a, b *message) int { return cmp.Compare(a.seq, b.seq) })
	p.insert(l, i, m)
}

func (p *park) insert(l *lane, i int, messages ...*message) {
	if len(l.ready) == 0 {
		p.ring = append(p.ring, l)
	}
	l.ready = slices.Insert(l.ready, i, messages...)
}

// replace puts parts in the place of a leased message of an ordered lane. They share its seq,
// because only the first of a lane is ever leased, and it comes back as the first.
func (p *park) replace(m *message, parts []*message) {
	l := p.lane(m)
	for _, part := range parts {
		part.seq = m.seq
		p.register(part)
	}
	p.insert(l, 0, parts...)
	p.forget(m)
}

func (p *park) lane(m *message) *lane {
	l := p.lanes[m.job.Lane]
	if l == nil {
		l = &lane{name: m.job.Lane}
		p.lanes[l.name] = l
	}
	return l
}

// take leases what fits into w, a message a lane in turn. receipt makes new receipts.
func (p *park) take(w queue.Want, now time.Time, receipt func() string) []*message {
	var taken []*message
	count, room := make(map[*lane]int), w.Cold
	for more := true; more; {
		more = false
		for _, l := range slices.Clone(p.ring) {
			limit, cold := w.Of(l.name)
			if len(taken) >= w.Jobs || !l.free() || count[l] >= limit || cold && room <= 0 {
				continue
			}
			if cold {
				room--
			}
			count[l]++
			more = true
			taken = append(taken, p.leaseFirst(l, now, receipt()))
		}
	}
	return taken
}

// free tells whether a message of the lane may be leased (rule R5).
func (l *lane) free() bool {
	return len(l.ready) > 0 && (l.busy == 0 || !l.ready[0].job.Ordered)
}

// leaseFirst leases the lane's oldest ready message and puts the lane last in turn.
func (p *park) leaseFirst(l *lane, now time.Time, receipt string) *message {
	m := l.ready[0]
	p.unqueue(m)
	if len(l.ready) > 0 {
		p.ring = append(p.unlisted(l), l)
	}
	p.bytes -= int64(len(m.job.Data))
	m.receipt, m.began = receipt, now
	p.leases[receipt] = m
	l.busy++
	return m
}

// unqueue removes a message from its lane's ready ones.
func (p *park) unqueue(m *message) {
	l := p.lane(m)
	l.ready = slices.DeleteFunc(l.ready, func(other *message) bool { return other == m })
	if len(l.ready) == 0 {
		p.ring = p.unlisted(l)
	}
}

func (p *park) unlisted(l *lane) []*lane {
	return slices.DeleteFunc(p.ring, func(other *lane) bool { return other == l })
}

// release ends a lease and parks the message again, ready at the given time.
func (p *park) release(m *message, ready, now time.Time) {
	delete(p.leases, m.receipt)
	m.receipt, m.ready = "", ready
	p.bytes += int64(len(m.job.Data))
	if ready.After(now) {
		p.delayed[m] = struct{}{}
		return // still busy
	}
	p.lane(m).busy--
	p.queue(m)
}

// wake makes a delayed message ready.
func (p *park) wake(m *message) {
	delete(p.delayed, m)
	p.lane(m).busy--
	p.queue(m)
}

// forget lets go of a message in any state.
func (p *park) forget(m *message) {
	if p.byID[m.id] != m {
		return
	}
	l := p.lane(m)
	switch _, delayed := p.delayed[m]; {
	case m.receipt != "":
		l.busy--
		delete(p.leases, m.receipt)
	case delayed:
		l.busy--
		delete(p.delayed, m)
		p.bytes -= int64(len(m.job.Data))
	default:
		p.unqueue(m)
		p.bytes -= int64(len(m.job.Data))
	}
	delete(p.byID, m.id)
	if p.byJob[m.job.ID] == m {
		delete(p.byJob, m.job.ID)
	}
	if l.busy == 0 && len(l.ready) == 0 {
		delete(p.lanes, l.name)
	}
}

// followers returns the parked messages of an ordered message's lane. SQS
// returns nothing of their group while any of them is in flight.
func (p *park) followers(m *message) []*message {
	if !m.job.Ordered {
		return nil
	}
	return slices.Clone(p.lane(m).ready)
}

// parked returns all ready and delayed messages, but not parts: their message is given
// back by its visibility timeout, because one of them may be under way.
func (p *park) parked() []*message {
	all := make([]*message, 0, p.jobs())
	for _, m := range p.byID {
		if m.receipt == "" && m.split == nil {
			all = append(all, m)
		}
	}
	return all
}

// oldest is the age of the oldest ready message.
func (p *park) oldest(now time.Time) (age time.Duration) {
	for _, l := range p.ring {
		for _, m := range l.ready {
			if !m.sent.IsZero() {
				age = max(age, now.Sub(m.sent))
			}
		}
	}
	return age
}
