package redisqueue

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/queue"
)

// readers is how many chunks of data are read side by side, so that some are on their way while the
// next ones are asked for.
const readers = 4

// readLarge reads the data of large jobs, which the take script does not return, chunk by chunk. It
// returns the leases whose data came, and gives the others back. With AtMostOnce the script does
// return the data, since the job is gone then.
func (q *Queue) readLarge(ctx context.Context, p *partition, leases []queue.Lease) ([]queue.Lease, error) {
	r := &reading{q: q, p: p, leases: leases}
	r.split(int(q.budget(p, chunksPerBudget)))
	if len(r.chunks) == 0 {
		return leases, nil
	}
	q.rate.start()
	var all sync.WaitGroup
	for range min(readers, len(r.chunks)) - 1 {
		all.Go(func() { r.run(ctx) })
	}
	r.run(ctx)
	all.Wait()
	q.rate.stop(p.roundTrip())
	if r.err == nil {
		return leases, nil
	}
	read, unread := r.sorted()
	q.giveBack(unread)
	return read, r.err
}

// reading is the data of one take being read.
type reading struct {
	q      *Queue
	p      *partition
	leases []queue.Lease
	chunks []chunk

	mu   sync.Mutex
	next int   // the chunk to read next
	err  error // why reading ended early
}

// chunk is a part of the leases, and how much data the large ones of them have.
type chunk struct {
	leases []queue.Lease
	bytes  int
	read   bool
}

// isLarge reports whether a lease's data is still to be read.
func isLarge(l *queue.Lease) bool { return len(l.Data) == 0 && sizeOf(l) > inlineBytes }

// split makes chunks of about size bytes, unless there is no large job.
func (r *reading) split(size int) {
	first, bytes, large := 0, 0, false
	for i := range r.leases {
		l := &r.leases[i]
		if !isLarge(l) {
			continue
		}
		n := sizeOf(l)
		if large && bytes+n > size {
			r.chunks = append(r.chunks, chunk{leases: r.leases[first:i], bytes: bytes})
			first, bytes = i, 0
		}
		large = true
		bytes += n
	}
	if large {
		r.chunks = append(r.chunks, chunk{leases: r.leases[first:], bytes: bytes})
	}
}

// run reads chunks until there are none, or one could not be read.
func (r *reading) run(ctx context.Context) {
	for {
		r.mu.Lock()
		k := r.next
		r.next++
		ended := r.err != nil || k >= len(r.chunks)
		r.mu.Unlock()
		if ended {
			return
		}
		c, begun := &r.chunks[k], time.Now()
		if err := r.read(ctx, c); err != nil {
			r.mu.Lock()
			// Not wrapped, because this is no refusal of Redis to lease: the jobs are leased.
			r.err = fmt.Errorf("redisqueue: receive from partition %d: read large jobs: %s", r.p.number, err.Error())
			r.mu.Unlock()
			r.q.noteFailure(r.p, err, readers*int64(c.bytes), time.Since(begun))
			return
		}
		c.read = true
		r.q.rate.add(c.bytes)
	}
}

// read reads the data of a chunk.
func (r *reading) read(ctx context.Context, c *chunk) error {
	var ids []any
	for i := range c.leases {
		if isLarge(&c.leases[i]) {
			ids = append(ids, c.leases[i].ID)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.p.timeout()+r.q.rate.expect(2*readers*int64(c.bytes)))
	defer cancel()
	data, err := await(ctx, r.q, func() ([]any, error) { return r.q.readData(ctx, r.p, ids) })
	if err != nil {
		return err
	}
	k := 0
	for i := range c.leases {
		if isLarge(&c.leases[i]) {
			text, _ := data[k].(string)
			c.leases[i].Data = bytesOf(text)
			k++
		}
	}
	return nil
}

// sorted returns the leases whose data was read, and the others.
func (r *reading) sorted() (read, unread []queue.Lease) {
	for i := range r.chunks {
		if r.chunks[i].read {
			read = append(read, r.chunks[i].leases...)
			continue
		}
		for _, l := range r.chunks[i].leases {
			if isLarge(&l) {
				unread = append(unread, l)
			} else {
				read = append(read, l)
			}
		}
	}
	return read, unread
}

// readData returns the data of large jobs, in the order of their IDs. What the master does not seem
// to have is read again by a script, which no replica runs: the master may just have become one.
func (q *Queue) readData(ctx context.Context, p *partition, ids []any) ([]any, error) {
	var data []any
	var err error
	q.send(ctx, p, func(c commander) error {
		cmd := single{redis.NewCmd(ctx, append([]any{"hmget", p.large()}, ids...)...)}
		_ = q.master(ctx, c, p).Process(ctx, cmd)
		data, err = cmd.Slice()
		return err
	})
	if err != nil {
		return nil, err
	}
	var missing []any
	var at []int
	for i, v := range data {
		if _, ok := v.(string); !ok {
			missing, at = append(missing, ids[i]), append(at, i)
		}
	}
	if len(missing) == 0 {
		return data, nil
	}
	answer, err := q.eval(ctx, readScript, p, missing)
	for i, v := range list(answer) {
		data[at[i]] = v
	}
	return data, err
}

// bytesOf returns a text of an answer as bytes. The client has made the text of bytes that nobody
// else has, so it need not be copied.
func bytesOf(text string) []byte {
	if text == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(text), len(text))
}
