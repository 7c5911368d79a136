package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
)

// poster posts signed bodies with net/http's Transport. All cases but the library's share it. It
// keeps an idle connection for each worker, which is the one setting that the default lacks.
type poster struct {
	url       *url.URL
	transport *http.Transport
}

func newPoster(address string, workers int) (*poster, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	return &poster{u, &http.Transport{MaxIdleConns: workers, MaxIdleConnsPerHost: workers}}, nil
}

// post posts a body. The transport may read the body still when post has returned: done, which may
// be nil, is called when it no longer does.
func (p *poster) post(ctx context.Context, body []byte, signature string, done func()) error {
	r := (&http.Request{
		Method: http.MethodPost, URL: p.url, Host: p.url.Host, Body: newBody(body, done), ContentLength: int64(len(body)),
		Header: http.Header{
			"Content-Type": {"application/json"}, "X-Pusher-Key": {appKey}, "X-Pusher-Signature": {signature},
		},
	}).WithContext(ctx)
	resp, err := p.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return err
}

// body is a request's body that tells when the transport has closed it.
type body struct {
	bytes.Reader
	closed atomic.Bool
	done   func()
}

func newBody(data []byte, done func()) *body {
	b := &body{done: done}
	b.Reset(data)
	return b
}

func (b *body) Close() error {
	if !b.closed.Swap(true) && b.done != nil {
		b.done()
	}
	return nil
}

// signer signs bodies. It is for one goroutine: keeping the HMAC's state saves half of a short
// body's signature.
type signer struct {
	mac hash.Hash
	sum []byte
}

func newSigner() *signer { return &signer{mac: hmac.New(sha256.New, []byte(appSecret))} }

func (s *signer) sign(body []byte) string {
	s.mac.Reset()
	s.mac.Write(body)
	s.sum = s.mac.Sum(s.sum[:0])
	return hex.EncodeToString(s.sum)
}
