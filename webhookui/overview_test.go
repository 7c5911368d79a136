package webhookui

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/queue"
)

// names returns the webhooks that a page lists, in their order.
func (a answer) names() (ids []string) {
	for _, m := range regexp.MustCompile(`<th scope="row"><a href="webhook\?app=[^"&]*&amp;id=([^"]*)">`).FindAllStringSubmatch(a.text, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestTheOverviewListsFailingWebhooksFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil, Options{Title: "Hooks of staging"}, outcomes{"m-down": down, "z-gone": gone}, app("a-works", "m-down", "z-gone"))
		s.get("/").wants(t, 200, "All is well", "Hooks of staging", "icon-ok.svg", "untried")
		for i := range 12 {
			s.emit(t, occupied(fmt.Sprint("chat-", i)))
		}
		time.Sleep(5 * time.Second)
		a := s.get("/")
		a.wants(t, 200, "1 of 3 webhooks fails", "icon-failing.svg", "<title>(1) Hooks of staging", "status: 503 Service Unavailable", `data-name="Fails since"><time`,
			"410 Gone", `<dd class="figure">12</dd><dd>attempts in the last hour, 12 in the last minute`, "held")
		if got := a.names(); strings.Join(got, " ") != "m-down a-works z-gone" {
			t.Errorf("listed %v", got)
		}
		time.Sleep(4 * time.Minute)
		s.get("/").wants(t, 200, " ago</time>", "4 m ")
	})
}

func TestTheOverviewIsSearchedAndPaged(t *testing.T) {
	t.Parallel()
	var ids []string
	for i := range 95 {
		ids = append(ids, fmt.Sprintf("hook-%02d", i))
	}
	s := newSite(t, nil, Options{}, outcomes{}, app(ids...))
	for _, tt := range []struct {
		address, first string
		n              int
		texts          []string
	}{
		{"/", "hook-00", 40, []string{"1 to 40 of 95", "Page 1 of 3", `href="./?page=2"`}},
		{"/?page=2", "hook-40", 40, []string{"41 to 80 of 95", `data-key="prev" href="./"`, `href="./?page=3"`}},
		{"/?page=3", "hook-80", 15, []string{"81 to 95 of 95", `href="./?page=2"`}},
		{"/?page=99", "hook-80", 15, nil},
		{"/?page=-1", "hook-00", 40, nil},
		{"/?page=" + strings.Repeat("9", 50), "hook-80", 15, nil},
		{"/?q=HOOK-7", "hook-70", 10, []string{"1 to 10 of 10 found", `value="HOOK-7"`}},
		{"/?q=my-app+hook-7+hook-71", "hook-71", 1, nil},
		{"/?q=hooks.example&page=2", "hook-40", 40, []string{`href="./?page=3&amp;q=hooks.example"`}},
		{"/?q=nobody", "", 0, []string{"No webhook matches"}},
		{"/?state=failing", "", 0, []string{"No webhook matches"}},
		{"/?state=untried", "hook-00", 40, []string{`href="./?page=2&amp;state=untried"`, `href="./?state=untried" aria-current="true"`}},
		{"/?state=nonsense", "hook-00", 40, []string{`href="./" aria-current="true"`}},
	} {
		a := s.get(tt.address)
		a.wants(t, 200, tt.texts...)
		got := a.names()
		if len(got) != tt.n || tt.n > 0 && got[0] != tt.first {
			t.Errorf("%s lists %v", tt.address, got)
		}
	}
}

func TestUnknownNumbersAreNotZero(t *testing.T) {
	t.Parallel()
	s := newSite(t, plainQueue{memory(t)}, Options{}, outcomes{}, app("hook"))
	a := s.get("/")
	a.wants(t, 200, `Waiting in the queue</dt><dd class="figure">unknown</dd><dd>oldest: unknown`, `Dead letters</dt><dd class="figure">unknown`,
		`data-name="Waiting" class="n">unknown</td>`, `data-name="Dead letters" class="n">unknown</td>`)
	a.lacks(t, "unknown ago", ">-1", " -1 ")
	p := s.get("/webhook?app=my-app&id=hook")
	p.wants(t, 200, `Waiting</dt><dd class="figure">unknown</dd><dd>oldest: unknown`, "This queue has no list of dead letters")
	p.lacks(t, ">-1", " -1 ")
}

func TestWebhooksOfOtherProcessesAreListed(t *testing.T) {
	t.Parallel()
	q := memory(t)
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "other-app/other", Health: queue.Failing, Hold: time.Minute, Reason: "timeout"}); err != nil {
		t.Fatal(err)
	}
	if err := q.SetLane(t.Context(), queue.LaneUpdate{Lane: "nonsense", Health: queue.Failing, Reason: "of another program"}); err != nil {
		t.Fatal(err)
	}
	s := newSite(t, q, Options{}, outcomes{}, app("hook"))
	a := s.get("/?state=unknown")
	a.wants(t, 200, "other-app · not configured here", "Not configured here <b>2</b>", `<th scope="row">nonsense<span`)
	p := s.get("/webhook?app=other-app&id=other")
	p.wants(t, 200, "Not configured in this process", "timeout", "Resume now")
	p.lacks(t, "Send a test", "Configuration")
}

func TestAnEmitterWithoutAQueue(t *testing.T) {
	t.Parallel()
	s := newSite(t, queue.None, Options{}, outcomes{}, app("hook"))
	s.get("/").wants(t, 200, `<dd class="figure">off</dd>`)
	s.get("/webhook?app=my-app&id=hook").wants(t, 200, "hook")
}

