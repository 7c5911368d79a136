package boltqueue

import (
	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// tables is the transaction of a group, and what it changes in the index if it succeeds. Only the
// committer has one, and only it changes markers and dead letters, so it may read those without the
// lock.
type tables struct {
	x    *index
	opts *Options
	ops  []op

	tx      *bbolt.Tx
	buckets struct{ meta, jobs, progress, dead, acked, lanes *bbolt.Bucket } // those in use

	settled []settledJob  // jobs that leave
	purged  bool          // they, and those that have left before, were deleted
	marked  []marker      // IDs to remember
	unmark  int           // groups of markers to evict
	markKey uint64        // of the group of markers that is written
	evicted []*deadLetter // dead letters to evict
	lanes   []laneWrite
}

func (x *index) tables(opts *Options) *tables { return &tables{x: x, opts: opts} }

// write writes the group.
func (t *tables) write(tx *bbolt.Tx) error {
	t.tx = tx
	for _, o := range t.ops {
		if err := o.write(t); err != nil {
			return err
		}
	}
	if err := t.evictDead(); err != nil {
		return err
	}
	if err := t.writeLanes(); err != nil {
		return err
	}
	if err := t.writeSettled(); err != nil {
		return err
	}
	return t.writeMarkers()
}

// The buckets. One is looked for when it is first used: most groups use three of them.
func (t *tables) meta() *bbolt.Bucket       { return t.bucket(&t.buckets.meta, metaBucket, 0) }
func (t *tables) jobs() *bbolt.Bucket       { return t.bucket(&t.buckets.jobs, jobsBucket, 1) }
func (t *tables) progress() *bbolt.Bucket   { return t.bucket(&t.buckets.progress, progressBucket, 0) }
func (t *tables) dead() *bbolt.Bucket       { return t.bucket(&t.buckets.dead, deadBucket, 1) }
func (t *tables) acked() *bbolt.Bucket      { return t.bucket(&t.buckets.acked, ackedBucket, 1) }
func (t *tables) laneStates() *bbolt.Bucket { return t.bucket(&t.buckets.lanes, lanesBucket, 0) }

// bucket returns a bucket. One that grows at its end has its pages filled up.
func (t *tables) bucket(b **bbolt.Bucket, name string, fill float64) *bbolt.Bucket {
	if *b == nil {
		*b = t.tx.Bucket([]byte(name))
		if fill > 0 {
			(*b).FillPercent = fill
		}
	}
	return *b
}

// putJob writes a new job.
func (t *tables) putJob(e *entry, job *queue.Job) error {
	r := record{
		id: job.ID, lane: job.Lane, ordered: job.Ordered, span: e.Value.span, enqueued: t.x.unix(e.Enqueued()),
	}
	value := append(r.append(t.x.values.room(r.len()+len(job.Data))), job.Data...)
	if err := t.jobs().Put(key(e.Value.seq), value); err != nil {
		return err
	}
	if p := t.x.progress(e); p != (progress{}) {
		return t.progress().Put(key(e.Value.seq), p.encode())
	}
	return nil
}

// noteProgress rewrites a job's progress, unless that changes nothing.
func (t *tables) noteProgress(seq uint64, p progress) error {
	k := key(seq)
	switch old := decodeProgress(t.progress().Get(k)); {
	case old == p, t.jobs().Get(k) == nil:
		return nil
	case p == progress{}:
		return t.progress().Delete(k)
	}
	return t.progress().Put(k, p.encode())
}

// noteAll rewrites the progress of jobs.
func (t *tables) noteAll(notes []note) error {
	for _, n := range notes {
		if err := t.noteProgress(n.seq, n.progress); err != nil {
			return err
		}
	}
	return nil
}

// deleteJob deletes what the file has of a job.
func (t *tables) deleteJob(seq uint64) error {
	k := key(seq)
	if err := t.jobs().Delete(k); err != nil {
		return err
	}
	return t.progress().Delete(k)
}

// apply makes the index agree with the file after a group was written, or was not because of err.
func (t *tables) apply(err error) {
	t.applyLanes(err)
	t.applyEvicted(err)
	t.applySettled(err)
	if err == nil {
		t.applyMarkers()
	}
}
