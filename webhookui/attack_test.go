package webhookui

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

const (
	unseen = "\u202e\u3164\u034f\ufe0f"
	script = `"><script>alert(1)</script><img src=x onerror=alert(2)>'` + unseen
)

// Whatever clients, receivers and configurations say stands on the page as text.
func TestTextsOfOthersAreEscaped(t *testing.T) {
	t.Parallel()
	refuse := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New(script), Response: script}
	a := app("dead")
	a.ID = "app" + script
	a.Webhooks[0].ID = "dead" + script
	a.Webhooks[0].Filter.ChannelPrefix = "private-"
	a.Webhooks = append(a.Webhooks, a.Webhooks[0])
	a.Webhooks[1].ID = "failing" + script
	a.Webhooks[1].Filter.ChannelPrefix = ""
	for i := range a.Webhooks {
		a.Webhooks[i].ID = strings.ReplaceAll(a.Webhooks[i].ID, "/", "|") // an ID has no slash
	}
	s := newSite(t, nil, Options{Title: script}, outcomes{a.Webhooks[0].ID: refuse, a.Webhooks[1].ID: {
		Verdict: dispatch.Retry, Status: 500, Reason: script, Err: errors.New(script), Response: script,
	}}, a)
	for i := range 12 {
		ev := webhook.ClientEvent(a.ID, "private-chat", webhook.ClientMessage{Name: "client-" + script, Data: script, SocketID: "1.1"})
		ev.Channel = fmt.Sprintf("private-%d", i)
		s.emit(t, ev)
	}
	waitFor(t, s, a.ID, a.Webhooks[0].ID, func(w webhook.WebhookStatus) bool { return w.DeadLetters == 12 })
	waitFor(t, s, a.ID, a.Webhooks[1].ID, func(w webhook.WebhookStatus) bool { return w.State == webhook.LaneHeld })
	names := func(id string) url.Values { return url.Values{"app": {a.ID}, "id": {id}} }
	for _, address := range []string{
		"/", "/?q=" + url.QueryEscape(script), "/?state=" + url.QueryEscape(script), "/?page=" + url.QueryEscape(script),
		"/webhook?" + names(a.Webhooks[0].ID).Encode(), "/webhook?" + names(a.Webhooks[1].ID).Encode(),
		"/webhook?after=" + url.QueryEscape(script) + "&" + names(a.Webhooks[0].ID).Encode(),
		"/webhook?live=" + url.QueryEscape(script) + "&notice=" + url.QueryEscape(script) + "&" + names(a.Webhooks[0].ID).Encode(),
		"/webhook?" + names(script).Encode(), "/discard?" + names(script).Encode(), "/discard?" + names(a.Webhooks[0].ID).Encode(),
	} {
		checkMarkup(t, s.get(address))
	}
	checkMarkup(t, s.follow(t, s.post("/test", names(a.Webhooks[1].ID))))
	checkMarkup(t, s.follow(t, s.post("/resume", names(script))))
}

var tags = regexp.MustCompile(`<[^>]*>`)

// checkMarkup fails if a page has markup that is not the templates'.
func checkMarkup(t testing.TB, a answer) {
	t.Helper()
	low := strings.ToLower(a.text)
	for _, bad := range []string{"<script>", "<img src=x", "onerror=alert", "javascript:", " style=", "<style"} {
		if i := strings.Index(low, bad); i >= 0 && !strings.Contains(low[max(0, i-60):i], "&lt;") {
			t.Errorf("%q is in %q", bad, low[max(0, i-80):min(len(low), i+80)])
		}
	}
	// What is typed into a field has to come back as it was; what is read must not turn its
	// direction, nor have anything that cannot be seen.
	text := tags.ReplaceAllString(a.text, "")
	if i := strings.IndexAny(text, unseen); i >= 0 {
		t.Errorf("a text has a character that cannot be seen: %+q", text[max(0, i-60):min(len(text), i+60)])
	}
	if n := strings.Count(low, "<script "); n > 1 {
		t.Errorf("the page has %d scripts", n)
	}
	if kind := a.Header().Get("Content-Type"); a.Code == 200 && kind != "text/html; charset=utf-8" {
		t.Errorf("the page has the type %q", kind)
	}
}