func TestAShutDownEmitterIsAProblem(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{}, app("hook"))
	if err := s.em.Close(); err != nil {
		t.Fatal(err)
	}
	s.get("/").wants(t, 200, "The emitter was shut down", "icon-problem.svg")
	s.get("/webhook?app=my-app&id=hook").wants(t, 200, "queue")
	s.follow(t, s.post("/test", map[string][]string{"app": {"my-app"}, "id": {"hook"}})).wants(t, 200, "The test was not sent")
}

// A mount without a slash at its end leads to the one with it, by a relative link, so that a proxy may
// have cut a prefix.
func TestAMountWithoutASlash(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{}, app("hook"))
	for _, tt := range []struct{ prefix, address, to string }{
		{"/status", "/status", "./status/"},
		{"/status", "/status?q=a%20b&page=2", "./status/?q=a%20b&page=2"},
		{"/deep/er/st", "/deep/er/st", "./st/"},
		{"/a:b", "/a:b", "./a:b/"},
		{"/sp ace", "/sp%20ace", "./sp%20ace/"},
	} {
		w := httptest.NewRecorder()
		http.StripPrefix(tt.prefix, s).ServeHTTP(w, httptest.NewRequest("GET", tt.address, nil))
		if to := w.Header().Get("Location"); w.Code != http.StatusTemporaryRedirect || to != tt.to {
			t.Errorf("%s: %d leads to %q", tt.address, w.Code, to)
		}
	}
	for prefix, address := range map[string]string{"/status": "/status/", "/status/": "/status/", "": "/"} {
		w := httptest.NewRecorder()
		http.StripPrefix(prefix, s).ServeHTTP(w, httptest.NewRequest("GET", address, nil))
		if w.Code != 200 {
			t.Errorf("%s without %s: %d %s", address, prefix, w.Code, w.Header().Get("Location"))
		}
	}
}

// No link, form or file of any page is absolute.
func TestLinksAreRelative(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{"hook": gone}, app("hook"))
	for i := range 12 {
		s.emit(t, occupied(fmt.Sprint("chat-", i)))
	}
	s.dead(t, "hook", 12)
	link := regexp.MustCompile(`(?:href|src|action)="([^"]*)"`)
	for _, address := range []string{"/", "/webhook?app=my-app&id=hook", "/discard?app=my-app&id=hook", "/webhook?app=x&id=y"} {
		links := link.FindAllStringSubmatch(s.get(address).text, -1)
		for _, l := range links {
			if strings.HasPrefix(l[1], "/") || strings.Contains(l[1], ":") {
				t.Errorf("%s links to %q", address, l[1])
			}
			if file, _, ok := strings.Cut(l[1], "?"+version); ok && files[file] == nil {
				t.Errorf("%s asks for %q", address, file)
			}
		}
		if len(links) < 4 {
			t.Errorf("%s has %d links", address, len(links))
		}
	}
}

// large makes a site of n webhooks, every second of which fails.
func large(t testing.TB, n int) *site {
	q := memory(t)
	apps := make([]webhook.App, n/10)
	for i := range apps {
		a := app()
		a.ID = fmt.Sprintf("app-%04d", i)
		for k := range 10 {
			w := app("x").Webhooks[0]
			w.ID = fmt.Sprintf("a-rather-long-webhook-name-%d", k)
			a.Webhooks = append(a.Webhooks, w)
			if k%2 == 1 {
				continue
			}
			err := q.SetLane(t.Context(), queue.LaneUpdate{
				Lane: a.ID + "/" + w.ID, Health: queue.Failing, Hold: time.Minute, Reason: strings.Repeat("connect: connection refused; ", 8),
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		apps[i] = a
	}
	s := newSite(t, q, Options{}, outcomes{}, apps...)
	snapshots := &s.Handler.(*handler).snapshots
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if snap := snapshots.get(t.Context()); snap != nil && snap.List != nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatal("the webhooks are not listed within 30 s")
		}
	}
}

func TestTheOverviewOfTenThousandIsSmall(t *testing.T) {
	t.Parallel()
	s := large(t, 10_000)
	for _, address := range []string{"/", "/?page=125", "/?page=250", "/?q=app-0&page=3", "/?state=failing"} {
		a := s.get(address)
		a.wants(t, 200, "5\u202f000 of 10\u202f000 webhooks fail")
		if len(a.text) > 100<<10 {
			t.Errorf("%s has %d bytes", address, len(a.text))
		}
		t.Logf("%s has %d bytes", address, len(a.text))
	}
}

func TestRowsAreBounded(t *testing.T) {
	t.Parallel()
	s := large(t, maxRows+1000)
	a := s.get("/?q=app-2")
	a.wants(t, 200, "the page keeps no more than 20\u202f000 of 21\u202f000 webhooks", `action="webhook" method="get"`, "10\u202f500 of 21\u202f000 webhooks fail")
	s.get("/webhook?app=app-2099&id=a-rather-long-webhook-name-9").wants(t, 200, "untried")
}

// BenchmarkOverview makes the first page of 10,000 webhooks, 5,000 of which fail: with a snapshot of
// its own, which is the first request's, and with that of others, which is the usual way.
func BenchmarkOverview(b *testing.B) {
	s := large(b, 10_000)
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			s.Handler.(*handler).snapshots.change()
			s.get("/")
		}
	})
	b.Run("shared", func(b *testing.B) {
		for b.Loop() {
			s.get("/")
		}
	})
	b.Run("search", func(b *testing.B) {
		for b.Loop() {
			s.get("/?q=app-0999+name-9")
		}
	})
}
