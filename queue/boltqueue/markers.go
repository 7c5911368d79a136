package boltqueue

import "strings"

// markerGroup is the IDs of jobs that one commit deleted, which the file keeps under one key: they are
// written together and evicted together.
type markerGroup struct {
	key uint64
	ids []idHash
}

// marker is the ID of a job that has left the queue.
type marker struct {
	id   string
	hash idHash
}

func (x *index) marker(id string) marker { return marker{id, x.hash(id)} }

// writeMarkers writes the IDs of what the group deleted, and evicts the oldest.
func (t *tables) writeMarkers() error {
	if len(t.marked) == 0 {
		return nil
	}
	total := t.x.marked + len(t.marked)
	for t.unmark < len(t.x.markers) && total > t.opts.MaxMarkers {
		old := t.x.markers[t.unmark]
		if err := t.acked().Delete(key(old.key)); err != nil {
			return err
		}
		total -= len(old.ids)
		t.unmark++
	}
	t.markKey = 1
	if n := len(t.x.markers); n > 0 {
		t.markKey = t.x.markers[n-1].key + 1
	}
	ids := make([]string, len(t.marked))
	for i := range t.marked {
		ids[i] = t.marked[i].id
	}
	return t.acked().Put(key(t.markKey), []byte(strings.Join(ids, "\n")))
}

func (t *tables) applyMarkers() {
	x := t.x
	for _, old := range x.markers[:t.unmark] {
		x.unmark(old)
	}
	x.markers = x.markers[t.unmark:]
	if len(t.marked) > 0 {
		x.mark(t.markKey, t.marked)
	}
}

// mark remembers the IDs of a group.
func (x *index) mark(key uint64, ids []marker) {
	g := markerGroup{key: key, ids: make([]idHash, len(ids))}
	for i := range ids {
		g.ids[i] = ids[i].hash
		x.known[g.ids[i]] = nil
	}
	x.markers = append(x.markers, g)
	x.marked += len(ids)
}

// unmark forgets those of a group.
func (x *index) unmark(g markerGroup) {
	for _, h := range g.ids {
		if x.known[h] == nil {
			delete(x.known, h)
			delete(x.dead.left, h)
		}
	}
	x.marked -= len(g.ids)
}
