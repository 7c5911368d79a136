package webhookui

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
)

// Access is what a request may do. The zero value is None.
type Access int

const (
	// None refuses the request, with 403.
	None Access = iota
	// Challenge refuses the request and has the browser ask for a user and a password: 401, with
	// WWW-Authenticate: Basic.
	Challenge
	// Read shows the pages. Whatever changes something, and a test delivery, is refused with 403.
	Read
	// Write allows all: Resume, a test delivery, and to replay and discard dead letters.
	Write
)

// String returns "none", "challenge", "read" or "write".
func (a Access) String() string {
	switch a {
	case None:
		return "none"
	case Challenge:
		return "challenge"
	case Read:
		return "read"
	case Write:
		return "write"
	}
	return "unknown"
}

// Everyone gives every request Write. It is for hosts that protect the path themselves.
func Everyone(*http.Request) Access { return Write }

// Password gives Write to requests with this user and this password (HTTP Basic), and Challenge to
// all others. It compares in constant time. Browsers send the password with each request, so serve
// the page over TLS. It returns nil if the password is empty, and then New fails: a variable that
// is not set must not open the page.
func Password(user, password string) func(*http.Request) Access {
	if password == "" {
		return nil
	}
	wantUser, wantPassword := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	return func(r *http.Request) Access {
		u, p, _ := r.BasicAuth()
		gotUser, gotPassword := sha256.Sum256([]byte(u)), sha256.Sum256([]byte(p))
		// Hashes have one length, so the comparison does not tell that of the secret.
		same := subtle.ConstantTimeCompare(gotUser[:], wantUser[:]) & subtle.ConstantTimeCompare(gotPassword[:], wantPassword[:])
		if same != 1 {
			return Challenge
		}
		return Write
	}
}
