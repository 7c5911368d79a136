package webhook

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook/queue"
)

const orphanLine = "webhook jobs will not be delivered"

func TestSetAppWarnsOfJobsThatAChangedURLLosesOnce(t *testing.T) {
	t.Parallel()
	failing := func() *endpoint { return &endpoint{answer: answers(status(500))} }
	for name, tt := range map[string]struct {
		change func(a *App)
		want   string // in the line; "" for no line
	}{
		"a URL":             {func(a *App) { a.Webhooks[0].URL += "hidden-new" }, "jobs=3 "},
		"two URLs":          {func(a *App) { a.Webhooks[0].URL += "x"; a.Webhooks[1].URL += "x" }, "jobs=6 "},
		"an id that is new": {func(a *App) { a.Webhooks[0].ID = "main" }, "jobs=3 "},
		"a function": {func(a *App) {
			a.Webhooks[0].URL, a.Webhooks[0].Lambda = "", &Lambda{FunctionName: "f", Region: "eu-west-1"}
		}, "jobs=3 "},
		"the URL of one id":   {func(a *App) { a.Webhooks[2].URL += "x" }, ""},
		"headers":             {func(a *App) { a.Webhooks[0].Headers = Headers{"A": "b"} }, ""},
		"one less":            {func(a *App) { a.Webhooks = a.Webhooks[1:] }, ""},
		"one more":            {func(a *App) { a.Webhooks = append(a.Webhooks, Webhook{URL: "http://d.test/", EventTypes: knownTypes}) }, ""},
		"an app that was not": {func(a *App) { a.ID = "other" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log := &logBuffer{}
				a := testApp("http://u:hidden@a.test/hidden-path", "http://b.test/", "http://c.test/")
				a.Webhooks[2].ID = "c"
				e := start(t, failing(), apps(a), unbatched, debugLog(log), with(rig(t, queue.MemoryOptions{})), func(o *Options) { o.Lambda = failing() })
				emit(t, e, occupied(1), occupied(2), occupied(3))
				time.Sleep(time.Second / 2)
				b := a.clone()
				tt.change(&b)
				set(t, e, b)
				text := log.String()
				if got := strings.Count(text, orphanLine); (tt.want != "") != (got == 1) || got > 1 || !strings.Contains(text, tt.want) {
					t.Errorf("%d lines, want one with %q:\n%s", got, tt.want, text)
				}
				if strings.Contains(text, "hidden") || tt.want != "" && !strings.Contains(text, "a.test") {
					t.Errorf("the line names more than the host, or not that:\n%s", text)
				}
				set(t, e, b)
				if got := strings.Count(log.String(), orphanLine); got > 1 {
					t.Error("a second SetApp warned again")
				}
			})
		})
	}
}

func TestSetAppSaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	changed := func(t *testing.T, q queue.Queue, events int) string {
		log := &logBuffer{}
		a := testApp("http://a.test/")
		e := start(t, &endpoint{answer: answers(status(500))}, apps(a), debugLog(log), with(q))
		for i := range events {
			emit(t, e, occupied(i))
		}
		b := a.clone()
		b.Webhooks[0].URL = "http://b.test/"
		set(t, e, b)
		return log.String()
	}
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			lanes  func(context.Context) ([]queue.LaneInfo, error)
			events int
			want   string
		}{
			"an open batch":        {func(context.Context) ([]queue.LaneInfo, error) { return nil, nil }, 1, "jobs=0 more_not_handed_over=true"},
			"nothing":              {func(context.Context) ([]queue.LaneInfo, error) { return nil, nil }, 0, ""},
			"a queue that is away": {func(context.Context) ([]queue.LaneInfo, error) { return nil, errors.New("away") }, 0, "jobs=unknown"},
			"a queue that hangs":   {func(ctx context.Context) ([]queue.LaneInfo, error) { <-ctx.Done(); return nil, ctx.Err() }, 0, "jobs=unknown"},
			"a queue that panics":  {func(context.Context) ([]queue.LaneInfo, error) { panic("Lanes") }, 0, "jobs=unknown"},
			"a queue that can't tell": {func(context.Context) ([]queue.LaneInfo, error) {
				return []queue.LaneInfo{{Lane: "my-app/" + identities(testApp("http://a.test/").Webhooks)[0], Ready: 2, Delayed: -1}}, nil
			}, 0, "jobs=unknown"},
		} {
			q := &lanesAs{rig(t, queue.MemoryOptions{}), tt.lanes}
			got := changed(t, q, tt.events)
			if (tt.want != "") != strings.Contains(got, orphanLine) || !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %q, want %q", name, got, tt.want)
			}
		}
		m := memory(t, queue.MemoryOptions{})
		if got := changed(t, struct{ queue.Queue }{m}, 0); !strings.Contains(got, "jobs=unknown") {
			t.Errorf("a queue that lists no lanes: got %q", got)
		}
	})
}

// lanesAs is a queue that lists its lanes as the test says.
type lanesAs struct {
	*riggedQueue
	lanes func(context.Context) ([]queue.LaneInfo, error)
}

func (q *lanesAs) Lanes(ctx context.Context, _ string, _ int) ([]queue.LaneInfo, error) {
	return q.lanes(ctx)
}

func TestPredecessorComesRightBefore(t *testing.T) {
	t.Parallel()
	m := memory(t, queue.MemoryOptions{})
	names := []string{"my-app/wh_0", "my-app/wh_1", "my-app/wh_1-1", "my-app/wh_1-2", "my-app/wh_0\U0010ffff"}
	for _, name := range names {
		if err := m.Enqueue(t.Context(), []queue.Job{{ID: name, Lane: name, Data: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range names[:4] {
		infos, err := m.Lanes(t.Context(), predecessor(name), 1)
		if err != nil || len(infos) != 1 || infos[0].Lane != name {
			t.Errorf("after %q comes %+v, %v", predecessor(name), infos, err)
		}
	}
}
