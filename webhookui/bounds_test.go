package webhookui

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/pushhooks/webhook/queue"
)

// Receivers choose the reasons, and quotation marks are five times as long on a page.
func TestTheOverviewIsSmallWhateverReceiversSay(t *testing.T) {
	t.Parallel()
	q := memory(t)
	var ids []string
	for i := range 2 * pageRows {
		id := fmt.Sprintf("hook-%02d", i) + strings.Repeat(`"`, 100)
		ids = append(ids, id)
		err := q.SetLane(t.Context(), queue.LaneUpdate{
			Lane: "my-app/" + id, Health: queue.Failing, Hold: time.Minute, Reason: "own: " + strings.Repeat(`"`, 1000),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t, q, Options{}, outcomes{}, app(ids...))
	a := s.get("/")
	a.wants(t, 200, "own: ", "…")
	if n := len(a.names()); n != pageRows || len(a.text) > 100<<10 {
		t.Errorf("the page has %d webhooks and %d bytes", n, len(a.text))
	}
	whole := s.get("/webhook?" + url.Values{"app": {"my-app"}, "id": {ids[0]}}.Encode())
	whole.wants(t, 200, "own: "+strings.Repeat("&#34;", 200))
}

// An error may name all webhooks of an app.
func TestNoticesAreSmall(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 1000 {
		ids = append(ids, fmt.Sprintf("hook-%04d", i)+strings.Repeat("x", 100))
	}
	s := newSite(t, nil, Options{}, outcomes{}, app(ids...))
	for range 3 {
		s.post("/test", url.Values{"app": {"my-app"}, "id": {"none"}})
	}
	for name, n := range s.Handler.(*handler).notices.byName {
		if !strings.Contains(n.Detail, "has no webhook") || len(n.Text)+len(n.Detail) > 2<<10 {
			t.Errorf("%s has %d bytes: %.100s", name, len(n.Text)+len(n.Detail), n.Detail)
		}
	}
}

// Pages of webhooks that wait for a queue that hangs do not keep the overview from telling it.
func TestTheOverviewTellsThatTheQueueHangsToACrowd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := &awayQueue{Memory: memory(t)}
		s := newSite(t, q, Options{}, outcomes{}, app("hook"))
		s.get("/").wants(t, 200, "All is well")
		q.hangs.Store(true)
		time.Sleep(2 * minServes)
		for range 200 {
			go s.get("/webhook?app=my-app&id=hook")
		}
		go s.get("/")
		time.Sleep(firstWait)
		began := time.Now()
		s.get("/").wants(t, 200, "The queue cannot be reached")
		if took := time.Since(began); took > laterWait {
			t.Errorf("the overview took %v", took)
		}
		time.Sleep(time.Minute)
	})
}

// A form is no longer for an Access that reads it.
func TestAFormIsBoundedForAccess(t *testing.T) {
	t.Parallel()
	var read []string
	s := newSite(t, nil, Options{Access: func(r *http.Request) Access {
		read = append(read, fmt.Sprint(len(r.FormValue("token"))))
		return Write
	}}, outcomes{}, app("hook"))
	for _, n := range []int{1 << 10, 1 << 20} {
		body := url.Values{"app": {"my-app"}, "id": {"hook"}, "token": {strings.Repeat("x", n)}}.Encode()
		r := httptest.NewRequest("POST", "/resume", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://example.com")
		a := s.do(r)
		if done := a.Code == http.StatusSeeOther; done != (n < maxForm) {
			t.Errorf("a form of %d bytes is answered with %d", n, a.Code)
		}
	}
	if strings.Join(read, " ") != "1024 0" {
		t.Errorf("Access has read %v bytes", read)
	}
}

// reasonQueue has a lane that fails for a reason that another program has written.
type reasonQueue struct{ *queue.Memory }

func (reasonQueue) Lanes(_ context.Context, after string, _ int) ([]queue.LaneInfo, error) {
	if after >= "my-app/hook" {
		return nil, nil
	}
	return []queue.LaneInfo{{Lane: "my-app/hook", Health: queue.Failing, Since: time.Now(), Reason: script + "\xff" + strings.Repeat("long", 1<<18)}}, nil
}

func TestReasonsInTheQueueAreTexts(t *testing.T) {
	t.Parallel()
	s := newSite(t, reasonQueue{memory(t)}, Options{}, outcomes{}, app("hook"))
	for _, address := range []string{"/", "/webhook?app=my-app&id=hook"} {
		a := s.get(address)
		a.wants(t, 200, "alert(1)", "…")
		checkMarkup(t, a)
		if len(a.text) > 20<<10 || !utf8.ValidString(a.text) {
			t.Errorf("%s has %d bytes, of UTF-8: %v", address, len(a.text), utf8.ValidString(a.text))
		}
	}
}
