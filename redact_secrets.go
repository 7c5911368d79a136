package webhook

import (
	"encoding/base64"
	"encoding/json"
	"html"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook/internal/oneline"
)

// minPart is the shortest part of a secret that is one by itself. "Bearer" and "hooks" are none.
const minPart = 8

// secrets lists what no text may have: the app's secrets, the values of headers, and what the URL
// has besides scheme, host and port. A receiver has all of these, and may repeat a part, such as
// the token behind "Bearer".
func (h *hook) secrets() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, list := range [][]string{appSecrets(h.app), headerSecrets(h.Headers), urlSecrets(h.URL)} {
			for _, secret := range list {
				if !yield(secret) {
					return
				}
			}
		}
	}
}

// appSecrets returns the secrets of an app's keys. Of one that is longer than 64 bytes nothing is
// kept but its hash.
func appSecrets(a *app) (list []string) {
	for _, key := range a.keys {
		list = append(list, key.signer.key, strings.TrimPrefix(key.signer.key, standardPrefix))
	}
	return list
}

func headerSecrets(headers Headers) (list []string) {
	for _, value := range headers {
		list = append(list, value)
		words := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" \t,;", r) })
		for _, word := range words {
			list = appendPart(list, word)
		}
		if len(words) == 2 { // a scheme and credentials
			list = append(list, words[1])
			list = appendBasic(list, words[0], words[1])
		}
	}
	return list
}

// appendBasic appends what the credentials of HTTP Basic stand for.
func appendBasic(list []string, scheme, credentials string) []string {
	pair, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil || !strings.EqualFold(scheme, "basic") {
		return list
	}
	user, password, _ := strings.Cut(string(pair), ":")
	return append(list, string(pair), user, password)
}

func urlSecrets(raw string) (list []string) {
	u, err := url.Parse(raw)
	if err != nil || raw == "" {
		return nil
	}
	list = append(list, u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery)
	for part := range strings.SplitSeq(u.Path, "/") {
		list = appendPart(list, part)
	}
	for _, values := range u.Query() {
		list = append(list, values...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		pair := u.User.Username() + ":" + password
		list = append(list, u.User.String(), u.User.Username(), password, pair)
	}
	return list
}

// appendPart appends a part of a secret, unless it is too short or a word of many texts.
func appendPart(list []string, part string) []string {
	if len(part) < minPart || isWord(strings.ReplaceAll(part, "-", "_")) {
		return list
	}
	return append(list, part)
}

// spellings lists how texts write a secret: as it is, as one line, and in JSON, HTML, a URL and
// base64. A spelling may come several times.
func spellings(secret string) iter.Seq[string] {
	return func(yield func(string) bool) {
		inJSON, _ := json.Marshal(secret) // a string has no error
		inURL := url.QueryEscape(secret)
		for _, form := range []string{
			secret, unquoted(string(inJSON)), strings.ReplaceAll(unquoted(string(inJSON)), "/", `\/`),
			unquoted(strconv.Quote(secret)), unquoted(strconv.QuoteToASCII(secret)),
			inURL, strings.ReplaceAll(inURL, "+", "%20"), url.PathEscape(secret), html.EscapeString(secret),
			base64.RawStdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		} {
			if !yield(form) {
				return
			}
			if line := oneline.Cut(form, 4*len(form)+len("…")); line != form && !yield(line) {
				return
			}
		}
	}
}

func unquoted(s string) string { return s[1 : len(s)-1] }
