package dispatch_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/cputime"
)

// BenchmarkSend is an attempt, the deadline that its caller sets included.
func BenchmarkSend(b *testing.B) {
	benchmark(b, setupSend)
}

func setupSend(b *testing.B, url string, body []byte) func() error {
	h, err := dispatch.NewHTTP(dispatch.HTTPOptions{MaxIdlePerHost: benchConns})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = h.Close() })
	r := benchRequest(url, body)
	return func() error {
		ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
		defer cancel()
		return h.Send(ctx, r).Err
	}
}

// BenchmarkOverhead compares the processor time of Send with the ceiling's, the receiver's included
// in both. The two take turns, so that a machine whose speed changes harms both alike. "x" is Send
// in times of the ceiling.
func BenchmarkOverhead(b *testing.B) {
	for _, size := range []int{200, 14_000} {
		b.Run(fmt.Sprintf("body=%d", size), func(b *testing.B) {
			url, body := startReplies(b, ""), bytes.Repeat([]byte("x"), size)
			send, ceiling := setupSend(b, url, body), setupCeiling(b, url, body)
			var sent, bare time.Duration
			for b.Loop() {
				sent += processorTime(b, send)
				bare += processorTime(b, ceiling)
			}
			b.ReportMetric(sent.Seconds()/bare.Seconds(), "x")
		})
	}
}

// processorTime returns what 20 goroutines need for 4,000 requests together.
func processorTime(b *testing.B, send func() error) time.Duration {
	start := usage(b)
	var wg sync.WaitGroup
	for range benchConns {
		wg.Go(func() {
			for range 4000 / benchConns {
				if err := send(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return usage(b) - start
}

func usage(b *testing.B) time.Duration {
	used, err := cputime.Used()
	if err != nil {
		b.Fatal(err)
	}
	return used
}

// BenchmarkCeiling is what net/http does at best with the same request: nothing is checked, nothing
// is told apart.
func BenchmarkCeiling(b *testing.B) {
	benchmark(b, setupCeiling)
}

func setupCeiling(b *testing.B, url string, body []byte) func() error {
	transport := &http.Transport{MaxIdleConnsPerHost: benchConns, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	header := benchRequest(url, body).Header
	header.Set("Webhook-Id", "0199a5c0-1111-7abc-8def-000000000001")
	header.Set("Webhook-Attempt", "1")
	return func() error {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.Header = header
		resp, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.Body.Close()
	}
}

const benchConns = 20

func benchRequest(url string, body []byte) *dispatch.Request {
	return &dispatch.Request{
		URL: url,
		Header: http.Header{
			"Content-Type":       {"application/json"},
			"X-Pusher-Key":       {"my-key"},
			"X-Pusher-Signature": {strings.Repeat("0123456789abcdef", 4)},
		},
		Body:    body,
		JobID:   "0199a5c0-1111-7abc-8def-000000000001",
		Attempt: 1,
	}
}

// benchmark runs send from 20 goroutines against a receiver, for one event a request and for a
// hundred, and with an answer that has no body and one that has.
func benchmark(b *testing.B, setup func(b *testing.B, url string, body []byte) func() error) {
	for _, size := range []int{200, 14_000} {
		for _, answer := range []string{"", "ok"} {
			b.Run(fmt.Sprintf("body=%d/answer=%d", size, len(answer)), func(b *testing.B) {
				send := setup(b, startReplies(b, answer), bytes.Repeat([]byte("x"), size))
				b.ReportAllocs()
				b.SetParallelism(benchConns / 2)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := send(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// startReplies starts a receiver that allocates nothing for a request, so that what is measured is
// the sender.
func startReplies(b *testing.B, answer string) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	reply := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go serveReply(conn, reply)
		}
	}()
	return "http://" + ln.Addr().String() + "/webhooks/pusher"
}

func serveReply(conn net.Conn, reply []byte) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 32<<10)
	for {
		length := 0
		for {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 2 {
				break
			}
			if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		if _, err := conn.Write(reply); err != nil {
			return
		}
	}
}
