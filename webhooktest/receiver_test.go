package webhooktest_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/webhooktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = webhook.Key{Key: "k", Secret: "s"}

const (
	oneEvent  = `{"time_ms":1,"events":[{"name":"channel_occupied","channel":"c"}]}`
	twoEvents = `{"time_ms":2,"events":[{"name":"member_added","channel":"presence-c","user_id":"u"},{"name":"cache_miss","channel":"c"}]}`
)

func sign(body string, k webhook.Key) string {
	m := hmac.New(sha256.New, []byte(string(k.Secret)))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// sender makes requests to a receiver and closes its connections when the test ends.
type sender struct {
	t      *testing.T
	url    string
	client http.Client
}

func newSender(t *testing.T, r *webhooktest.Receiver) *sender {
	t.Helper()
	transport := &http.Transport{DialContext: r.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &sender{t: t, url: r.URL, client: http.Client{Transport: transport}}
}

func (s *sender) request(ctx context.Context, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/hooks?x=1", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Pusher-Key", key.Key)
	r.Header.Set("X-Pusher-Signature", sign(body, key))
	r.Header.Set("Webhook-Id", "job-1")
	r.Header.Set("Webhook-Attempt", "3")
	return r
}

// do returns the answer's status, or 0 and why there was none.
func (s *sender) do(r *http.Request) (int, error) {
	answer, err := s.client.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func (s *sender) send(body string) (int, error) {
	s.t.Helper()
	return s.do(s.request(s.t.Context(), body))
}

func (s *sender) mustSend(body string, want int) {
	s.t.Helper()
	if status, err := s.send(body); status != want {
		s.t.Fatalf("got %d, %v, want %d", status, err, want)
	}
}

// both runs a test with a receiver on a socket and with one in memory.
func both(t *testing.T, f func(t *testing.T, r *webhooktest.Receiver)) {
	t.Helper()
	t.Run("socket", func(t *testing.T) {
		t.Parallel()
		f(t, webhooktest.NewReceiver(t, key))
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t, webhooktest.NewMemoryReceiver(t, key))
	})
}

func TestReceiverRecordsWhatArrived(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		newSender(t, r).mustSend(oneEvent, http.StatusOK)
		d := r.WaitDeliveries(1, 5*time.Second)[0]
		if d.Path != "/hooks?x=1" || d.ID != "job-1" || d.Attempt != 3 || string(d.Body) != oneEvent ||
			d.Header.Get("X-Pusher-Key") != "k" || d.Err != nil || d.Status != http.StatusOK || d.Payload.TimeMS != 1 || d.At.IsZero() {
			t.Errorf("got %+v", d)
		}
		want := []webhook.Event{webhook.ChannelOccupied("", "c")}
		if got := r.Events(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestReceiverAnswersAsTheScriptSays(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		s := newSender(t, r)
		r.Script(webhooktest.Times(2, webhooktest.Status(500))...)
		r.Script(webhooktest.Respond(503, map[string]string{"Retry-After": "7"}, "busy"))
		r.Otherwise(webhooktest.Status(204))
		for _, want := range []int{500, 500, 503, 204, 204} {
			s.mustSend(oneEvent, want)
		}
		if n := len(r.Events()); n != 2 {
			t.Errorf("%d events were taken, want 2: only those that were answered with 2xx count", n)
		}
		if n := len(r.Deliveries()); n != 5 {
			t.Errorf("%d deliveries, want 5", n)
		}
	})
}

func TestReceiverRefusesWhatOfficialReceiversRefuse(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*http.Request){
		"bad signature": func(r *http.Request) { r.Header.Set("X-Pusher-Signature", strings.Repeat("0", 64)) },
		"no signature":  func(r *http.Request) { r.Header.Del("X-Pusher-Signature") },
		"two keys":      func(r *http.Request) { r.Header.Add("X-Pusher-Key", "k") },
		"another key":   func(r *http.Request) { r.Header.Set("X-Pusher-Key", "x") },
		"content type":  func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") },
		"method":        func(r *http.Request) { r.Method = http.MethodPut },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := webhooktest.NewMemoryReceiver(t, key)
			s := newSender(t, r)
			r.Script(webhooktest.Status(202))
			request := s.request(t.Context(), oneEvent)
			change(request)
			if status, err := s.do(request); status != http.StatusUnauthorized {
				t.Errorf("got %d, %v", status, err)
			}
			s.mustSend(oneEvent, 202) // the script waits for a good one
			if d := r.Deliveries()[0]; d.Err == nil || d.Payload != nil || len(r.Events()) != 1 {
				t.Errorf("got %+v and %d events", d, len(r.Events()))
			}
		})
	}
}

