package webhook

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"sync"
)

// envelopeLabel is what the envelope key is derived with: a MAC made with that key is never a
// Pusher signature, and no receiver's signature check can be made to pass by one.
const envelopeLabel = "pushhooks/envelope/v1"

// signer signs with one secret. It holds the key alone, so that a million of them cost little; the
// state of a computation is borrowed from a pool that all signers share. It may be used by many
// goroutines at once.
type signer struct {
	key      string // at most one SHA-256 block, or a secret in base64: see standardSecret
	envelope [sha256.Size]byte
}

func newSigner(secret Secret) *signer {
	s := &signer{key: macKey(secret)}
	if _, err := standardSecret(secret); err == nil {
		s.key = string(secret)
	}
	m := startMAC(s.macKey())
	m.writeString(envelopeLabel)
	s.envelope = m.finish()
	return s
}

// macKey returns the key for all but Standard Webhooks.
func (s *signer) macKey() string { return macKey(Secret(s.key)) }

// appendSignature appends what X-Pusher-Signature holds for body: its HMAC-SHA256 in lower-case
// hex.
func (s *signer) appendSignature(dst, body []byte) []byte {
	sum := textMAC(s.macKey(), body)
	return hex.AppendEncode(dst, sum[:])
}

// verify says whether signature, in hex of either case, is the one of body. It takes the same time
// however much of it is right.
func (s *signer) verify(body []byte, signature string) bool {
	return equalHex(textMAC(s.macKey(), body), signature)
}

// appendMAC appends the MAC of an envelope's text in lower-case hex.
func (s *signer) appendMAC(dst, text []byte) []byte {
	sum := textMAC(string(s.envelope[:]), text)
	return hex.AppendEncode(dst, sum[:])
}

// verifyMAC says whether mac, in hex, is the one of the envelope's text.
func (s *signer) verifyMAC(mac string, text []byte) bool {
	return equalHex(textMAC(string(s.envelope[:]), text), mac)
}

// equalHex compares sum with its form in hex, in constant time.
func equalHex(sum [sha256.Size]byte, text string) bool {
	var in [2 * sha256.Size]byte
	var given [sha256.Size]byte
	if len(text) != len(in) {
		return false
	}
	copy(in[:], text)
	if _, err := hex.Decode(given[:], in[:]); err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(sum[:], given[:]) == 1
}

// mac computes one HMAC-SHA256 as RFC 2104 has it. Package crypto/hmac ties its state to one key:
// made anew each time it costs 7 allocations, and kept for each of a million apps it costs more
// than all else that is known of them. This state takes any key; the price is two more blocks to
// hash, about 100 ns.
type mac struct {
	hash hash.Hash
	pad  [sha256.BlockSize]byte
	sum  [sha256.Size]byte
	buf  []byte
}

var macs = sync.Pool{New: func() any { return &mac{hash: sha256.New()} }}

// The pads of RFC 2104, and what turns the inner one into the outer one.
var (
	innerPad  = [sha256.BlockSize]byte(bytes.Repeat([]byte{0x36}, sha256.BlockSize))
	switchPad = [sha256.BlockSize]byte(bytes.Repeat([]byte{0x36 ^ 0x5c}, sha256.BlockSize))
)

// macKey returns the key for a secret: the secret itself or, if it is longer than a block, its
// hash.
func macKey(secret Secret) string {
	if len(secret) <= sha256.BlockSize {
		return string(secret)
	}
	sum := sha256.Sum256([]byte(secret))
	return string(sum[:])
}

// textMAC returns the HMAC-SHA256 of text with a key made by macKey.
func textMAC(key string, text []byte) [sha256.Size]byte {
	m := startMAC(key)
	m.write(text)
	return m.finish()
}

// startMAC returns a mac with this key, which is at most a block long, to be given back by finish.
func startMAC(key string) *mac {
	m := macs.Get().(*mac)
	clear(m.pad[copy(m.pad[:], key):])
	subtle.XORBytes(m.pad[:], m.pad[:], innerPad[:])
	m.hash.Reset()
	m.hash.Write(m.pad[:])
	return m
}

func (m *mac) write(p []byte) { m.hash.Write(p) }

func (m *mac) writeString(s string) {
	m.buf = append(m.buf[:0], s...)
	m.hash.Write(m.buf)
}

// finish returns the result. m is not to be used afterwards.
func (m *mac) finish() [sha256.Size]byte {
	m.hash.Sum(m.sum[:0])
	subtle.XORBytes(m.pad[:], m.pad[:], switchPad[:])
	m.hash.Reset()
	m.hash.Write(m.pad[:])
	m.hash.Write(m.sum[:])
	m.hash.Sum(m.sum[:0])
	sum := m.sum
	macs.Put(m)
	return sum
}
