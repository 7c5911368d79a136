package testlambda

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	client, refusal := check(r, payload, event)
	switch {
	case f == nil:
		refusal = &Refusal{404, "ResourceNotFoundException", "Function not found: " + r.PathValue("name"), ""}
	case f.Refusal != nil:
		refusal = f.Refusal
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

// check returns the client context's text, and what is wrong with the request.
func check(r *http.Request, payload []byte, event bool) (client string, refusal *Refusal) {
	encoded := r.Header.Get("X-Amz-Client-Context")
	text, err := base64.StdEncoding.DecodeString(encoded)
	most := maxRequestResponse
	if event {
		most = maxEvent
	}
	switch {
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		return "", &Refusal{403, "MissingAuthenticationTokenException", "Missing Authentication Token", ""}
	case len(payload) > most:
		return "", &Refusal{413, "RequestEntityTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes", most), ""}
	case !json.Valid(payload):
		return "", &Refusal{400, "InvalidRequestContentException", "Could not parse request body into json", ""}
	case encoded != "" && (err != nil || !json.Valid(text) || len(encoded) > maxClientContext):
		return "", &Refusal{400, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object", ""}
	}
	return string(text), nil
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
		(&Refusal{429, "TooManyRequestsException", "Rate Exceeded.", ""}).write(w)
		return
	}
	if result.Failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Header().Set("X-Amz-Executed-Version", "$LATEST")
	_, _ = w.Write(result.Answer)
}

// runEvent runs an Event invocation, again if the function fails, and as often as it takes to find capacity. Lambda
// passes no client context then.
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
