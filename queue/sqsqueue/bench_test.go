package sqsqueue

import (
	"testing"
	"time"

	"github.com/pushhooks/webhook/internal/testsqs"
)

// BenchmarkJobs enqueues, receives and acks jobs of 100 lanes on the test server, whose own
// ceiling is some 16,000 receives and deletes a second.
func BenchmarkJobs(b *testing.B) {
	opts := testOptions()
	opts.VisibilityTimeout = 30 * time.Second
	q, err := open(b.Context(), testsqs.Client(testsqs.Start(b)), opts)
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	jobs := numbered(b.N)
	for i := range jobs {
		jobs[i].Lane = string(rune('a' + i%100))
	}
	b.ResetTimer()
	for from := 0; from < len(jobs); from += 1000 {
		if err := q.Enqueue(b.Context(), jobs[from:min(from+1000, len(jobs))]); err != nil {
			b.Fatal(err)
		}
	}
	sent := b.Elapsed()
	for got := 0; got < b.N; {
		leases, err := q.Receive(b.Context(), all(100))
		if err != nil {
			b.Fatal(err)
		}
		if err := q.Ack(b.Context(), leases); err != nil {
			b.Fatal(err)
		}
		got += len(leases)
	}
	b.ReportMetric(float64(b.N)/sent.Seconds(), "enqueued/s")
	b.ReportMetric(float64(b.N)/(b.Elapsed()-sent).Seconds(), "settled/s")
}
