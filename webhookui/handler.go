package webhookui

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/pushhooks/webhook"
)

// Options configures the page.
type Options struct {
	// Access decides what a request may do. Required: Password, Everyone, or a function of the host's.
	// It is called for each request, from many goroutines at once.
	Access func(*http.Request) Access

	// Title is the heading of the page and of its browser tab, such as "Webhooks (staging)". Defaults
	// to "Webhooks".
	Title string
}

// New makes the handler of the page of em. It fails if em or Options.Access is nil. It starts nothing:
// the page asks the queue only while somebody looks at it. It may be served after em was shut down.
func New(em *webhook.Emitter, o Options) (http.Handler, error) {
	switch {
	case em == nil:
		return nil, errors.New("webhookui: the emitter is nil: it must be that of webhook.New")
	case o.Access == nil:
		return nil, errors.New("webhookui: Options.Access is nil: it must say who may see the page and change things, such as " +
			"webhookui.Password (which returns nil for an empty password), or webhookui.Everyone where the host protects the path")
	}
	o.Title = cmp.Or(strings.TrimSpace(o.Title), "Webhooks")
	h := &handler{em: em, opts: o}
	return h, nil
}

// handler serves the page. Every page and file is at one level, so that links between them are
// relative and short, and whatever names a webhook is in the query, where any character is safe.
type handler struct {
	em   *webhook.Emitter
	opts Options
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch h.opts.Access(r) {
	case Read, Write:
	case Challenge:
		w.Header().Set("WWW-Authenticate", `Basic realm="webhooks", charset="UTF-8"`)
		http.Error(w, "Give a user and a password.", http.StatusUnauthorized)
		return
	default:
		http.Error(w, "You may not see this page.", http.StatusForbidden)
		return
	}
	_, _ = w.Write([]byte(h.opts.Title))
}
