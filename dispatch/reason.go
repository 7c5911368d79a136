package dispatch

// Reasons of an Outcome, as senders in this module write them. They are stable: dead letters are
// listed and alerts are written by them. ReasonDNS and ReasonConnect come with the verdict Unsent
// when no name server answers, when there is no route, and when a proxy can't be reached.
const (
	ReasonStatus = "status" // the receiver answered with a status that is not 2xx
	// it answered with a redirect, which is never followed
	ReasonRedirect       = "redirect"
	ReasonGone           = "gone"            // it answered 410
	ReasonTooLarge       = "too_large"       // it answered 413
	ReasonTimeout        = "timeout"         // the attempt's time was over
	ReasonCanceled       = "canceled"        // the attempt was called off
	ReasonDNS            = "dns"             // the host name could not be resolved
	ReasonConnect        = "connect"         // no connection: refused, unreachable
	ReasonConnectTimeout = "connect_timeout" // no connection within the connect timeout
	ReasonProxy          = "proxy"           // the proxy did not make the connection
	// the handshake failed, or the certificate is not valid
	ReasonTLS            = "tls"
	ReasonTLSTimeout     = "tls_timeout"      // no handshake within the TLS timeout
	ReasonReset          = "reset"            // the connection ended before the answer was whole
	ReasonHeaderTooLarge = "header_too_large" // the answer's headers are larger than 32 KiB
	// the answer is not HTTP, or a line of its head is cut off
	ReasonBadAnswer      = "bad_answer"
	ReasonBlockedAddress = "blocked_address" // the host's addresses may not be dialed
	// the request can't be made: its URL or a header is not valid
	ReasonBadRequest = "bad_request"
	// this host is out of file descriptors, ports or buffers
	ReasonLocal = "local"
)
