package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/queue"
)

// This file walks the reference page, one test for each of its promises, in the page's order.

// verifyWebhook is the page's function, in Go.
func verifyWebhook(body []byte, signature, appSecret string) bool {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	expected := hex.EncodeToString(mac.Sum(nil))
	return subtle.ConstantTimeCompare([]byte(signature), []byte(expected)) == 1
}

func TestPageDeliveryNeverBlocksMessageHandling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := start(t, &endpoint{answer: hangs}, unbatched)
		began := time.Now()
		for i := range 10_000 {
			emit(t, e, occupied(i))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("Emit waited for %v", took)
		}
	})
}

func TestPageTheConfigurationExampleDeliversItsEventTypes(t *testing.T) {
	t.Parallel()
	p := newPage(t)
	e := startPage(t, pageApp(t, `[{
		"url": "URL/webhooks/sockudo",
		"event_types": ["channel_occupied", "channel_vacated", "member_added", "member_removed"]
	}]`, p.URL))
	emit(t, e,
		ChannelOccupied("my-app", "presence-chat"), MemberAdded("my-app", "presence-chat", "user-123"),
		// not asked for
		ClientEvent("my-app", "presence-chat", ClientMessage{Name: "client-typing", Data: "{}", SocketID: "1.1"}),
		MemberRemoved("my-app", "presence-chat", "user-123"), ChannelVacated("my-app", "presence-chat"))
	drain(t, e)
	var names []string
	for _, r := range p.got() {
		payload, err := Verify(r.body, r.header, testKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range payload.Events {
			names = append(names, string(ev.Type))
		}
	}
	if want := []string{"channel_occupied", "member_added", "member_removed", "channel_vacated"}; !slices.Equal(names, want) {
		t.Errorf("delivered %v, want %v", names, want)
	}
}

func TestPagePayloadIsByteForByteThePages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ev   Event
		want string // as the page has it, without its white space
	}{
		{ChannelOccupied("my-app", "presence-chat"), `{"time_ms":1707744000000,"events":[{"name":"channel_occupied","channel":"presence-chat"}]}`},
		{MemberAdded("my-app", "presence-chat", "user-123"), `{"time_ms":1707744000000,"events":[{"name":"member_added","channel":"presence-chat","user_id":"user-123"}]}`},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(time.UnixMilli(1707744000000)))
			to := &endpoint{}
			e := start(t, to)
			emit(t, e, tt.ev)
			drain(t, e)
			if got := string(to.got()[0].Body); got != tt.want {
				t.Errorf("body is %s\nwant    %s", got, tt.want)
			}
		})
	}
}

func TestPageClientEventsCarryWhatTheClientSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to)
		ev := ClientEvent("my-app", "presence-chat", ClientMessage{Name: "client-typing", Data: `{"on":true}`, SocketID: "123.456"})
		ev.UserID = "user-123"
		emit(t, e, ev)
		drain(t, e)
		want := `"events":[{"name":"client_event","channel":"presence-chat","event":"client-typing","data":"{\"on\":true}","socket_id":"123.456","user_id":"user-123"}]}`
		if got := string(to.got()[0].Body); !strings.HasSuffix(got, want) {
			t.Errorf("body is %s", got)
		}
	})
}

func TestPageRequestsAreSignedAndThePagesFunctionVerifiesThem(t *testing.T) {
	t.Parallel()
	p := newPage(t)
	e := startPage(t, pageApp(t, `[{"url": "URL", `+allTypes+`}]`, p.URL))
	emit(t, e, ChannelOccupied("my-app", "chat"), MemberAdded("my-app", "presence-é\u2028", "user-123"))
	drain(t, e)
	got := p.got()
	if len(got) != 1 {
		t.Fatalf("%d requests", len(got))
	}
	r := got[0]
	if r.method != http.MethodPost {
		t.Errorf("the method is %s", r.method)
	}
	for name, want := range map[string]string{"Content-Type": "application/json", "X-Pusher-Key": "my-key"} {
		if v := r.header.Values(name); len(v) != 1 || v[0] != want {
			t.Errorf("%s is %q, want %q", name, v, want)
		}
	}
	signature := r.header.Values("X-Pusher-Signature")
	if len(signature) != 1 || !verifyWebhook(r.body, signature[0], "my-secret") {
		t.Errorf("X-Pusher-Signature is %q", signature)
	}
	if verifyWebhook(r.body, signature[0], "another-secret") || verifyWebhook(append(r.body, ' '), signature[0], "my-secret") {
		t.Error("the signature verifies what it should not")
	}
}

