package boltqueue

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/queue"
)

// The benchmarks come in pairs: the queue, and bare bbolt updates of the same batches, so that
// their ratio tells what the queue costs whatever the disk is.

const (
	benchData  = 500
	benchBatch = 100
)

func benchJobs(prefix string, n, size int) []queue.Job {
	jobs := make([]queue.Job, n)
	data := make([]byte, size)
	for i := range data {
		data[i] = 'a' + byte(i%26)
	}
	for i := range jobs {
		jobs[i] = queue.Job{ID: fmt.Sprintf("%s-%d", prefix, i), Lane: fmt.Sprintf("app/hook-%d", i%10), Data: data}
	}
	return jobs
}

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{benchData, 14_000} {
		b.Run(fmt.Sprintf("size=%d/queue", size), func(b *testing.B) {
			q := open(b, file(b), Options{MaxJobs: 1 << 30, MaxBytes: 1 << 50})
			jobs := benchJobs("j", b.N, size)
			b.ResetTimer()
			for i := 0; i < b.N; i += benchBatch {
				enqueue(b, q, jobs[i:min(i+benchBatch, b.N)]...)
			}
		})
		b.Run(fmt.Sprintf("size=%d/bbolt", size), func(b *testing.B) {
			db := bare(b)
			jobs := benchJobs("j", b.N, size)
			b.ResetTimer()
			for i := 0; i < b.N; i += benchBatch {
				barePut(b, db, i, jobs[i:min(i+benchBatch, b.N)])
			}
		})
	}
}

func BenchmarkTakeAndAck(b *testing.B) {
	for _, size := range []int{benchData, 14_000} {
		b.Run(fmt.Sprintf("size=%d/queue", size), func(b *testing.B) {
			q := open(b, file(b), Options{MaxJobs: 1 << 30, MaxBytes: 1 << 50})
			jobs := benchJobs("j", b.N, size)
			for i := 0; i < b.N; i += 1000 {
				enqueue(b, q, jobs[i:min(i+1000, b.N)]...)
			}
			b.ResetTimer()
			for left := b.N; left > 0; {
				leases, err := q.Receive(b.Context(), all(benchBatch))
				must(b, err)
				must(b, q.Ack(b.Context(), leases))
				left -= len(leases)
			}
		})
		b.Run(fmt.Sprintf("size=%d/bbolt", size), func(b *testing.B) {
			db := bare(b)
			jobs := benchJobs("j", b.N, size)
			for i := 0; i < b.N; i += 1000 {
				barePut(b, db, i, jobs[i:min(i+1000, b.N)])
			}
			b.ResetTimer()
			for i := 0; i < b.N; i += benchBatch {
				bareTake(b, db, benchBatch)
			}
		})
	}
}

func BenchmarkProducers(b *testing.B) {
	const producers = 64
	b.Run("queue", func(b *testing.B) {
		q := open(b, file(b), Options{MaxJobs: 1 << 30, MaxBytes: 1 << 50})
		jobs := benchJobs("j", b.N, benchData)
		b.ResetTimer()
		each(producers, b.N, func(i int) { enqueue(b, q, jobs[i]) })
		reportCommits(b, q)
	})
	b.Run("bbolt", func(b *testing.B) {
		db := bare(b)
		jobs := benchJobs("j", b.N, benchData)
		b.ResetTimer()
		for i := 0; i < b.N; i += producers { // the best that group commit could do
			barePut(b, db, i, jobs[i:min(i+producers, b.N)])
		}
	})
}

// BenchmarkThrough enqueues, receives and acks at the same time, with a backlog of some thousand
// jobs at most, as a host does whose receivers keep up.
func BenchmarkThrough(b *testing.B) {
	for _, size := range []int{benchData, 14_000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			q := open(b, file(b), Options{})
			jobs := benchJobs("j", b.N, size)
			backlog := make(chan struct{}, 2000)
			b.ResetTimer()
			b.ReportAllocs()
			go put(b, q, jobs, backlog)
			each(4, (b.N+benchBatch-1)/benchBatch, func(i int) {
				takeAndAck(b, q, backlog, min(benchBatch, b.N-i*benchBatch))
			})
			reportCommits(b, q)
		})
	}
}

// reportCommits reports how many jobs shared a commit.
func reportCommits(b *testing.B, q *Queue) {
	must(b, q.store.db.View(func(tx *bbolt.Tx) error {
		b.ReportMetric(float64(b.N)/float64(tx.ID()), "jobs/commit")
		return nil
	}))
}

// put enqueues jobs in batches, as far as the backlog has room.
func put(b *testing.B, q *Queue, jobs []queue.Job, backlog chan<- struct{}) {
	for batch := range slices.Chunk(jobs, benchBatch) {
		for range batch {
			backlog <- struct{}{}
		}
		enqueue(b, q, batch...)
	}
}

// takeAndAck settles as many jobs as are left, in as many calls as it takes.
func takeAndAck(b *testing.B, q *Queue, backlog <-chan struct{}, left int) {
	for left > 0 {
		leases, err := q.Receive(b.Context(), all(left))
		must(b, err)
		must(b, q.Ack(b.Context(), leases))
		for range leases {
			<-backlog
		}
		left -= len(leases)
	}
}

// each calls f with 0 to n-1 from several goroutines.
func each(goroutines, n int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	wg.Wait()
}

// bare opens a bbolt database as the queue does.
func bare(b *testing.B) *bbolt.DB {
	db, err := bbolt.Open(file(b), 0o600, boltOptions())
	must(b, err)
	b.Cleanup(func() { db.Close() })
	must(b, db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("b"))
		return err
	}))
	return db
}

func barePut(b *testing.B, db *bbolt.DB, first int, jobs []queue.Job) {
	must(b, db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("b"))
		bucket.FillPercent = 1
		for i := range jobs {
			if err := bucket.Put(key(uint64(first+i)), jobs[i].Data); err != nil {
				return err
			}
		}
		return nil
	}))
}

// bareTake reads and deletes the first n values.
func bareTake(b *testing.B, db *bbolt.DB, n int) {
	must(b, db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("b"))
		var keys [][]byte
		c := bucket.Cursor()
		for k, v := c.First(); k != nil && len(keys) < n; k, v = c.Next() {
			_ = append([]byte(nil), v...)
			keys = append(keys, k)
		}
		for _, k := range keys {
			if err := bucket.Delete(k); err != nil {
				return err
			}
		}
		return nil
	}))
}
