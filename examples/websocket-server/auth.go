package main

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pushhooks/webhook"
)

// maxSkew is how far the time of a signed request may be from this machine's.
const maxSkew = 10 * time.Minute

// signed reports whether auth, "key:signature", was made for the text with the
// app's secret.
func signed(app webhook.App, auth, text string) bool {
	return hmac.Equal([]byte(auth), []byte(authorization(app, text)))
}

func authorization(app webhook.App, text string) string {
	mac := hmac.New(sha256.New, []byte(app.Secret))
	mac.Write([]byte(text))
	return app.Key + ":" + hex.EncodeToString(mac.Sum(nil))
}

// subscription is the data of pusher:subscribe.
type subscription struct {
	Channel string `json:"channel"`
	Auth    string `json:"auth"`
	Member  string `json:"channel_data"` // a member as JSON
}

// member is a user of a presence channel.
type member struct {
	ID   userID          `json:"user_id"`
	Info json.RawMessage `json:"user_info,omitempty"`

	sockets int // of the user on the channel; the hub's
}

// userID is a string. Of a number, which some backends send, it is the digits.
type userID string

func (id *userID) UnmarshalJSON(text []byte) error {
	var digits json.Number
	if json.Unmarshal(text, &digits) == nil {
		*id = userID(digits)
		return nil
	}
	return json.Unmarshal(text, (*string)(id))
}

// authorize checks what the channel needs, and returns the member, if it is a presence channel.
func (sub subscription) authorize(app webhook.App, socketID string) (*member, *failure) {
	if !channelName.MatchString(sub.Channel) {
		return nil, fail(http.StatusBadRequest, "The channel's name must be 1 to 200 letters, digits and _-=@,.;")
	}
	k, text := kindOf(sub.Channel), socketID+":"+sub.Channel
	if k.presence {
		text += ":" + sub.Member
	}
	if (k.private || k.presence) && !signed(app, sub.Auth, text) {
		return nil, fail(http.StatusUnauthorized, "Invalid signature: auth must be key:signature, with the HMAC SHA256 hex digest of %q", text)
	}
	if !k.presence {
		return nil, nil
	}
	m := &member{}
	if err := json.Unmarshal([]byte(sub.Member), m); err != nil {
		return nil, fail(http.StatusBadRequest, "channel_data: %s", err)
	}
	if m.ID == "" || len(m.ID) > maxUserID || len(m.Info) > maxUserInfo {
		return nil, fail(http.StatusBadRequest, "channel_data: user_id must have 1 to %d bytes, and user_info at most %d", maxUserID, maxUserInfo)
	}
	return m, nil
}

// checkRequest checks the signature of a request to the HTTP API.
func checkRequest(app webhook.App, r *http.Request, body []byte, now time.Time) *failure {
	query := r.URL.Query()
	seconds, err := strconv.ParseInt(query.Get("auth_timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > maxSkew {
		return fail(http.StatusUnauthorized, "auth_timestamp must be within %v of %d", maxSkew, now.Unix())
	}
	sum := md5.Sum(body)
	if len(body) > 0 && query.Get("body_md5") != hex.EncodeToString(sum[:]) {
		return fail(http.StatusUnauthorized, "body_md5 must be that of the body: %x", sum)
	}
	var pairs []string // sorted and not escaped
	for name, values := range query {
		if name != "auth_signature" {
			pairs = append(pairs, strings.ToLower(name)+"="+values[0])
		}
	}
	slices.Sort(pairs)
	text := r.Method + "\n" + r.URL.Path + "\n" + strings.Join(pairs, "&")
	if !signed(app, query.Get("auth_key")+":"+query.Get("auth_signature"), text) {
		return fail(http.StatusUnauthorized, "auth_signature must be the HMAC SHA256 hex digest of %q, and auth_key the app's", text)
	}
	return nil
}
