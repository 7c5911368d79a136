package webhook

import (
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// standardPrefix begins a secret whose bytes are in base64, as the Standard Webhooks specification
// writes them.
const standardPrefix = "whsec_"

var (
	errNotEncoded   = errors.New("not a secret in base64")
	errEmptyEncoded = errors.New("an empty secret in base64")
)

// standardSecret returns the bytes that a secret which begins with standardPrefix holds. The error
// shows nothing of it.
func standardSecret(secret Secret) (Secret, error) {
	text, ok := strings.CutPrefix(string(secret), standardPrefix)
	if !ok {
		return "", errNotEncoded
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return "", errNotEncoded
	case len(decoded) == 0:
		return "", errEmptyEncoded
	}
	return Secret(decoded), nil
}

// standardKey returns the key for Standard Webhooks: what the secret encodes, or else the one that
// signs all.
func (s *signer) standardKey() string {
	if decoded, err := standardSecret(Secret(s.key)); err == nil {
		return macKey(decoded)
	}
	return s.macKey()
}

// appendStandard appends what webhook-signature holds for one key by the Standard Webhooks
// specification: "v1," and the HMAC-SHA256 of id, time and body in base64.
func (s *signer) appendStandard(dst []byte, id string, unixSeconds int64, body []byte) []byte {
	m := startMAC(s.standardKey())
	m.writeString(id)
	m.buf = strconv.AppendInt(append(m.buf[:0], '.'), unixSeconds, 10)
	m.buf = append(m.buf, '.')
	m.write(m.buf)
	m.write(body)
	sum := m.finish()
	return base64.StdEncoding.AppendEncode(append(dst, "v1,"...), sum[:])
}

// standardSignatures returns what webhook-signature holds: a signature for each of the keys, the
// current one first, so that receivers may have the new secret or still the old one.
func standardSignatures(keys []appKey, id string, unixSeconds int64, body []byte) string {
	var list []byte
	for i, k := range keys {
		key := k.signer.standardKey()
		twin := func(other appKey) bool { return other.signer.standardKey() == key }
		if slices.ContainsFunc(keys[:i], twin) {
			continue
		}
		if i > 0 {
			list = append(list, ' ')
		}
		list = k.signer.appendStandard(list, id, unixSeconds, body)
	}
	return string(list)
}
