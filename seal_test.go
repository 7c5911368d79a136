package webhook

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/testredis"
	"github.com/pushhooks/webhook/queue"
	"github.com/pushhooks/webhook/queue/boltqueue"
	"github.com/pushhooks/webhook/queue/redisqueue"
)

// listing is a queue with dead letters, as all stores have them.
type listing interface {
	queue.Queue
	queue.DeadLetters
	queue.StatsReader
}

// written is a queue on a store that other programs write to. It keeps what the emitter puts there.
type written struct {
	listing
	mu   sync.Mutex
	jobs []queue.Job
}

func (q *written) Traits() queue.Traits {
	t := q.listing.Traits()
	t.InProcess, t.Durable = false, true
	return t
}

func (q *written) capture(jobs []queue.Job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, jobs...)
}

func (q *written) Enqueue(ctx context.Context, jobs []queue.Job) error {
	q.capture(jobs)
	return q.listing.Enqueue(ctx, jobs)
}

func (q *written) Replace(ctx context.Context, l queue.Lease, jobs []queue.Job) error {
	q.capture(jobs)
	return q.listing.Replace(ctx, l, jobs)
}

func (q *written) captured() []queue.Job {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]queue.Job(nil), q.jobs...)
}

// write puts jobs into the store past the emitter.
func (q *written) write(t *testing.T, jobs ...queue.Job) {
	t.Helper()
	if err := q.listing.Enqueue(t.Context(), jobs); err != nil {
		t.Fatal(err)
	}
}

// onStores runs f on a queue of each kind: in memory in virtual time, on disk, and on a real Redis.
func onStores(t *testing.T, f func(t *testing.T, q *written)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { f(t, &written{listing: memory(t, queue.MemoryOptions{})}) })
	})
	onDiskAndRedis(t, f)
}

// onRealStores is onStores in real time.
func onRealStores(t *testing.T, f func(t *testing.T, q *written)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		f(t, &written{listing: memory(t, queue.MemoryOptions{})})
	})
	onDiskAndRedis(t, f)
}

func onDiskAndRedis(t *testing.T, f func(t *testing.T, q *written)) {
	t.Helper()
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		q, err := boltqueue.Open(filepath.Join(t.TempDir(), "queue.db"), boltqueue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		f(t, &written{listing: q})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client := testredis.StartServer(t, testredis.Options{}).Client()
		t.Cleanup(func() { _ = client.Close() })
		q, err := redisqueue.New(t.Context(), client, redisqueue.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = q.Close() })
		f(t, &written{listing: q})
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("after 30 seconds not yet: %s", what)
}

// sealedApps are two apps with the same key and secret. One has two webhooks.
func sealedApps() []App {
	first := testApp("http://one.test/", "http://two.test/")
	first.Webhooks[0].ID, first.Webhooks[1].ID = "one", "two"
	first.Webhooks[0].EventTypes, first.Webhooks[1].EventTypes = []EventType{TypeChannelOccupied}, []EventType{TypeChannelVacated}
	first.PreviousKeys = []Key{{Key: "old-key", Secret: "old-secret"}}
	second := testApp("http://other.test/")
	second.ID, second.Webhooks[0].ID = "other-app", "one"
	return []App{first, second}
}

// sealedAt is a genuine job for the first webhook, as an emitter has sealed it this long ago.
func sealedAt(id string, age time.Duration) queue.Job {
	at := time.Now().Add(-age).UnixMilli()
	env := envelope{id: id, app: "my-app", webhook: "one", timeMS: at, sealedMS: at, events: 1}
	body := append(appendBodyStart(nil, at), `{"name":"channel_occupied","channel":"`+id+`"}]}`...)
	return queue.Job{ID: id, Lane: "my-app/one", Data: seal(body, &env, appKey{testKey.Key, newSigner(testKey.Secret)}, false)}
}

// lines returns a job's body and envelope.
func lines(j queue.Job) (body, envelope string) {
	body, envelope, _ = strings.Cut(string(j.Data), "\n")
	return body, envelope
}

