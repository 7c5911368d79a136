package webhookui

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

// form is what a form of the page sends, with more fields by name and value.
func form(id string, more ...string) url.Values {
	v := url.Values{"app": {"my-app"}, "id": {id}}
	for i := 0; i < len(more); i += 2 {
		v.Add(more[i], more[i+1])
	}
	return v
}

func TestAWebhooksPage(t *testing.T) {
	t.Parallel()
	a := app("hook")
	w := &a.Webhooks[0]
	w.Filter = webhook.Filter{ChannelPrefix: "presence-", ChannelNamespaces: []string{"eu", "us"}}
	w.Retry = webhook.Retry{MaxAttempts: 7, MaxElapsed: 90 * time.Second}
	w.RateLimit.PerSecond = 2.5
	w.Ordered = true
	s := newSite(t, nil, Options{}, outcomes{}, a)
	s.get("/webhook?app=my-app&id=hook").wants(t, 200, "<h1>hook</h1>", "channel_occupied, client_event", "presence-", "eu, us", "X-Token (values are not shown)",
		"for 1 m 30 s, after 1 s, doubling to 1 m, 7 attempts at most; none older than 1 h", "2.5 a second, 3 at once", "one job at a time", "10 s", "There are none.")
	s.get("/webhook?app=my-app&id=nobody").wants(t, 404, "No such webhook")
	s.get("/webhook?app=nobody&id=hook").wants(t, 404, "No such webhook")
	s.get("/webhook?app=my&id=app/hook").wants(t, 404)
	s.get("/webhook").wants(t, 400, "Which webhook?")
	s.get("/webhook?app=my-app").wants(t, 400)
	s.get("/webhook?app="+strings.Repeat("x", 100_000)+"&id=hook").wants(t, 404)
}

func TestResumeEndsAHold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := outcomes{"hook": down}
		s := newSite(t, nil, Options{}, answers, app("hook"))
		for i := range 12 {
			s.emit(t, occupied(fmt.Sprint(i)))
		}
		time.Sleep(time.Second)
		s.get("/webhook?app=my-app&id=hook").wants(t, 200, "held", "next try <time", "status: 503")
		a := s.post("/resume", form("hook"))
		p := s.follow(t, a)
		p.wants(t, 200, "Resumed: what waits is tried at once.", `role="status"`)
		time.Sleep(time.Second)
		if n := s.em.Stats().Attempts; n <= 10 {
			t.Errorf("only %d attempts after Resume", n)
		}
		s.follow(t, s.post("/resume", form("nobody"))).wants(t, 404)
	})
}

func TestATestDeliveryIsShown(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{
		"refuses": {Verdict: dispatch.Retry, Status: 404, Reason: "status", Response: "no such tenant"},
		"silent":  {Verdict: dispatch.Retry, Reason: "timeout", Err: fmt.Errorf("no answer in 10s")},
	}, app("works", "refuses", "silent"))
	s.follow(t, s.post("/test", form("works"))).wants(t, 200, "The test was delivered: status 200", "notice good")
	s.follow(t, s.post("/test", form("refuses"))).wants(t, 200, "with status 404", "no such tenant", "notice bad")
	s.follow(t, s.post("/test", form("silent"))).wants(t, 200, ": timeout.", "no answer in 10s")
}

func TestDeadLettersAreReplayedAndDiscarded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{"hook": gone, "other": gone}, app("hook", "other"))
	for i := range 25 {
		s.emit(t, occupied(fmt.Sprintf("chat-%02d", i)))
	}
	list := s.dead(t, "hook", 25)
	s.dead(t, "other", 25)

	// Pages of ten, each behind the last letter of the one before.
	next := regexp.MustCompile(`rel="next" href="([^"#]*)#dead-letters"`)
	address, seen := "/webhook?app=my-app&id=hook", 0
	for _, want := range []int{10, 10, 5} {
		a := s.get(address)
		n := strings.Count(a.text, `class="letter"`)
		if n != want || !strings.Contains(a.text, list[seen].ID) {
			t.Fatalf("%s lists %d", address, n)
		}
		cursor := ""
		if seen > 0 {
			cursor = list[seen-1].ID
		}
		if forms := strings.Count(a.text, `name="after" value="`+cursor+`"`); forms != 2*n {
			t.Errorf("%d forms of %s tell where their letters are", forms, address)
		}
		seen += n
		if m := next.FindStringSubmatch(a.text); m != nil {
			address = "/" + strings.ReplaceAll(m[1], "&amp;", "&")
		} else if seen != 25 {
			t.Fatalf("there is no next page after %d", seen)
		}
	}

	s.follow(t, s.post("/discard", form("hook", "letter", list[0].ID))).wants(t, 200, "1 dead letter discarded.")
	s.follow(t, s.post("/discard", form("hook", "letter", list[0].ID))).wants(t, 200, "No dead letter discarded.", "There is none any more.")
	s.follow(t, s.post("/replay", form("hook", "letter", list[12].ID, "after", list[9].ID))).wants(t, 200, "1 dead letter replayed.")
	s.follow(t, s.post("/replay", form("hook", "letter", list[20].ID, "letter", list[21].ID))).wants(t, 200, "2 dead letters replayed.")
	s.dead(t, "hook", 24) // those that were replayed are given up again

	s.get("/discard?app=my-app&id=hook").wants(t, 200, "All 24 dead letters", `name="all" value="yes"`, "Cancel")
	s.follow(t, s.post("/replay", form("hook", "all", "yes"))).wants(t, 200, "24 dead letters replayed.")
	s.dead(t, "hook", 24)
	s.follow(t, s.post("/discard", form("hook", "all", "yes", "after", "x"))).wants(t, 200, "24 dead letters discarded.", "There are none.")
	s.dead(t, "hook", 0)
	s.dead(t, "other", 25) // another webhook's are as they were
}

