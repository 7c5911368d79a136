package boltqueue

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/pushhooks/webhook/internal/cputime"
	"github.com/pushhooks/webhook/queue"
)

// BenchmarkCost takes jobs through their whole life, with so many a call, and beside it a bare bbolt
// transaction that puts as many as it deletes, which is what the file can do at best. CPU time does
// not depend on what else the machine does: compare that.
func BenchmarkCost(b *testing.B) {
	for _, size := range []int{300, 14_000} {
		for _, n := range []int{1, 10, 50} {
			name := fmt.Sprintf("size=%d/call=%d/", size, n)
			b.Run(name+"bbolt", func(b *testing.B) { benchBare(b, size, n) })
			b.Run(name+"queue", func(b *testing.B) { benchLives(b, size, n, 1) })
			b.Run(name+"queue8", func(b *testing.B) { benchLives(b, size, n, 8) })
		}
	}
}

// benchLives enqueues, receives and acks n jobs a call; as many callers do the one as the other.
func benchLives(b *testing.B, size, n, callers int) {
	q := open(b, file(b), Options{MaxJobs: 1 << 20})
	jobs := benchJobs("j", b.N, size)
	backlog := make(chan struct{}, 2*callers*n+2000)
	before := commits(b, q.store.db)
	defer reportCPU(b)()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	wg.Go(func() {
		each(callers, (b.N+n-1)/n, func(i int) {
			batch := jobs[i*n : min(i*n+n, b.N)]
			for range batch {
				backlog <- struct{}{}
			}
			enqueue(b, q, batch...)
		})
	})
	each(callers, (b.N+n-1)/n, func(i int) { takeAndAck(b, q, backlog, min(n, b.N-i*n)) })
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/float64(commits(b, q.store.db)-before), "jobs/commit")
}

func benchBare(b *testing.B, size, n int) {
	db := bare(b)
	jobs := benchJobs("j", b.N, size)
	defer reportCPU(b)()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += n {
		bareReplace(b, db, i, n, jobs[i:min(i+n, b.N)])
	}
	b.StopTimer()
}

// bareReplace puts jobs and deletes those of the transaction before.
func bareReplace(b *testing.B, db *bbolt.DB, first, n int, jobs []queue.Job) {
	must(b, db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte("b"))
		bucket.FillPercent = 1
		for i := max(0, first-n); i < first; i++ {
			if err := bucket.Delete(key(uint64(i))); err != nil {
				return err
			}
		}
		for i := range jobs {
			if err := bucket.Put(key(uint64(first+i)), jobs[i].Data); err != nil {
				return err
			}
		}
		return nil
	}))
}

func commits(b *testing.B, db *bbolt.DB) (n int) {
	must(b, db.View(func(tx *bbolt.Tx) error {
		n = tx.ID()
		return nil
	}))
	return n
}

// reportCPU reports the CPU time that each job takes until what it returns is called.
func reportCPU(b *testing.B) func() {
	before, written, writes := cpuTime(b), procIO("wchar"), procIO("syscw")
	return func() {
		b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/job")
		b.ReportMetric((procIO("wchar")-written)/float64(b.N), "written-B/job")
		b.ReportMetric((procIO("syscw")-writes)/float64(b.N), "writes/job")
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
	}
}

// procIO returns one of the counters of /proc/self/io, and 0 where there are none.
func procIO(name string) (n float64) {
	text, _ := os.ReadFile("/proc/self/io")
	_, after, _ := strings.Cut(string(text), name+": ")
	fmt.Sscan(after, &n) //nolint:errcheck // 0 is what to return then
	return n
}

// cpuTime returns the CPU time that the process has used.
func cpuTime(b *testing.B) time.Duration {
	used, err := cputime.Used()
	must(b, err)
	return used
}
