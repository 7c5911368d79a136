package testlambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// Lambda's limits.
const (
	maxEvent           = 1 << 20
	maxRequestResponse = 6 << 20
	maxClientContext   = 3583
	maxEventRetries    = 2
)

// invoke is the Invoke API.
func (s *Server) invoke(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f := s.record(r)
	event := r.Header.Get("X-Amz-Invocation-Type") == "Event"
	client, err := decodeContext(r)
	refusal := f.refusal(r, len(payload), event)
	if refusal == nil && (err != nil || !json.Valid(payload)) {
		refusal = &Refusal{Status: 400, Type: "InvalidRequestContentException", Message: "Could not parse request body into json"}
	}
	switch {
	case refusal != nil:
		refusal.write(w)
	case event:
		s.runs.Go(func() { s.runEvent(f, payload) })
		w.WriteHeader(http.StatusAccepted)
	default:
		s.respond(w, f, &invocation{payload: payload, client: client})
	}
}

// record notes a request and finds its function by name or ARN.
func (s *Server) record(r *http.Request) *function {
	name := r.PathValue("name")
	if _, rest, ok := strings.Cut(name, ":function:"); ok {
		name, _, _ = strings.Cut(rest, ":")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	s.changed()
	return s.functions[name]
}

// decodeContext returns the client context's text.
func decodeContext(r *http.Request) (string, error) {
	encoded := r.Header.Get("X-Amz-Client-Context")
	text, err := base64.StdEncoding.DecodeString(encoded)
	if encoded != "" && (err != nil || !json.Valid(text) || len(encoded) > maxClientContext) {
		return "", errors.New("the client context is not Base64 of at most 3583 bytes of JSON")
	}
	return string(text), nil
}

// refusal says why the request is not for f, nil if it is.
func (f *function) refusal(r *http.Request, size int, event bool) *Refusal {
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		return &Refusal{Status: 403, Type: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	case f == nil:
		return &Refusal{Status: 404, Type: "ResourceNotFoundException", Message: "Function not found: " + r.PathValue("name")}
	case f.Refusal != nil:
		return f.Refusal
	case size > f.maxPayload(event):
		return &Refusal{Status: 413, Type: "RequestEntityTooLargeException", Message: "Request must be smaller"}
	}
	return nil
}

func (f *function) maxPayload(event bool) int {
	switch {
	case f.MaxPayload > 0:
		return f.MaxPayload
	case event:
		return maxEvent
	}
	return maxRequestResponse
}

func (f *Refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", f.Type)
	w.Header().Set("X-Amzn-Requestid", "request-of-"+f.Type)
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"Type": "User", "message": f.Message})
}

// respond runs an invocation and answers with what it returned.
func (s *Server) respond(w http.ResponseWriter, f *function, inv *invocation) {
	result, throttled := s.run(f, inv)
	if throttled {
		(&Refusal{Status: 429, Type: "TooManyRequestsException", Message: "Rate Exceeded."}).write(w)
		return
	}
	if result.Failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	_, _ = w.Write(result.Answer)
}

// runEvent runs an Event invocation, again if the function fails, and as often as it takes to find
// capacity. Lambda passes no client context then.
func (s *Server) runEvent(f *function, payload []byte) {
	for failures := 0; failures <= maxEventRetries; {
		result, throttled := s.run(f, &invocation{payload: payload})
		if !throttled && !result.Failed {
			return
		}
		if !throttled {
			failures++
		}
		select {
		case <-time.After(retryDelay):
		case <-s.stop:
			return
		}
	}
}