func TestPageFiltersNarrowTheChannels(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		filter string
		want   []string
	}{
		"prefix":  {`{"channel_prefix": "presence-"}`, []string{"presence-chat", "presence-room-eu"}},
		"suffix":  {`{"channel_suffix": "-eu"}`, []string{"presence-room-eu", "chat-eu"}},
		"pattern": {`{"channel_pattern": "^(chat|private)-"}`, []string{"chat-eu", "private-chat-1"}},
		"all":     {`{"channel_prefix": "presence-", "channel_suffix": "-eu", "channel_pattern": "room"}`, []string{"presence-room-eu"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{}
				e := start(t, to, apps(pageApp(t, `[{"url": "http://backend.test/", `+allTypes+`, "filter": `+tt.filter+`}]`, "")))
				for _, c := range []string{"presence-chat", "presence-room-eu", "chat-eu", "private-chat-1", "other"} {
					emit(t, e, ChannelOccupied("my-app", c))
					if e.Wants("my-app", TypeChannelOccupied, c) != slices.Contains(tt.want, c) {
						t.Errorf("Wants is wrong about %s", c)
					}
				}
				drain(t, e)
				var got []string
				for _, ev := range to.got()[0].payload(t, testKey).Events {
					got = append(got, ev.Channel)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("delivered %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestPageTheFilterExampleSendsEachWebhookItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		to := &endpoint{}
		e := start(t, to, apps(pageApp(t, `[
			{"url": "https://backend.com/presence-hooks", "event_types": ["member_added", "member_removed"], "filter": {"channel_prefix": "presence-"}},
			{"url": "https://backend.com/chat-hooks", "event_types": ["channel_occupied", "channel_vacated"], "filter": {"channel_prefix": "private-chat-"}}
		]`, "")))
		emit(t, e, MemberAdded("my-app", "presence-x", "u"), ChannelOccupied("my-app", "presence-x"), ChannelOccupied("my-app", "private-chat-1"))
		drain(t, e)
		got := map[string]string{}
		for _, a := range to.got() {
			for _, ev := range a.payload(t, testKey).Events {
				got[a.URL] += string(ev.Type) + " " + ev.Channel
			}
		}
		if len(got) != 2 || got["https://backend.com/presence-hooks"] != "member_added presence-x" || got["https://backend.com/chat-hooks"] != "channel_occupied private-chat-1" {
			t.Errorf("delivered %v", got)
		}
	})
}

func TestPageCustomHeadersAreSent(t *testing.T) {
	t.Parallel()
	p := newPage(t)
	e := startPage(t, pageApp(t, `[{
		"url": "URL/hooks", "event_types": ["channel_occupied"],
		"headers": {"Authorization": "Bearer my-token", "X-Custom-Header": "value"}
	}]`, p.URL))
	emit(t, e, occupied(1))
	drain(t, e)
	if h := p.got()[0].header; h.Get("Authorization") != "Bearer my-token" || h.Get("X-Custom-Header") != "value" {
		t.Errorf("headers: %v", h)
	}
}

func TestPageLambdaFunctionsAreInvoked(t *testing.T) {
	t.Parallel()
	text := `[{
		"lambda": {"function_name": "my-webhook-handler", "region": "us-east-1"},
		"event_types": ["channel_occupied", "channel_vacated"]
	}]`
	synctest.Test(t, func(t *testing.T) {
		lambda, web := &endpoint{}, &endpoint{}
		e := start(t, web, apps(pageApp(t, text, "")), func(o *Options) { o.Lambda = lambda })
		emit(t, e, occupied(1))
		drain(t, e)
		got := lambda.got()
		if len(got) != 1 || len(web.got()) != 0 {
			t.Fatalf("%d invocations, %d requests", len(got), len(web.got()))
		}
		if l := got[0].Lambda; l == nil || l.FunctionName != "my-webhook-handler" || l.Region != "us-east-1" || got[0].URL != "" {
			t.Errorf("request: %+v", got[0].Request)
		}
		got[0].payload(t, testKey)
	})
	_, err := New(Options{Apps: []App{pageApp(t, text, "")}})
	if lines := problemLines(t, err); !strings.Contains(lines, "lambdadispatch") {
		t.Errorf("without a sender for Lambda: %q", lines)
	}
}

func TestPageABurstBecomesOneRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Options)
		want   int
		after  time.Duration
	}{
		"by default":   {func(*Options) {}, 1, 50 * time.Millisecond},
		"duration 500": {func(o *Options) { o.Batching.Duration = 500 * time.Millisecond }, 1, 500 * time.Millisecond},
		"off":          {unbatched, 5, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{}
				e := start(t, to, tt.change)
				began := time.Now()
				for i := range 5 {
					emit(t, e, MemberAdded("my-app", "presence-chat", fmt.Sprint("user-", i)))
				}
				time.Sleep(time.Second)
				got := to.got()
				if len(got) != tt.want || got[0].at.Sub(began) != tt.after {
					t.Errorf("%d requests, the first after %v; want %d after %v", len(got), got[0].at.Sub(began), tt.want, tt.after)
				}
			})
		})
	}
}

func TestPageARequestMayTakeTenSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var took []time.Duration
		to := &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			began := time.Now()
			defer func() {
				mu.Lock()
				defer mu.Unlock()
				took = append(took, time.Since(began))
			}()
			if r.Attempt == 1 {
				return hangs(ctx, r)
			}
			return takes(9900*time.Millisecond)(ctx, r)
		}}
		e := start(t, to)
		emit(t, e, occupied(1))
		drain(t, e)
		mu.Lock()
		defer mu.Unlock()
		if s := e.Stats(); s.Delivered != 1 || !slices.Equal(took, []time.Duration{10 * time.Second, 9900 * time.Millisecond}) {
			t.Errorf("attempts took %v, stats: %+v", took, s)
		}
	})
}

func TestPageUpToTwentyDispatchesAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGauge()
		var urls []string
		for i := range 40 {
			urls = append(urls, fmt.Sprintf("http://backend-%d.test/", i))
		}
		e := start(t, &endpoint{answer: g.around(takes(time.Second))}, unbatched, apps(testApp(urls...)))
		for i := range 20 {
			emit(t, e, occupied(i))
		}
		drain(t, e)
		if most := g.most[""]; most != 20 {
			t.Errorf("%d attempts at once, want 20", most)
		}
	})
}

func TestPageJobsCarryASignatureAndACopyIsNotProcessedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		var copies []queue.Job
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			copies = append(copies, jobs...)
			return errors.Join(q.Memory.Enqueue(ctx, jobs), q.Memory.Enqueue(ctx, jobs))
		}
		to := &endpoint{}
		e := start(t, to, with(q))
		emit(t, e, occupied(1))
		drain(t, e)
		// once more, after it was delivered
		if err := q.Memory.Enqueue(t.Context(), copies); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		j, err := parseJob(copies[0].Data)
		if err != nil || !verifyWebhook(j.body, j.signature, "my-secret") || j.id != copies[0].ID {
			t.Errorf("the job is %q: %v", copies[0].Data, err)
		}
	})
}

func TestPageNothingIsSentWhenWebhooksAreOff(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Options){
		"queue none":  with(queue.None),
		"no webhooks": apps(App{ID: "my-app", Key: "k", Secret: "s"}),
		"disabled": func(o *Options) {
			o.Apps[0].Disabled = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				to := &endpoint{}
				e := start(t, to, change)
				emit(t, e, occupied(1), MemberAdded("my-app", "presence-x", "u"))
				drain(t, e)
				time.Sleep(time.Minute)
				if s := e.Stats(); len(to.got()) != 0 || s.Matched != 0 || e.Wants("my-app", TypeChannelOccupied, "c") {
					t.Errorf("%d attempts, stats: %+v", len(to.got()), s)
				}
			})
		})
	}
}
