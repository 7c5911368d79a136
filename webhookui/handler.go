package webhookui

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/internal/oneline"
)

// Options configures the page.
type Options struct {
	// Access decides what a request may do. Required: Password, Everyone, or a function of the
	// host's. It is called for each request, from many goroutines at once.
	Access func(*http.Request) Access

	// Title is the heading of the page and of its browser tab, such as "Webhooks (staging)".
	// Defaults to "Webhooks".
	Title string
}

const (
	maxPages   = 16 // that are made at once; more wait. Overviews are counted by themselves
	maxActions = 4  // replays, discards, test deliveries and so on at once; more wait

	waitTime = 5 * time.Second // for a turn
)

// New makes the handler of the page of em. It fails if em or Options.Access is nil. It starts
// nothing: the page asks the queue only while it is open in a browser. It may be served after em
// was shut down.
func New(em *webhook.Emitter, o Options) (http.Handler, error) {
	switch {
	case em == nil:
		return nil, errors.New("webhookui: the emitter is nil: it must be that of webhook.New")
	case o.Access == nil:
		return nil, errors.New("webhookui: Options.Access is nil: it must say who may see the page and change things, such as " +
			"webhookui.Password (which returns nil for an empty password), or webhookui.Everyone where the host protects the path")
	}
	o.Title = cmp.Or(oneline.Text(strings.TrimSpace(o.Title)), "Webhooks")
	return &handler{
		em: em, opts: o, snapshots: snapshots{em: em},
		overviews: make(chan struct{}, maxPages), pages: make(chan struct{}, maxPages), actions: make(chan struct{}, maxActions),
	}, nil
}

// handler serves the page. Every page and file is at one level, so that links between them are
// relative and short, and whatever names a webhook is in the query, where any character is safe.
type handler struct {
	em        *webhook.Emitter
	opts      Options
	snapshots snapshots
	notices   notices
	origins   http.CrossOriginProtection
	overviews chan struct{} // has an element for each overview that is being made
	pages     chan struct{} // for each other page, which asks the queue
	actions   chan struct{} // has an element for each action under way
}

// Headers of every answer. The page loads nothing but its own files, runs no script but its own,
// and cannot be framed.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Frame-Options":        "DENY",
	"X-Content-Type-Options": "nosniff",
	// without a referrer, a form's Origin would be null
	"Referrer-Policy":            "same-origin",
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cache-Control":              "no-store",
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if r.Body != nil {
		// of the host's Access too, which may read it
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	}
	access := h.opts.Access(r)
	switch access {
	case Read, Write:
		h.serve(w, r, access)
	case Challenge:
		w.Header().Set("WWW-Authenticate", `Basic realm="webhooks", charset="UTF-8"`)
		http.Error(w, "Give a user and a password.", http.StatusUnauthorized)
	default:
		http.Error(w, "You may not see this page.", http.StatusForbidden)
	}
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, access Access) {
	name, inside := pageName(r)
	if !inside {
		redirect(w, name, r.URL.RawQuery)
		return
	}
	_, isFile := files[name]
	act := h.action(name)
	isPage := name == "" || name == "webhook" || name == "discard"
	switch reads := r.Method == http.MethodGet || r.Method == http.MethodHead; {
	case !isFile && !isPage && act == nil:
		http.Error(w, "There is no such page.", http.StatusNotFound)
	case reads && isFile:
		serveFile(w, name)
	case reads && isPage:
		h.show(w, r, name, access == Write)
	case r.Method == http.MethodPost && act != nil:
		h.act(w, r, access, act)
	default:
		w.Header().Set("Allow", allowed(isFile || isPage, act != nil))
		http.Error(w, "This page does not take that method.", http.StatusMethodNotAllowed)
	}
}

func allowed(reads, acts bool) string {
	switch {
	case reads && acts:
		return "GET, HEAD, POST"
	case acts:
		return "POST"
	}
	return "GET, HEAD"
}

// pageName returns the page that is asked for. It reports false if the address has no slash at its
// end, with which relative links would lead elsewhere; then it returns the last part of the path,
// as the browser sees it.
func pageName(r *http.Request) (name string, inside bool) {
	if r.URL.Path != "" {
		return strings.TrimPrefix(r.URL.Path, "/"), true
	}
	path, _, _ := strings.Cut(r.RequestURI, "?")
	last := path[strings.LastIndexByte(path, '/')+1:]
	return last, last == ""
}

// redirect leads to the same address with a slash. The address is relative, since a proxy may have
// cut a prefix, and begins with "./", so that no colon in it makes it one of another scheme.
func redirect(w http.ResponseWriter, last, query string) {
	to := "./" + last + "/"
	if query != "" {
		to += "?" + query
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// turn waits for a turn among those that limit allows at once, and reports false if there is none
// in time.
func turn(ctx context.Context, limit chan struct{}) bool {
	timer := time.NewTimer(waitTime)
	defer timer.Stop()
	select {
	case limit <- struct{}{}:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

func busy(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "2")
	http.Error(w, "Too many requests are under way. Try again in a moment.", http.StatusServiceUnavailable)
}

// show makes a page and sends it.
func (h *handler) show(w http.ResponseWriter, r *http.Request, name string, write bool) {
	var snap *snapshot
	turns := h.pages
	if name == "" {
		snap = h.snapshots.get(r.Context()) // for all who wait, so that it takes no turn
		// which do not wait for the queue, so that they can tell that it hangs
		turns = h.overviews
	}
	if !turn(r.Context(), turns) {
		busy(w)
		return
	}
	body, status := func() ([]byte, int) {
		defer func() { <-turns }()
		return h.page(r, name, write, snap)
	}()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

func (h *handler) page(r *http.Request, name string, write bool, snap *snapshot) ([]byte, int) {
	query := r.URL.Query()
	base := page{Title: h.opts.Title, Heading: h.opts.Title, Now: time.Now(), Write: write, Version: version, Mark: "unknown", Notice: h.notices.get(query.Get("notice"))}
	switch name {
	case "webhook":
		return render(h.webhookPage(r.Context(), base, query))
	case "discard":
		return render(h.confirmPage(r.Context(), base, query))
	}
	return render("overview.html", overviewPage(base, query, snap), http.StatusOK)
}

// page is what all pages have.
type page struct {
	Title   string // of the browser's tab
	Heading string
	Now     time.Time
	Write   bool // the reader may change things
	Mark    string
	Version string // of the files
	Live    string // what the script sends with each update; see webhookPage
	Notice  *notice
}

// render executes the template of data, which has a page. What a request or a receiver sent may be
// no UTF-8, which the template's escaping leaves as it is.
func render(name string, data any, status int) ([]byte, int) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return []byte("The page could not be made."), http.StatusInternalServerError
	}
	return bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD")), status
}
