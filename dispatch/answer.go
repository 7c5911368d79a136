package dispatch

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxResponse bounds what is kept of the body of an answer that is not a success.
	maxResponse = 1 << 10

	// maxBody bounds what is read of a body, so that the connection can be used again. It is
	// cheaper to close a connection than to read more.
	maxBody = 64 << 10

	// bodyWait bounds the wait for a body. Most arrive with the status; one that trickles in must
	// not hold a worker.
	bodyWait = 50 * time.Millisecond
)

// answer says what resp means, and is done with its body.
func answer(resp *http.Response, t *target) Outcome {
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		readBody(resp, 0)
		return Outcome{Verdict: Delivered, Status: resp.StatusCode}
	}
	verdict, reason := statusMeaning(resp.StatusCode)
	return Outcome{
		Verdict:    verdict,
		Status:     resp.StatusCode,
		Reason:     reason,
		Err:        statusError(resp.StatusCode, reason, t),
		RetryAfter: retryAfter(resp.Header, time.Now()),
		Response:   readBody(resp, maxResponse),
	}
}

func statusMeaning(status int) (Verdict, string) {
	switch status {
	case http.StatusGone:
		return Stop, ReasonGone
	case http.StatusRequestEntityTooLarge:
		return TooLarge, ReasonTooLarge
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return Retry, ReasonRedirect
	}
	return Retry, ReasonStatus
}

// statusError does not tell where a redirect leads: that is the receiver's text and may hold
// anything.
func statusError(status int, reason string, t *target) error {
	hint := ""
	if reason == ReasonRedirect {
		hint = "; redirects are not followed"
	}
	name := http.StatusText(status)
	if name != "" {
		name = " " + name
	}
	return fmt.Errorf("%s: answered %d%s%s", t.origin, status, name, hint)
}

// readBody reads a small body to its end, so that the connection is used again, and gives up any
// other. It returns the first bytes, at most keep.
func readBody(resp *http.Response, keep int) string {
	if resp.Body == http.NoBody {
		return ""
	}
	giveUp := time.AfterFunc(bodyWait, func() { _ = resp.Body.Close() })
	defer giveUp.Stop()
	defer func() { _ = resp.Body.Close() }()
	kept := make([]byte, keep)
	n, err := io.ReadFull(resp.Body, kept)
	if err == nil && resp.ContentLength <= maxBody {
		_, _ = io.CopyN(io.Discard, resp.Body, int64(maxBody-keep))
	}
	return string(kept[:n])
}
