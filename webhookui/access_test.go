package webhookui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestNewNeedsAnEmitterAndAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{}, outcomes{})
	for name, try := range map[string]func() (http.Handler, error){
		"emitter is nil":        func() (http.Handler, error) { return New(nil, Options{Access: Everyone}) },
		"Options.Access is nil": func() (http.Handler, error) { return New(s.em, Options{}) },
		"empty password":        func() (http.Handler, error) { return New(s.em, Options{Access: Password("ops", "")}) },
	} {
		if h, err := try(); h != nil || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
}

func TestPasswordAsksAndCompares(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{Access: Password("ops", "pass wörd")}, outcomes{}, app("hook"))
	for _, tt := range []struct {
		user, password string
		want           int
	}{
		{"", "", 401},
		{"ops", "", 401},
		{"ops", "pass", 401},
		{"Ops", "pass wörd", 401},
		{"ops", "pass wörd ", 401},
		{"ops", "pass wörd", 200},
	} {
		for _, path := range []string{"/", "/style.css", "/webhook?app=my-app&id=hook"} {
			r := httptest.NewRequest("GET", path, nil)
			if tt.user != "" {
				r.SetBasicAuth(tt.user, tt.password)
			}
			a := s.do(r)
			if a.Code != tt.want {
				t.Errorf("%s %q %q: %d", path, tt.user, tt.password, a.Code)
			}
			if asks := strings.HasPrefix(a.Header().Get("WWW-Authenticate"), "Basic realm="); asks != (tt.want == 401) {
				t.Errorf("%s %q: asks %v", path, tt.user, asks)
			}
			if tt.want == 401 {
				a.lacks(t, "my-app", "hook.example", "<")
			}
		}
	}
}

// as is an Access that is the same for all.
func as(a Access) func(*http.Request) Access { return func(*http.Request) Access { return a } }

func TestNoneAndNonsenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, access := range []Access{None, -1, 99} {
		s := newSite(t, nil, Options{Access: as(access)}, outcomes{}, app("hook"))
		for _, path := range []string{"/", "/style.css", "/webhook?app=my-app&id=hook", "/nothing", ""} {
			a := s.do(&http.Request{Method: "GET", URL: &url.URL{Path: strings.Split(path, "?")[0]}, RequestURI: path})
			a.wants(t, http.StatusForbidden)
			a.lacks(t, "my-app", "<")
		}
	}
}

// What a reader may not do is refused by the server, whatever form is sent, and is not offered.
func TestAReaderChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, Options{Access: as(Read)}, outcomes{"hook": gone}, app("hook"))
	s.emit(t, occupied("chat"))
	letter := s.dead(t, "hook", 1)[0]
	page := s.get("/webhook?app=my-app&id=hook")
	page.wants(t, 200, "gone", "chat")
	page.lacks(t, "<button", `method="post"`, "Discard")
	s.get("/").wants(t, 200, "hook")
	s.get("/discard?app=my-app&id=hook").wants(t, http.StatusForbidden)
	for _, action := range []string{"resume", "test", "replay", "discard"} {
		form := url.Values{"app": {"my-app"}, "id": {"hook"}, "all": {"yes"}, "letter": {letter.ID}}
		s.post("/"+action, form).wants(t, http.StatusForbidden)
	}
	if got := s.dead(t, "hook", 1)[0]; got.ID != letter.ID {
		t.Errorf("the dead letter is another: %v", got.ID)
	}
	if n := s.em.Stats(); n.Attempts != 1 {
		t.Errorf("a reader has had %d attempts made", n.Attempts-1)
	}
}

func TestAccessHasNames(t *testing.T) {
	t.Parallel()
	for a, want := range map[Access]string{None: "none", Challenge: "challenge", Read: "read", Write: "write", 9: "unknown"} {
		if a.String() != want {
			t.Errorf("%d is %q", a, a)
		}
	}
	var zero Access
	if zero != None {
		t.Error("the zero value gives access")
	}
}
