package testlambda

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// function is a deployed function.
type function struct {
	Function
	name    string
	idle    []*instance
	busy    int // invocations at once
	taken   int // invocations that an instance has taken
	results []Result
}

// invocation is one run.
type invocation struct {
	id       string
	payload  []byte
	client   string // the client context, or ""
	deadline time.Time
	done     chan Result
}

// run has an instance of the function run inv, and returns what came of it; throttled says that all
// are busy.
func (s *Server) run(f *function, inv *invocation) (result Result, throttled bool) {
	i, ok := s.acquire(f)
	if !ok {
		return Result{}, true
	}
	result = i.run(s, inv, f.Timeout)
	s.settle(i)
	s.release(f, i, result)
	return result, false
}

// acquire returns an idle instance, or a new one.
func (s *Server) acquire(f *function) (*instance, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.busy == f.Concurrency {
		return nil, false
	}
	f.busy++
	for len(f.idle) > 0 {
		i := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if !i.ended() {
			return i, true
		}
	}
	s.lastID++
	i := newInstance(f, "instance-"+strconv.Itoa(s.lastID))
	s.instances[i.id] = i
	return i, true
}

// settle waits until the instance asks for another invocation, or has ended: only then is one
// complete.
func (s *Server) settle(i *instance) {
	for {
		s.mu.Lock()
		ready, wake := i.waiting, s.wake
		s.mu.Unlock()
		if ready || i.ended() {
			return
		}
		select {
		case <-wake:
		case <-i.exited:
		case <-s.stop:
			return
		}
	}
}

// release notes the result.
func (s *Server) release(f *function, i *instance, result Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.busy--
	f.idle = append(f.idle, i)
	f.results = append(f.results, result)
	s.changed()
}

// run hands inv to the instance, starting its process first if need be.
func (i *instance) run(s *Server, inv *invocation, timeout time.Duration) Result {
	if err := i.start(s.host()); err != nil {
		return failed("Runtime.InitError", err.Error())
	}
	inv.id = i.id + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	inv.deadline = time.Now().Add(timeout)
	inv.done = make(chan Result, 1)
	over := time.NewTimer(timeout)
	defer over.Stop()
	i.invocations <- inv
	select {
	case result := <-inv.done:
		return result
	case <-i.exited:
		select {
		case result := <-inv.done:
			return result
		default:
			return failed("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %v", inv.id, i.state()))
		}
	case <-over.C:
		i.kill()
		return failed("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, timeout.Seconds()))
	case <-s.stop:
		return failed("Sandbox.Failure", "the server was closed")
	}
}

// failed is the result that Lambda itself makes.
func failed(kind, message string) Result {
	text, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	return Result{Answer: text, Failed: true}
}

// next is the Runtime API: it waits for an invocation.
func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	i := s.asks(r.PathValue("instance"))
	if i == nil {
		http.NotFound(w, r)
		return
	}
	select {
	case inv := <-i.invocations:
		s.take(i, inv)
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:"+i.function.name)
		if inv.client != "" {
			h.Set("Lambda-Runtime-Client-Context", inv.client)
		}
		_, _ = w.Write(inv.payload)
	case <-r.Context().Done():
	case <-s.stop:
	}
}

// asks returns the instance, and notes that it waits for an invocation.
func (s *Server) asks(id string) *instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.instances[id]
	if i != nil {
		i.waiting = true
		s.changed()
	}
	return i
}

// take notes that an instance has taken inv.
func (s *Server) take(i *instance, inv *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i.current, i.waiting = inv, false
	i.function.taken++
	s.changed()
}

// result is the Runtime API: it takes a response or an error.
func (s *Server) result(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	inv := s.running(r.PathValue("instance"), r.PathValue("id"))
	if inv == nil {
		http.NotFound(w, r)
		return
	}
	inv.done <- Result{Answer: body, Failed: r.PathValue("result") == "error"}
	w.WriteHeader(http.StatusAccepted)
}

// running returns the invocation that the instance runs, if it has this ID, and forgets it.
func (s *Server) running(instance, id string) *invocation {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.instances[instance]
	if i == nil || i.current == nil || i.current.id != id {
		return nil
	}
	inv := i.current
	i.current = nil
	return inv
}