func TestNoPageHasASecret(t *testing.T) {
	t.Parallel()
	echo := "you sent header-value and /url-path?token=url-token as user:url-password"
	out := dispatch.Outcome{Verdict: dispatch.Stop, Status: 410, Reason: "gone", Err: errors.New(echo), Response: echo}
	s := newSite(t, nil, Options{}, outcomes{"hook": out}, app("hook"))
	s.emit(t, occupied("chat"))
	s.dead(t, "hook", 1)
	form := url.Values{"app": {"my-app"}, "id": {"hook"}}
	for _, a := range []answer{
		s.get("/"), s.get("/webhook?app=my-app&id=hook"), s.get("/discard?app=my-app&id=hook"),
		s.follow(t, s.post("/test", form)), s.follow(t, s.post("/resume", form)),
	} {
		a.wants(t, 200, "hook")
		a.lacks(t, secrets...)
	}
	s.get("/webhook?app=my-app&id=hook").wants(t, 200, "X-Token", "https://…@hooks.example.com/…")
}

// A form of another site changes nothing, with whatever a browser sends.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{"hook": gone}, app("hook"))
	s.emit(t, occupied("chat"))
	s.dead(t, "hook", 1)
	for name, header := range map[string]http.Header{
		"cross-site":  {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":   {"Sec-Fetch-Site": {"same-site"}},
		"old browser": {"Origin": {"https://evil.example"}},
		"sandboxed":   {"Origin": {"null"}},
		"other port":  {"Origin": {"http://example.com:8080"}},
		"old referer": {"Referer": {"https://evil.example/example.com"}},
		"of no host":  {"Referer": {"about:blank"}},
		"no header":   {},
	} {
		for _, action := range []string{"resume", "test", "replay", "discard"} {
			r := httptest.NewRequest("POST", "/"+action, strings.NewReader("app=my-app&id=hook&all=yes"))
			r.Header = header.Clone()
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if a := s.do(r); a.Code != http.StatusForbidden {
				t.Errorf("%s: %s answers %d", name, action, a.Code)
			}
		}
	}
	s.dead(t, "hook", 1)
	if n := s.em.Stats().Attempts; n != 1 {
		t.Errorf("%d attempts", n)
	}
	for _, own := range []http.Header{
		{"Sec-Fetch-Site": {"same-origin"}},
		{"Sec-Fetch-Site": {"none"}},
		{"Origin": {"http://example.com"}},
		{"Origin": {"https://example.com"}},
		{"Referer": {"http://example.com/webhook?app=my-app&id=hook"}},
	} {
		r := httptest.NewRequest("POST", "/resume", strings.NewReader("app=my-app&id=hook"))
		r.Header = own.Clone()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.follow(t, s.do(r)).wants(t, 200, "Resumed")
	}
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{}, app("hook"))
	refusing := newSite(t, nil, Options{Access: Password("ops", "x")}, outcomes{})
	for name, a := range map[string]answer{
		"page": s.get("/"), "webhook": s.get("/webhook?app=my-app&id=hook"), "file": s.get("/script.js"), "missing": s.get("/x"),
		"unknown": s.get("/webhook?app=x&id=y"), "post": s.post("/resume", url.Values{"app": {"my-app"}, "id": {"hook"}}),
		"refused": refusing.get("/"), "wrong method": s.do(httptest.NewRequest("PUT", "/", nil)),
	} {
		for header, want := range headers {
			if got := a.Header().Get(header); got != want && !(name == "file" && header == "Cache-Control") {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
	}
	policy := headers["Content-Security-Policy"]
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestNothingIsServedOutsideItsPages(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{}, app("hook"))
	for _, path := range []string{
		"/..%2f", "/../", "/..", "/%2e%2e/go.mod", "/static/style.css", "/templates/layout.html", "/style.css/", "//style.css", "/STYLE.CSS",
		"/webhook/", "/webhook/../style.css", "/style.css%00", "/.", "/a/b", "/index.html", "/favicon.ico", "/%5cstyle.css", "/style.css;x",
	} {
		s.get(path).wants(t, http.StatusNotFound)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{}, app("hook"))
	for _, tt := range []struct {
		method, path string
		want         int
		allow        string
	}{
		{"HEAD", "/", 200, ""},
		{"HEAD", "/style.css", 200, ""},
		{"HEAD", "/webhook?app=my-app&id=hook", 200, ""},
		{"HEAD", "/webhook?app=x&id=y", 404, ""},
		{"POST", "/", 405, "GET, HEAD"},
		{"PUT", "/webhook", 405, "GET, HEAD"},
		{"DELETE", "/style.css", 405, "GET, HEAD"},
		{"POST", "/style.css", 405, "GET, HEAD"},
		{"GET", "/resume?app=my-app&id=hook", 405, "POST"},
		{"GET", "/test", 405, "POST"},
		{"HEAD", "/replay", 405, "POST"},
		{"DELETE", "/discard", 405, "GET, HEAD, POST"},
		{"OPTIONS", "/", 405, "GET, HEAD"},
		{"TRACE", "/", 405, "GET, HEAD"},
		{"x", "/", 405, "GET, HEAD"},
	} {
		r := httptest.NewRequest("GET", tt.path, nil)
		r.Method = tt.method
		a := s.do(r)
		if a.Code != tt.want || a.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q", tt.method, tt.path, a.Code, a.Header().Get("Allow"))
		}
	}
	get, head := s.get("/webhook?app=my-app&id=hook"), s.do(httptest.NewRequest("HEAD", "/webhook?app=my-app&id=hook", nil))
	if head.text != "" || head.Header().Get("Content-Length") != get.Header().Get("Content-Length") {
		t.Errorf("HEAD has %d bytes of %s, GET of %s", len(head.text), head.Header().Get("Content-Length"), get.Header().Get("Content-Length"))
	}
}

func TestFormsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{"hook": gone}, app("hook"))
	s.emit(t, occupied("chat"))
	s.dead(t, "hook", 1)
	send := func(kind, body string) answer {
		r := httptest.NewRequest("POST", "/discard?app=my-app&id=hook&all=yes", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", "http://example.com")
		return s.do(r)
	}
	const formType = "application/x-www-form-urlencoded"
	send(formType, "app=my-app&id=hook&all=yes&x="+strings.Repeat("x", 20<<20)).wants(t, http.StatusRequestEntityTooLarge)
	send("multipart/form-data; boundary=x", "--x\r\n").wants(t, http.StatusUnsupportedMediaType)
	send("application/json", `{"app":"my-app"}`).wants(t, http.StatusUnsupportedMediaType)
	send("text/plain", "app=my-app&id=hook&all=yes").wants(t, http.StatusUnsupportedMediaType)
	send("", "app=my-app").wants(t, http.StatusUnsupportedMediaType)
	send(formType, "app=%zz").wants(t, http.StatusBadRequest)
	send(formType, "").wants(t, http.StatusBadRequest) // what the address names does not count
	send(formType, "app=my-app").wants(t, http.StatusBadRequest)
	// Without a dead letter and without "all" nothing is chosen.
	s.follow(t, send(formType, "app=my-app&id=hook")).wants(t, 200, "No dead letter discarded")
	s.follow(t, send(formType, "app=my-app&id=hook&letter=")).wants(t, 200, "No dead letter discarded")
	s.dead(t, "hook", 1)
}

// A thousand who look at once ask the queue as often as one.
func TestAThousandRequestsAtOnce(t *testing.T) {
	t.Parallel()
	q := &countingQueue{}
	q.Queue = memory(t)
	s := newSite(t, q, Options{}, outcomes{}, app("hook"))
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			address := "/"
			if i%10 == 0 {
				address = "/webhook?app=my-app&id=hook"
			}
			if a := s.get(address); a.Code != 200 || !strings.Contains(a.text, "hook") {
				t.Errorf("status %d: %.200s", a.Code, a.text)
			}
		})
	}
	all.Wait()
	if n := q.all.Load(); n > 40 { // two pages of lanes a second
		t.Errorf("the lanes were listed %d times", n)
	}
	if n := q.most.Load(); n > maxPages+1 {
		t.Errorf("%d calls of the queue at once", n)
	}
}
