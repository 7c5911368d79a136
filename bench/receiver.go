package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// receiverSpec says what a receiver does besides reading bodies and counting events.
type receiverSpec struct {
	Latency bool          // note how old events are when their body has been read
	Delay   time.Duration // before each answer
}

// receipt is what a receiver has seen.
type receipt struct {
	Events, Requests int64
	P50, P99         time.Duration // age of events, if latencies were noted
	// requests a second in the middle half of all, if answers are delayed
	Settled float64
}

// receiver counts events and notes their ages.
type receiver struct {
	receiverSpec
	events, requests atomic.Int64

	mu    sync.Mutex
	ages  []time.Duration
	times []time.Time // of requests
}

// receive is the receiver's process. It says its address.
func receive(spec []byte) error {
	r := &receiver{}
	if err := json.Unmarshal(spec, &r.receiverSpec); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(l, r) }()
	go func() { failed <- awaitEnd() }()
	return <-failed
}

// bodies are buffers for the bodies of requests.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if q.Method == http.MethodGet {
		if err := json.NewEncoder(w).Encode(r.receipt()); err != nil {
			panic(http.ErrAbortHandler)
		}
		return
	}
	b := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(b)
	b.Reset()
	if _, err := b.ReadFrom(q.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	r.note(b.Bytes(), time.Now())
	time.Sleep(r.Delay)
}

var eventStart, timeStart = []byte(`{"name":"client_event"`), []byte(`{\"t\":`)

// note counts a body's events, and their ages if that is wanted.
func (r *receiver) note(body []byte, now time.Time) {
	r.events.Add(int64(bytes.Count(body, eventStart)))
	r.requests.Add(1)
	if !r.Latency && r.Delay == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times = append(r.times, now)
	for _, rest, ok := bytes.Cut(body, timeStart); ok; _, rest, ok = bytes.Cut(rest, timeStart) {
		text, _, _ := bytes.Cut(rest, []byte("}"))
		if at, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			r.ages = append(r.ages, time.Duration(now.UnixNano()-at))
		}
	}
}

func (r *receiver) receipt() receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.ages)
	return receipt{
		Events: r.events.Load(), Requests: r.requests.Load(),
		P50: percentile(r.ages, 50), P99: percentile(r.ages, 99), Settled: settledRate(r.times),
	}
}

// settledRate returns the requests a second in the middle half of all, in which the beginning's
// slow start and the end's last answers do not count.
func settledRate(times []time.Time) float64 {
	if len(times) < 4 {
		return 0
	}
	from, to := len(times)/4, len(times)*3/4
	return divide(float64(to-from), times[to].Sub(times[from]).Seconds())
}

// remoteReceiver is a receiver in a process of its own.
type remoteReceiver struct {
	*child
	url string
}

func startReceiver(spec receiverSpec) (*remoteReceiver, error) {
	c, err := startChild("receiver", spec)
	if err != nil {
		return nil, err
	}
	addr, err := c.line()
	return &remoteReceiver{c, "http://" + addr + "/"}, err
}

// receipt asks the receiver what it has seen.
func (r *remoteReceiver) receipt() (got receipt, err error) {
	resp, err := http.Get(r.url)
	if err != nil {
		return got, err
	}
	defer func() {
		if closed := resp.Body.Close(); err == nil {
			err = closed
		}
	}()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return got, err
	}
	return got, json.Unmarshal(text, &got)
}

// awaitEvents waits until the receiver has seen so many events.
func (r *remoteReceiver) awaitEvents(ctx context.Context, n int64) (receipt, error) {
	for {
		got, err := r.receipt()
		if err != nil || got.Events >= n {
			return got, err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return got, fmt.Errorf("%d of %d events arrived", got.Events, n)
		}
	}
}
