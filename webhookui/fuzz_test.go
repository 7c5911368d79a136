package webhookui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzPage sends queries and forms. Whatever they hold, the answer is one of the page's, with its
// headers and markup, and leads nowhere else.
func FuzzPage(f *testing.F) {
	for _, seed := range [][3]string{
		{"", "q=a&state=held&page=2", ""},
		{"webhook", "app=my-app&id=hook&after=x&live=1&notice=y", ""},
		{"discard", "app=my-app&id=hook", ""},
		{"resume", "", "app=my-app&id=hook"},
		{"test", "", "app=my-app&id=hook"},
		{"replay", "", "app=my-app&id=hook&all=yes"},
		{"discard", "", "app=my-app&id=hook&letter=1&after=2"},
		{"..%2f", "", ""},
		{"style.css", "x", ""},
		{"webhook", "app=a&id=%00%ff\u202e<script>", "x=%zz"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s := newSite(f, nil, Options{}, outcomes{"hook": gone}, app("hook"))
	s.emit(f, occupied("chat"))
	s.dead(f, "hook", 1)
	f.Fuzz(func(t *testing.T, path, query, form string) {
		r := &http.Request{
			Method: "GET", URL: &url.URL{Path: "/" + path, RawQuery: query}, Header: http.Header{}, Body: http.NoBody, Host: "example.com", RequestURI: "/" + path,
		}
		if form != "" {
			r = httptest.NewRequest("POST", "/", strings.NewReader(form))
			r.URL = &url.URL{Path: "/" + path, RawQuery: query}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", "http://example.com")
		}
		a := s.do(r.WithContext(t.Context()))
		switch a.Code {
		case 200, 303, 400, 404, 405, 413:
		default:
			t.Errorf("status %d: %s", a.Code, a.text)
		}
		for header, want := range headers {
			if got := a.Header().Get(header); got != want && header != "Cache-Control" {
				t.Errorf("%s is %q", header, got)
			}
		}
		if to := a.Header().Get("Location"); to != "" && !strings.HasPrefix(to, "webhook?app=") {
			t.Errorf("leads to %q", to)
		}
		if files[path] == nil {
			checkMarkup(t, a)
		}
		if !utf8.ValidString(a.text) {
			t.Errorf("the answer is not UTF-8: %q", a.text)
		}
	})
}
