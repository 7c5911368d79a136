package lambdadispatch

import (
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter bounds what Lambda can ask for, so that adding it to a time never overflows.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the Retry-After header, which Lambda gives in seconds; 0 if there is none that
// can be understood.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}
