package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// pusherVectors come from the test suites of the official server libraries.
var pusherVectors = []struct{ secret, body, signature string }{
	{
		"tofu", `{"time_ms":1403175510755,"events":[{"channel":"test_channel","name":"channel_vacated"}]}`,
		"c17257e92037cd7de407ebc1ed174ceb7b2e518db127f44411b9ffc4f5b28cc5",
	},
	{"thisisasecret", `{"hello":"world"}`, "40e0ad3b9aa49529322879e84de1aaaf18bde1efe839ca263d540cc865510d25"},
	{"secret", `{"hello":"world"}`, "2677ad3e7c090b2fa2c0fb13020d66d5420879b8316eb356a2d60fb9073bc778"},
	{"bar", `{"time_ms": 1000000}`, "f60c1cfce150cddf1f17fb0f3fb57b3d49394069b336fa7d02373d5f2d7232b1"},
}

func TestSignatureIsTheOneOfTheOfficialLibraries(t *testing.T) {
	t.Parallel()
	for _, v := range pusherVectors {
		s := newSigner(Secret(v.secret))
		if got := string(s.appendSignature([]byte("x"), []byte(v.body))); got != "x"+v.signature {
			t.Errorf("%s: got %s, want %s", v.body, got[1:], v.signature)
		}
		if !s.verify([]byte(v.body), v.signature) {
			t.Errorf("%s: its signature is refused", v.body)
		}
		if !s.verify([]byte(v.body), strings.ToUpper(v.signature)) {
			t.Errorf("%s: its signature in upper case is refused", v.body)
		}
	}
}

func TestVerifyRefusesEverythingElse(t *testing.T) {
	t.Parallel()
	v := pusherVectors[0]
	s := newSigner(Secret(v.secret))
	for _, signature := range []string{
		"", "c1", v.signature[:63], v.signature + "0", v.signature + " ", strings.Repeat("0", 64), strings.Repeat("z", 64),
		"d" + v.signature[1:],
	} {
		if s.verify([]byte(v.body), signature) {
			t.Errorf("%q is taken", signature)
		}
	}
	if s.verify([]byte(v.body+" "), v.signature) {
		t.Error("an altered body is taken")
	}
	if newSigner("other").verify([]byte(v.body), v.signature) {
		t.Error("another secret's signature is taken")
	}
}

func FuzzSignatureIsHMAC(f *testing.F) {
	f.Add("secret", []byte("body"))
	f.Add(strings.Repeat("k", 64), []byte{})
	f.Add(strings.Repeat("k", 65), bytes.Repeat([]byte("b"), 1000))
	f.Fuzz(func(t *testing.T, secret string, body []byte) {
		want := hmac.New(sha256.New, []byte(secret))
		want.Write(body)
		got := newSigner(Secret(secret)).appendSignature(nil, body)
		if string(got) != hex.EncodeToString(want.Sum(nil)) {
			t.Fatalf("secret %q, body %q: got %s", secret, body, got)
		}
	})
}

func TestEnvelopeMACHoldsForItsTextAndSecretOnly(t *testing.T) {
	t.Parallel()
	s := newSigner("secret")
	text := []byte(`{"v":1}`)
	mac := string(s.appendMAC([]byte("x"), text))[1:]
	if !s.verifyMAC(mac, text) {
		t.Fatal("the MAC of the same text is refused")
	}
	for name, ok := range map[string]bool{
		"another text":   s.verifyMAC(mac, []byte(`{"v":2}`)),
		"another secret": newSigner("other").verifyMAC(mac, text),
		"no MAC":         s.verifyMAC("", text),
		"a signature":    s.verifyMAC(string(s.appendSignature(nil, text)), text),
	} {
		if ok {
			t.Errorf("%s is taken", name)
		}
	}
	if s.verify(text, mac) {
		t.Error("a MAC passes as a signature")
	}
}

// The secret and the signature are those of the specification's own example.
func TestStandardSignature(t *testing.T) {
	t.Parallel()
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(Secret(secret))
	got := s.appendStandard(nil, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSignerIsSmall(t *testing.T) {
	t.Parallel()
	if n := unsafe.Sizeof(signer{}); n > 48 {
		t.Errorf("a signer takes %d bytes, a million apps have one each", n)
	}
}

func TestSigningDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Log("sync.Pool drops at random under the race detector, so that nothing can be counted")
		return
	}
	s := newSigner(Secret(strings.Repeat("s", 64)))
	body, dst := make([]byte, 300), make([]byte, 0, 128)
	signature := string(s.appendSignature(nil, body))
	mac := string(s.appendMAC(nil, body))
	for name, f := range map[string]func(){
		"appendSignature": func() { dst = s.appendSignature(dst[:0], body) },
		"appendMAC":       func() { dst = s.appendMAC(dst[:0], body) },
		"appendStandard":  func() { dst = s.appendStandard(dst[:0], "id", 1, body) },
		"verify":          func() { s.verify(body, signature) },
		"verifyMAC":       func() { s.verifyMAC(mac, body) },
	} {
		if n := testing.AllocsPerRun(200, f); n != 0 {
			t.Errorf("%s: %v allocations, want none", name, n)
		}
	}
}

func TestSignerServesManyGoroutines(t *testing.T) {
	t.Parallel()
	s := newSigner("secret")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			body := []byte(strings.Repeat("b", g))
			want := string(s.appendSignature(nil, body))
			for range 200 {
				if !s.verify(body, want) {
					t.Error("a signature changed")
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkSign(b *testing.B) {
	for _, size := range []int{300, 14 << 10} {
		body := bytes.Repeat([]byte("b"), size)
		b.Run("signer/"+strconv.Itoa(size), func(b *testing.B) {
			s := newSigner("my-app-secret")
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = s.appendSignature(dst[:0], body)
			}
		})
		b.Run("envelope/"+strconv.Itoa(size), func(b *testing.B) {
			s := newSigner("my-app-secret")
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = s.appendMAC(dst[:0], body)
			}
		})
		b.Run("hmac.New/"+strconv.Itoa(size), func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				m := hmac.New(sha256.New, []byte("my-app-secret"))
				m.Write(body)
				dst = hex.AppendEncode(dst[:0], m.Sum(nil))
			}
		})
		b.Run("hmac.Reset/"+strconv.Itoa(size), func(b *testing.B) {
			m := hmac.New(sha256.New, []byte("my-app-secret"))
			var dst, sum []byte
			b.ReportAllocs()
			for b.Loop() {
				m.Reset()
				m.Write(body)
				sum = m.Sum(sum[:0])
				dst = hex.AppendEncode(dst[:0], sum)
			}
		})
	}
}

func BenchmarkNewSigner(b *testing.B) {
	for b.Loop() {
		newSigner("my-app-secret")
	}
}