// forging makes a job of the lines of two genuine ones, under the first one's ID.
func forging(f func(body, envelope, otherBody, otherEnvelope string) string) func(a, b queue.Job) queue.Job {
	return func(a, b queue.Job) queue.Job {
		body, envelope := lines(a)
		otherBody, otherEnvelope := lines(b)
		a.Data = []byte(f(body, envelope, otherBody, otherEnvelope))
		return a
	}
}

// editing replaces a text of the envelope, which has to be there.
func editing(old, by string) func(a, b queue.Job) queue.Job {
	return forging(func(body, envelope, _, _ string) string {
		if !strings.Contains(envelope, old) {
			panic("the envelope has no " + old)
		}
		return body + "\n" + strings.Replace(envelope, old, by, 1)
	})
}

// forgeries are what a writer can make of two genuine jobs of one webhook, and the reason why each
// is given up.
var forgeries = map[string]struct {
	forge  func(a, b queue.Job) queue.Job
	reason string
}{
	"a copy under another ID":        {func(a, _ queue.Job) queue.Job { a.ID += "x"; return a }, "bad_signature"},
	"a copy under another one's ID":  {func(a, b queue.Job) queue.Job { a.ID = b.ID; return a }, "bad_signature"},
	"a copy as a replay":             {func(a, _ queue.Job) queue.Job { a.ID += "~1"; return a }, "bad_signature"},
	"a copy as a part":               {func(a, _ queue.Job) queue.Job { a.ID += "-0"; return a }, "bad_signature"},
	"a copy for another webhook":     {func(a, _ queue.Job) queue.Job { a.Lane = "my-app/two"; return a }, "bad_signature"},
	"a copy for another app":         {func(a, _ queue.Job) queue.Job { a.Lane = "other-app/one"; return a }, "bad_signature"},
	"a copy for no webhook":          {func(a, _ queue.Job) queue.Job { a.Lane = "my-app"; return a }, "bad_signature"},
	"a copy that is relabelled":      {editing(`"app":"my-app"`, `"app":"other-app"`), "bad_signature"},
	"another webhook in both":        {relabelled("two"), "bad_signature"},
	"the envelope of another":        {forging(func(b, _, _, e string) string { return b + "\n" + e }), "bad_signature"},
	"the body of another":            {forging(func(_, e, b, _ string) string { return b + "\n" + e }), "bad_signature"},
	"another envelope in the middle": {forging(func(b, e, _, o string) string { return b + "\n" + o + "\n" + e }), "bad_signature"},
	"another envelope at the end":    {forging(func(b, e, _, o string) string { return b + "\n" + e + "\n" + o }), "bad_signature"},
	"an envelope twice":              {forging(func(b, e, _, _ string) string { return b + "\n" + e + e }), "bad_signature"},
	"a second key":                   {editing(`"key":"my-key"`, `"key":"my-key","key":"old-key"`), "unreadable"},
	"another key":                    {editing(`"key":"my-key"`, `"key":"old-key"`), "bad_signature"},
	"another time":                   {editing(`"time_ms":`, `"time_ms":1`), "bad_signature"},
	"a later seal":                   {editing(`"sealed_ms":`, `"sealed_ms":1`), "bad_signature"},
	"more events":                    {editing(`"events":1,`, `"events":40,`), "bad_signature"},
	"more events than bytes":         {editing(`"events":1,`, `"events":100000,`), "unreadable"},
	"the most events":                {editing(`"events":1,`, `"events":9223372036854775807,`), "unreadable"},
	"no events":                      {editing(`"events":1,`, `"events":0,`), "unreadable"},
	"no MAC":                         {forging(func(b, e, _, _ string) string { return b + "\n" + e[:len(e)-66] + `"}` }), "bad_signature"},
	"a cut body":                     {forging(func(b, e, _, _ string) string { return b[:len(b)-3] + "\n" + e }), "bad_signature"},
	"an extended body":               {forging(func(b, e, _, _ string) string { return b + " \n" + e }), "bad_signature"},
	"no body":                        {forging(func(_, e, _, _ string) string { return "\n" + e }), "unreadable"},
	"a cut envelope":                 {forging(func(b, e, _, _ string) string { return b + "\n" + e[:len(e)-9] }), "unreadable"},
	"an extended envelope":           {forging(func(b, e, _, _ string) string { return b + "\n" + e + " " }), "unreadable"},
	"no envelope":                    {forging(func(b, _, _, _ string) string { return b }), "unreadable"},
	"an older version":               {editing(`"v":2`, `"v":1`), "older_version: the job has format version 1, and this process reads version 2"},
	"an old copy":                    {func(a, _ queue.Job) queue.Job { return sealedAt(a.ID, 66*time.Minute) }, "too_old"},
}

