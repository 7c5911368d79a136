package webhook

import "sync"

// members counts the connections of users to presence channels, for hosts that emit a member event
// for each of them: see Options.MemberConnections.
type members struct {
	mu sync.Mutex
	of map[debounceKey]int
}

// maxMembers bounds the count. Members beyond it are not counted: each of their events is sent.
const maxMembers = 1_000_000

func newMembers() *members { return &members{of: map[debounceKey]int{}} }

// observe counts a member event's connection. It reports whether ev should be emitted: it is not a
// member event, or it is for the user's first connection or last disconnection. m may be nil.
func (m *members) observe(ev *Event) bool {
	if m == nil {
		return true
	}
	switch ev.Type {
	case TypeMemberAdded:
		return m.add(memberOf(ev), 1) == 1
	case TypeMemberRemoved:
		return m.add(memberOf(ev), -1) == 0
	}
	return true
}

// revert takes back an event that was observed and then refused, so that the host can emit it
// again. m may be nil.
func (m *members) revert(ev *Event) {
	if m == nil {
		return
	}
	switch ev.Type {
	case TypeMemberAdded:
		m.add(memberOf(ev), -1)
	case TypeMemberRemoved:
		m.add(memberOf(ev), 1)
	}
}

func memberOf(ev *Event) debounceKey {
	return debounceKey{app: ev.AppID, channel: ev.Channel, user: ev.UserID}
}

// add changes a user's number of connections and returns it. It is never less than 0; one that is
// not counted comes as 1 when it is added, and as 0 when it is removed.
func (m *members) add(s debounceKey, n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	count, known := m.of[s]
	count = max(0, count+n)
	switch {
	case count == 0:
		delete(m.of, s)
	case known || len(m.of) < maxMembers:
		m.of[s] = count
	}
	return count
}
