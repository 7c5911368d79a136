package lambdadispatch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/pushhooks/webhook/dispatch"
)

// maxClientContext is Lambda's limit, in bytes of Base64.
const maxClientContext = 3583

// envelope returns a payload with everything that an HTTP receiver would get. It is put together by
// hand so that the body stands in it byte for byte.
func envelope(r *dispatch.Request) []byte {
	dst := make([]byte, 0, 2*len(r.Body)+len(r.Body)/4+1024)
	dst = append(dst, `{"payload":`...)
	dst = append(dst, r.Body...)
	dst = append(dst, `,"headers":`...)
	dst = append(dst, jsonText(headers(r))...)
	dst = append(dst, `,"body":`...)
	dst = append(dst, jsonText(string(r.Body))...)
	dst = append(dst, `,"app_id":`...)
	dst = append(dst, jsonText(r.AppID)...)
	dst = append(dst, `,"webhook_id":`...)
	dst = append(dst, jsonText(r.WebhookID)...)
	return append(dst, '}')
}

// headers returns what an HTTP receiver would get, with one value for each name.
func headers(r *dispatch.Request) map[string]string {
	m := make(map[string]string, len(r.Header)+2)
	for name, values := range r.Header {
		m[http.CanonicalHeaderKey(name)] = strings.Join(values, ", ")
	}
	m["Webhook-Id"] = r.JobID
	m["Webhook-Attempt"] = strconv.Itoa(r.Attempt)
	return m
}

// clientContext returns the client context in Base64. Its values are strings, because older
// runtimes of Go read nothing else.
func clientContext(r *dispatch.Request) (string, error) {
	text := jsonText(map[string]any{"custom": map[string]string{
		"key":        r.Header.Get("X-Pusher-Key"),
		"signature":  r.Header.Get("X-Pusher-Signature"),
		"app_id":     r.AppID,
		"webhook_id": r.WebhookID,
		"job_id":     r.JobID,
		"attempt":    strconv.Itoa(r.Attempt),
	}})
	encoded := base64.StdEncoding.EncodeToString(text)
	if len(encoded) > maxClientContext {
		return "", fmt.Errorf("the client context would be %d bytes long, at most %d: use shorter ids", len(encoded), maxClientContext)
	}
	return encoded, nil
}

// jsonText returns strings, or maps of them, as JSON without needless escapes.
func jsonText(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // can't fail for strings
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