// relabelled moves a job to another webhook of its app, in the lane and in the envelope.
func relabelled(webhook string) func(a, b queue.Job) queue.Job {
	return func(a, b queue.Job) queue.Job {
		a = editing(`"webhook":"one"`, `"webhook":"`+webhook+`"`)(a, b)
		a.Lane = "my-app/" + webhook
		return a
	}
}

func TestNothingThatAQueueWriterMakesIsDelivered(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, q *written) {
		to := &endpoint{}
		e := start(t, to, with(q), unbatched, apps(sealedApps()...))
		names := map[string]string{}
		for name, f := range forgeries {
			// The genuine ones were sealed by another emitter, and the store has not seen them.
			id := fmt.Sprintf("j%d", len(names))
			j := f.forge(sealedAt(id, 0), sealedAt(id+"b", 0))
			names[j.ID] = name
			q.write(t, j)
		}
		eventually(t, "the forged jobs are dead letters", func() bool { return e.Stats().Dead >= int64(len(names)) })
		for _, d := range deadLetters(t, e) {
			if name := names[d.ID]; !strings.HasPrefix(d.Reason, forgeries[name].reason) {
				t.Errorf("%s: the reason is %q", name, d.Reason)
			}
		}
		if n := len(to.got()); n > 0 {
			t.Errorf("%d attempts, the first is %+v", n, to.got()[0].Request)
		}
		if s := e.Stats(); s.Dead != int64(len(forgeries)) || s.Adopted != s.Dead || s.Attempts != 0 {
			t.Errorf("%d forged jobs, stats: %+v", len(forgeries), s)
		}
		// the old copy is genuine, and a person has asked for it
		n, err := e.Replay(t.Context(), DeadLetterQuery{})
		if n != 1 || !errors.Is(err, ErrUnverified) {
			t.Errorf("%d dead letters were replayed: %v", n, err)
		}
		eventually(t, "the old copy is delivered", func() bool { return e.Stats().Delivered == 1 })
		if n := len(deadLetters(t, e)); n != len(forgeries)-1 {
			t.Errorf("%d dead letters are left of %d", n, len(forgeries))
		}
	})
}

// What a writer can do: deliver a genuine job again, for as long as it is young. Receivers see the
// same Webhook-Id.
func TestACopyUnderItsOwnIDIsADuplicate(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, q *written) {
		to := &endpoint{}
		e := start(t, to, with(q), unbatched, apps(sealedApps()...))
		genuine := sealedAt("young", 64*time.Minute) // within the skew
		q.write(t, genuine)
		eventually(t, "the copy is delivered", func() bool { return e.Stats().Delivered == 1 })
		if got := to.got(); len(got) != 1 || got[0].JobID != "young" {
			t.Errorf("%d attempts: %+v", len(got), got)
		}
		q.write(t, genuine)
		time.Sleep(50 * time.Millisecond) // nothing is to happen: the store knows the ID
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts after a copy of a job that was acked", n)
		}
	})
}

