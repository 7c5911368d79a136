package webhookui

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/pushhooks/webhook"
	"github.com/pushhooks/webhook/dispatch"
)

const (
	maxForm = 16 << 10 // bytes

	resumeTime = 5 * time.Second
	testTime   = 30 * time.Second // besides the webhook's RequestTimeout
	deadTime   = 25 * time.Second // for as many dead letters as that is enough for
)

// action does what a form asks for and tells what came of it.
type action func(ctx context.Context, form url.Values) notice

// action returns the one of this name, nil if there is none.
func (h *handler) action(name string) action {
	switch name {
	case "resume":
		return h.resume
	case "test":
		return h.test
	case "replay":
		return h.replay
	case "discard":
		return h.discard
	}
	return nil
}

// act checks the request, acts, and leads the browser to the webhook's page, which shows the
// notice.
func (h *handler) act(w http.ResponseWriter, r *http.Request, access Access, do action) {
	if access != Write {
		http.Error(w, "You may look at this page, and change nothing.", http.StatusForbidden)
		return
	}
	if !h.isOwn(r) {
		http.Error(w, "This form was sent by another site, or does not tell which: a program sets the header Origin.", http.StatusForbidden)
		return
	}
	form, status := readForm(r)
	if status != 0 {
		http.Error(w, "The form cannot be read: it must be one of this page's.", status)
		return
	}
	appID, webhookID, ok := target(form)
	if !ok {
		http.Error(w, "The form names no webhook.", http.StatusBadRequest)
		return
	}
	if !turn(r.Context(), h.actions) {
		busy(w)
		return
	}
	n := func() notice {
		defer func() { <-h.actions }()
		return do(r.Context(), form)
	}()
	h.snapshots.change()
	to := webhookLink(appID, webhookID) + "&" + url.Values{"notice": {h.notices.add(n)}}.Encode()
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// isOwn reports whether a request was sent by this page. Browsers of before 2020 may tell by
// Referer alone; what tells nothing may be one of them on a page of another site that hides it.
func (h *handler) isOwn(r *http.Request) bool {
	if h.origins.Check(r) != nil {
		return false
	}
	if r.Header.Get("Sec-Fetch-Site") != "" || r.Header.Get("Origin") != "" {
		return true
	}
	from, err := url.Parse(r.Referer())
	return err == nil && from.Host != "" && from.Host == r.Host
}

// readForm reads the form of a POST. The status is 0 if that worked.
func readForm(r *http.Request) (url.Values, int) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, http.StatusUnsupportedMediaType
	}
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, http.StatusRequestEntityTooLarge
		}
		return nil, http.StatusBadRequest
	}
	return r.PostForm, 0
}

func failed(what string, err error) notice {
	return notice{Failed: true, Text: what, Detail: err.Error()}
}

func (h *handler) resume(ctx context.Context, form url.Values) notice {
	ctx, cancel := context.WithTimeout(ctx, resumeTime)
	defer cancel()
	if err := h.em.Resume(ctx, form.Get("app"), form.Get("id")); err != nil {
		return failed("The webhook was not resumed.", err)
	}
	return notice{Text: "Resumed: what waits is tried at once."}
}

func (h *handler) test(ctx context.Context, form url.Values) notice {
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	result, err := h.em.Test(ctx, form.Get("app"), form.Get("id"))
	if err != nil {
		return failed("The test was not sent.", err)
	}
	out, took := &result.Outcome, duration(result.Duration)
	if out.Verdict == dispatch.Delivered {
		return notice{Text: fmt.Sprintf("The test was delivered: status %d in %s.", out.Status, took)}
	}
	n := notice{Failed: true, Text: fmt.Sprintf("The test failed after %s: %s.", took, out.Reason), Detail: out.Response}
	if out.Status != 0 {
		n.Text = fmt.Sprintf("The test failed after %s with status %d.", took, out.Status)
	}
	if n.Detail == "" && out.Err != nil {
		n.Detail = out.Err.Error()
	}
	return n
}

// chosen returns the query of a form: the dead letters that it names, or all of the webhook's if it
// says so.
func chosen(form url.Values) webhook.DeadLetterQuery {
	q := webhook.DeadLetterQuery{AppID: form.Get("app"), WebhookID: form.Get("id")}
	if form.Get("all") != "yes" {
		q.After = form.Get("after") // where the named ones are found sooner
		q.IDs = append([]string{}, form["letter"]...)
	}
	return q
}

func (h *handler) replay(ctx context.Context, form url.Values) notice {
	ctx, cancel := context.WithTimeout(ctx, deadTime)
	defer cancel()
	n, err := h.em.Replay(ctx, chosen(form))
	return lettersNotice("replayed", n, err)
}

func (h *handler) discard(ctx context.Context, form url.Values) notice {
	ctx, cancel := context.WithTimeout(ctx, deadTime)
	defer cancel()
	n, err := h.em.Discard(ctx, chosen(form))
	return lettersNotice("discarded", n, err)
}

// lettersNotice tells how many dead letters something was done to.
func lettersNotice(done string, n int, err error) notice {
	text := fmt.Sprintf("%s dead letters %s.", count(n), done)
	switch {
	case n == 1:
		text = fmt.Sprintf("1 dead letter %s.", done)
	case n == 0:
		text = fmt.Sprintf("No dead letter %s.", done)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return notice{Failed: true, Text: text, Detail: "There are more than could be " + done + " in time. Do it again for the others."}
	case err != nil:
		return failed(text, err)
	case n == 0:
		return notice{Failed: true, Text: text, Detail: "There is none any more."}
	}
	return notice{Text: text}
}