func TestHangAnswersWhenReleased(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		s := newSender(t, r)
		release := make(chan struct{})
		r.Script(webhooktest.Hang(release))
		var wg sync.WaitGroup
		wg.Go(func() {
			if status, err := s.send(oneEvent); status != http.StatusOK {
				t.Errorf("got %d, %v", status, err)
			}
		})
		if d := r.WaitDeliveries(1, 5*time.Second)[0]; d.Status != 0 {
			t.Errorf("answered with %d too early", d.Status)
		}
		close(release)
		r.WaitEvents(1, 5*time.Second)
		wg.Wait()
	})
}

func TestHangEndsWithTheSenderAndWithTheTest(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		s := newSender(t, r)
		r.Otherwise(webhooktest.Hang(nil))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		request := s.request(ctx, oneEvent)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.do(request); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
		r.WaitDeliveries(1, 5*time.Second)
		cancel()
		wg.Wait()

		wg.Go(func() {
			if status, err := s.send(oneEvent); err == nil {
				t.Errorf("got %d after the receiver was closed", status)
			}
		})
		r.WaitDeliveries(2, 5*time.Second)
		r.Close()
		wg.Wait()
		if n := len(r.Events()); n != 0 {
			t.Errorf("%d events were taken, want none", n)
		}
	})
}

func TestDropCutsTheConnection(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		r.Script(webhooktest.Drop())
		if status, err := newSender(t, r).send(oneEvent); err == nil {
			t.Errorf("got %d, want no answer", status)
		}
		if d := r.Deliveries()[0]; d.Err != nil || d.Status != 0 || len(r.Events()) != 0 {
			t.Errorf("got %+v", d)
		}
	})
}

func TestHandlersMayTakeOverTheConnection(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		r.Script(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "garbage\r\n\r\n")
			_ = conn.Close()
		}))
		if status, err := newSender(t, r).send(oneEvent); err == nil {
			t.Errorf("got %d, want no answer", status)
		}
		if d := r.Deliveries()[0]; d.Status != 0 {
			t.Errorf("got %d", d.Status)
		}
	})
}

func TestAStatusIsRecordedBeforeTheSenderSeesIt(t *testing.T) {
	t.Parallel()
	answers := map[string]http.HandlerFunc{
		"written":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") },
		"explicit": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(200) },
		"none":     func(http.ResponseWriter, *http.Request) {},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := webhooktest.NewMemoryReceiver(t, key)
			r.Otherwise(answer)
			s := newSender(t, r)
			for n := range 20 {
				s.mustSend(oneEvent, http.StatusOK)
				if got := len(r.Events()); got != n+1 {
					t.Fatalf("%d events after %d answers", got, n+1)
				}
			}
		})
	}
}

func TestMemoryReceiverWorksInVirtualTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := webhooktest.NewMemoryReceiver(t, key)
		s := newSender(t, r)
		r.Script(webhooktest.Slow(time.Hour, webhooktest.Status(200)), webhooktest.Slow(time.Hour, webhooktest.Status(200)))
		begun := time.Now()
		s.mustSend(twoEvents, http.StatusOK)
		if took := time.Since(begun); took != time.Hour {
			t.Errorf("the answer took %v, want an hour", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if status, err := s.do(s.request(ctx, oneEvent)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %d, %v", status, err)
		}
		if got := r.WaitEvents(2, time.Hour); len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
}

func TestDialerKnowsItsReceiversOnly(t *testing.T) {
	t.Parallel()
	a, b := webhooktest.NewMemoryReceiver(t, key), webhooktest.NewMemoryReceiver(t, key)
	transport := &http.Transport{DialContext: webhooktest.Dialer(a, b)}
	t.Cleanup(transport.CloseIdleConnections)
	s := &sender{t: t, client: http.Client{Transport: transport}}
	for _, r := range []*webhooktest.Receiver{a, b} {
		s.url = r.URL
		s.mustSend(oneEvent, http.StatusOK)
		r.WaitEvents(1, 5*time.Second)
	}
	s.url = "http://elsewhere.test"
	if _, err := s.send(oneEvent); err == nil || !strings.Contains(err.Error(), "elsewhere.test:80") {
		t.Errorf("got %v", err)
	}
}

func TestAClosedReceiverRefusesConnections(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *webhooktest.Receiver) {
		s := newSender(t, r)
		s.mustSend(oneEvent, http.StatusOK)
		r.Close()
		r.Close()
		s.client.CloseIdleConnections()
		var failed *net.OpError
		if _, err := s.send(oneEvent); !errors.As(err, &failed) {
			t.Errorf("got %v", err)
		}
	})
}

// failing is a test that may fail without failing this one.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) { f.Fatalf("%s", fmt.Sprint(args...)) }

func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// messageOf returns what f makes its test fail with.
func messageOf(t *testing.T, f func(t testing.TB)) string {
	fake := &failing{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { f(fake) })
	wg.Wait()
	return fake.message
}

func TestAWaitInVainTellsWhatArrived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fail := func(wait func(*webhooktest.Receiver)) string {
			return messageOf(t, func(tb testing.TB) {
				r := webhooktest.NewMemoryReceiver(tb, key)
				s := newSender(t, r)
				r.Script(webhooktest.Status(500), webhooktest.Drop())
				s.mustSend(oneEvent, 500)
				_, _ = s.send(oneEvent)
				s.mustSend(twoEvents, 200)
				s.mustSend("{}", 200)
				bad := s.request(t.Context(), oneEvent)
				bad.Header.Set("X-Pusher-Key", "other")
				_, _ = s.do(bad)
				wait(r)
			})
		}
		const arrived = `2 events were taken, of 5 requests
	1. /hooks?x=1 attempt 3 of job-1, answered 500: channel_occupied c
	2. /hooks?x=1 attempt 3 of job-1, not answered: channel_occupied c
	3. /hooks?x=1 attempt 3 of job-1, answered 200: member_added presence-c, cache_miss c
	4. /hooks?x=1 attempt 3 of job-1, answered 200: 
	5. /hooks?x=1 attempt 3 of job-1, answered 401: webhook: delivery is signed with an unknown key: "other"`
		got := fail(func(r *webhooktest.Receiver) { r.WaitEvents(3, time.Minute) })
		if want := "webhooktest: waited 1m0s for 3 events; " + arrived; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		got = fail(func(r *webhooktest.Receiver) { r.WaitDeliveries(6, time.Minute) })
		if want := "webhooktest: waited 1m0s for 6 requests; " + arrived; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func TestAReportIsShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		body := `{"events":[` + strings.Repeat(`{"name":"cache_miss","channel":"c"},`, 99) + `{"name":"cache_miss","channel":"c"}]}`
		got := messageOf(t, func(tb testing.TB) {
			r := webhooktest.NewMemoryReceiver(tb, key)
			s := newSender(t, r)
			for range 100 {
				s.mustSend(body, 200)
			}
			r.WaitDeliveries(101, time.Minute)
		})
		if lines := strings.Count(got, "\n"); lines != 20 || !strings.Contains(got, "and 95 more") {
			t.Errorf("%d lines: %s", lines, got)
		}
	})
}

func TestAReceiverNeedsAKey(t *testing.T) {
	t.Parallel()
	got := messageOf(t, func(tb testing.TB) { webhooktest.NewReceiver(tb) })
	if !strings.Contains(got, "needs the key") {
		t.Errorf("got %q", got)
	}
}