// An update of the page that is shown lists the dead letters only if their number has changed.
func TestUpdatesListDeadLettersOnlyWhenTheyChange(t *testing.T) {
	t.Parallel()
	q := &awayQueue{Memory: memory(t)}
	s := newSite(t, q, Options{}, outcomes{"hook": gone}, app("hook"))
	s.get("/webhook?app=my-app&id=hook").wants(t, 200, `data-live="0"`)
	if n := q.dead.Load(); n != 0 {
		t.Errorf("%d lists, though the queue says that there is none", n)
	}
	s.emit(t, occupied("chat"))
	s.dead(t, "hook", 1)
	before := q.dead.Load()
	s.get("/webhook?app=my-app&id=hook&live=0").wants(t, 200, `data-live="1"`, `id="dead-letters"`)
	if n := q.dead.Load(); n != before+1 {
		t.Errorf("%d lists for a change", n-before)
	}
	a := s.get("/webhook?app=my-app&id=hook&live=1")
	a.wants(t, 200, `data-live="1"`, `id="status"`)
	a.lacks(t, `id="dead-letters"`)
	if n := q.dead.Load(); n != before+1 {
		t.Errorf("%d lists without a change", n-before-1)
	}
}

// A page looks through a bounded number of other webhooks' dead letters, and goes on where it
// stopped.
func TestTheSearchForDeadLettersIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{"many": gone, "few": gone}, app("many", "few"))
	if err := s.em.SetApp(app("many")); err != nil {
		t.Fatal(err)
	}
	for i := range letterScan + 50 {
		s.emit(t, occupied(fmt.Sprint(i)))
	}
	waitFor(t, s, "my-app", "many", func(w webhook.WebhookStatus) bool { return w.DeadLetters == letterScan+50 })
	if err := s.em.SetApp(app("few")); err != nil {
		t.Fatal(err)
	}
	s.emit(t, occupied("the-few"))
	s.dead(t, "few", 1)
	a := s.get("/webhook?app=my-app&id=few")
	a.wants(t, 200, "1\u202f000 dead letters of all webhooks were looked through", "Look further")
	a.lacks(t, "There are none")
	to := regexp.MustCompile(`rel="next" href="([^"#]*)#`).FindStringSubmatch(a.text)
	s.get("/"+html.UnescapeString(to[1])).wants(t, 200, "the-few")
}

// Apps and webhooks may have any names.
func TestNamesOfAnyCharacters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b", "ü/日本", "100%", "..", "a&b=c", "x?y#z", "+", `"quoted'`, "./", "%2F", "a;b"} {
		a := app(strings.ReplaceAll(name, "/", "|"))
		a.ID = name
		s := newSite(t, nil, Options{}, outcomes{a.Webhooks[0].ID: gone}, a)
		ev := occupied("chat")
		ev.AppID = name
		s.emit(t, ev)
		waitFor(t, s, a.ID, a.Webhooks[0].ID, func(w webhook.WebhookStatus) bool { return w.DeadLetters == 1 })
		m := regexp.MustCompile(`<th scope="row"><a href="([^"]*)"`).FindStringSubmatch(s.get("/").text)
		if m == nil {
			t.Errorf("%q has no link", name)
			continue
		}
		s.get("/"+html.UnescapeString(m[1])).wants(t, 200, "gone", "1 event: channel_occupied")
		names := url.Values{"app": {a.ID}, "id": {a.Webhooks[0].ID}, "all": {"yes"}}
		s.follow(t, s.post("/discard", names)).wants(t, 200, "1 dead letter discarded.")
	}
}

func TestNoticesAreOfThisPageAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{}, app("hook"))
	s.get("/?notice=Your+password+has+expired").lacks(t, "expired")
	s.get("/webhook?app=my-app&id=hook&notice=").lacks(t, `class="notice`)
	synctest.Test(t, func(t *testing.T) {
		var all notices
		first := all.add(notice{Text: "first"})
		for range maxNotices {
			all.add(notice{})
		}
		if all.get(first) != nil || len(all.byName) != maxNotices || len(all.names) != maxNotices {
			t.Errorf("%d notices are kept", len(all.byName))
		}
		last := all.add(notice{Text: "last"})
		if n := all.get(last); n == nil || n.Text != "last" {
			t.Errorf("the last is %+v", n)
		}
		time.Sleep(noticeTime + time.Second)
		if all.get(last) != nil {
			t.Error("a notice is kept too long")
		}
	})
}