// A dead letter that was replayed is of no use to a writer either.
func TestACopyOfAReplayedDeadLetterIsNotDelivered(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, q *written) {
		gone := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone"}
		to := &endpoint{answer: answers(gone, status(200))}
		e := start(t, to, with(q), unbatched, apps(sealedApps()...))
		emit(t, e, occupied(1))
		eventually(t, "the job is dead", func() bool { return e.Stats().Dead == 1 })
		letter := deadLetters(t, e)[0]
		replayAll(t, e)
		eventually(t, "the replay is delivered", func() bool { return e.Stats().Delivered == 1 })
		for n, id := range []string{"~2", "~1~1", "-0~1", "x"} {
			q.write(t, queue.Job{ID: letter.ID + id, Lane: letter.Lane, Data: letter.Data})
			eventually(t, "the copy is dead", func() bool { return len(deadLetters(t, e)) == n+1 })
		}
		if got := to.got(); len(got) != 2 || got[0].JobID != got[1].JobID {
			t.Errorf("%d attempts", len(got))
		}
	})
}

// A retry budget of hours needs a MaxAge of hours: the seal's age follows the webhook's own.
func TestTheSealIsJudgedByTheWebhooksMaxAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &written{listing: memory(t, queue.MemoryOptions{})}
		list := sealedApps()
		list[0].Webhooks[0].Retry.MaxAge = 3 * time.Hour
		to := &endpoint{}
		start(t, to, with(q), unbatched, apps(list...))
		q.write(t, sealedAt("young", 3*time.Hour+4*time.Minute), sealedAt("old", 3*time.Hour+6*time.Minute))
		q.write(t, sealedAt("ahead", -4*time.Minute)) // of a node whose clock is ahead
		time.Sleep(time.Second)
		var ids []string
		for _, a := range to.got() {
			ids = append(ids, a.JobID)
		}
		if strings.Join(ids, " ") != "young ahead" && strings.Join(ids, " ") != "ahead young" {
			t.Errorf("delivered were %v", ids)
		}
	})
}

func TestPartsKeepTheSealsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &written{listing: memory(t, queue.MemoryOptions{})}
		e := start(t, &endpoint{answer: func(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
			time.Sleep(3 * time.Second)
			return refusesAbove(120)(ctx, r)
		}}, with(q))
		emit(t, e, occupied(1), occupied(2))
		drain(t, e)
		split := q.captured()
		if len(split) != 3 {
			t.Fatalf("%d jobs, want the whole and two parts", len(split))
		}
		whole, _ := parseJob(split[0].Data)
		for _, part := range split[1:] {
			j, err := parseJob(part.Data)
			if err != nil || j.sealedMS != whole.sealedMS || !j.isAt(part.ID, part.Lane) || !j.verify(newSigner(testKey.Secret)) {
				t.Errorf("the part of a job that was sealed at %d is %+v, %v", whole.sealedMS, j, err)
			}
		}
	})
}

// A job that waits for the queue for hours is not too old when the queue gets it.
func TestASealIsRenewedWhileTheQueueIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := rig(t, queue.MemoryOptions{})
		away := errors.New("away")
		var mu sync.Mutex
		q.onEnqueue = func(ctx context.Context, jobs []queue.Job) error {
			mu.Lock()
			defer mu.Unlock()
			if away != nil {
				return away
			}
			return q.Memory.Enqueue(ctx, jobs)
		}
		to := &endpoint{}
		e := start(t, to, with(q), unbatched)
		emit(t, e, occupied(1))
		time.Sleep(3 * time.Hour)
		mu.Lock()
		away = nil
		mu.Unlock()
		drain(t, e)
		if n := len(to.got()); n != 1 {
			t.Errorf("%d attempts, dead letters: %v", n, deadLetters(t, e))
		}
	})
}

func TestOriginalIDIsWithoutReplays(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"": "", "j": "j", "j-0-1": "j-0-1", "j~1": "j", "j~12-0": "j-0", "j~1-0~2-1~3": "j-0-1", "j~": "j", "~1": "",
	} {
		if got := originalID(id); got != want {
			t.Errorf("originalID(%q) is %q, want %q", id, got, want)
		}
	}
}
