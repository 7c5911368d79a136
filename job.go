package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/pushhooks/webhook/queue"
)

// A job travels as two lines of text. The first is the body, byte for byte as the receiver gets it.
// The second is the envelope, a JSON object:
//
//	{"time_ms":1707744000000,"events":[{"name":"channel_occupied","channel":"chat"}]}
//	{"v":2,"id":"…","app":"…","webhook":"…","key":"…","time_ms":…,"sealed_ms":…,"events":1,"signature":"…","mac":"…"}
//
// The envelope comes last because the body is then never copied, neither when the job is made nor
// when it is sent. The signature is the body's and goes to the receiver; the MAC covers every other
// field of the envelope, the signature included. The ID is the queue's, and the app and the webhook
// make the lane, so a copy under another ID or in another lane is not genuine. Neither line holds a
// secret or a custom header.

// envelope is what a job says about its body.
type envelope struct {
	id        string // of the queue.Job
	app       string
	webhook   string // the webhook's identity
	key       string // the key that signed
	timeMS    int64  // of the earliest event
	sealedMS  int64  // when the job was sealed, or the job that it is a part of
	events    int
	signature string // of the body, hex
}

// jobVersion is the version of the encoding that is written. No other is read.
const jobVersion = 2

// envelopeStart begins every envelope.
const envelopeStart = `{"v":`

// appendJob completes data, which holds a body, to a job's Data. Without a signer it has no MAC.
func appendJob(data []byte, env *envelope, s *signer) []byte {
	data = append(data, '\n')
	start := len(data)
	data = append(data, envelopeStart...)
	data = strconv.AppendInt(data, jobVersion, 10)
	data = append(data, `,"id":`...)
	data = appendString(data, env.id)
	data = append(data, `,"app":`...)
	data = appendString(data, env.app)
	data = append(data, `,"webhook":`...)
	data = appendString(data, env.webhook)
	data = append(data, `,"key":`...)
	data = appendString(data, env.key)
	data = append(data, `,"time_ms":`...)
	data = strconv.AppendInt(data, env.timeMS, 10)
	data = append(data, `,"sealed_ms":`...)
	data = strconv.AppendInt(data, env.sealedMS, 10)
	data = append(data, `,"events":`...)
	data = strconv.AppendInt(data, int64(env.events), 10)
	data = append(data, `,"signature":"`...)
	data = append(data, env.signature...)
	data = append(data, `","mac":"`...)
	if s != nil {
		data = s.appendMAC(data, data[start:])
	}
	return append(data, `"}`...)
}

// errUnreadable is returned when a job's Data is not a job.
var errUnreadable = errors.New("the data is not a job")

// versionError is returned when a job's Data is a job of another version.
type versionError int64

func (e versionError) Error() string {
	return fmt.Sprintf("the job has format version %d, and this process reads version %d", int64(e), jobVersion)
}

func (e versionError) newer() bool { return e > jobVersion }

// parsedJob is a job's Data taken apart. Its slices point into Data.
type parsedJob struct {
	envelope
	body   []byte
	sealed []byte // what the MAC covers
	mac    []byte
}

// parseJob takes a job's Data apart. It accepts just what appendJob writes, so that nothing is ever
// read in two ways; whether the job is genuine is for verify to say.
func parseJob(data []byte) (*parsedJob, error) {
	j := &parsedJob{}
	return j, j.parse(data, envelope{})
}

// parse is parseJob into j. Strings equal to those in hint, the envelope of a similar job, are
// reused instead of allocated.
func (j *parsedJob) parse(data []byte, hint envelope) error {
	i := bytes.LastIndexByte(data, '\n')
	if i < 0 {
		return errUnreadable
	}
	j.body = data[:i]
	r := envelopeReader{rest: data[i+1:]}
	r.literal(envelopeStart)
	version := r.number()
	r.literal(`,`)
	if !r.failed && version != jobVersion {
		return versionError(version)
	}
	r.literal(`"id":`)
	j.id = r.text(hint.id)
	r.literal(`,"app":`)
	j.app = r.text(hint.app)
	r.literal(`,"webhook":`)
	j.webhook = r.text(hint.webhook)
	r.literal(`,"key":`)
	j.key = r.text(hint.key)
	r.literal(`,"time_ms":`)
	j.timeMS = r.number()
	r.literal(`,"sealed_ms":`)
	j.sealedMS = r.number()
	r.literal(`,"events":`)
	events := r.number()
	j.events = int(events)
	r.literal(`,"signature":`)
	j.signature = r.text("")
	r.literal(`,"mac":"`)
	j.sealed = data[i+1 : len(data)-len(r.rest)]
	j.mac = r.rest[:max(0, len(r.rest)-2)]
	r.rest = r.rest[len(j.mac):]
	r.literal(`"}`)
	// each takes more than a byte
	if r.failed || len(r.rest) > 0 || events < 1 || events > int64(len(j.body)) {
		return errUnreadable
	}
	return nil
}

// isAt reports whether the job says that it has this ID and is in this lane.
func (j *parsedJob) isAt(id, lane string) bool {
	n := len(j.app)
	return j.id == id && len(lane) == n+1+len(j.webhook) &&
		lane[:n] == j.app && lane[n] == '/' && lane[n+1:] == j.webhook
}

// verify reports whether the job is, to the byte, as the holder of the key's secret made it, body
// and envelope.
func (j *parsedJob) verify(s *signer) bool {
	return !bytes.ContainsAny(j.mac, "ABCDEF") && s.verifyMAC(string(j.mac), j.sealed) && s.verify(j.body, j.signature)
}

// clampEvents corrects the number of events of a job that may have been altered, so that the
// counters stay right as far as can be told.
func (j *parsedJob) clampEvents() {
	events, ok := bodyOf(j.body)
	if !ok || j.events > 1 && nthComma(events, j.events-1) < 0 {
		j.events = 1
	}
}

// envelopeReader reads an envelope from its beginning; after a failure it reads nothing more.
type envelopeReader struct {
	rest   []byte
	failed bool
}

func (r *envelopeReader) literal(s string) {
	if r.failed || len(r.rest) < len(s) || string(r.rest[:len(s)]) != s {
		r.failed = true
		return
	}
	r.rest = r.rest[len(s):]
}

func (r *envelopeReader) number() int64 {
	i := 0
	for i < len(r.rest) && r.rest[i] >= '0' && r.rest[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(string(r.rest[:i]), 10, 64)
	r.failed = r.failed || err != nil
	r.rest = r.rest[i:]
	return n
}

// text reads a JSON string, which is probably equal to hint.
func (r *envelopeReader) text(hint string) string {
	end := r.stringEnd()
	if end < 0 {
		r.failed = true
		return ""
	}
	raw := r.rest[:end]
	r.rest = r.rest[end:]
	if string(raw[1:end-1]) == hint {
		return hint
	}
	if plain := raw[1 : end-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return string(plain)
	}
	var s string
	r.failed = json.Unmarshal(raw, &s) != nil
	return s
}

// stringEnd returns the length of the JSON string that rest begins with, or -1.
func (r *envelopeReader) stringEnd() int {
	if r.failed || len(r.rest) == 0 || r.rest[0] != '"' {
		return -1
	}
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// halve splits a job of several events into two jobs, whose IDs are the job's with "-0" and "-1".
// They are sealed with the current key, and keep the time at which the whole was sealed, so that
// splitting a job does not make it younger.
func halve(j *parsedJob, of queue.Job, key appKey) ([]queue.Job, bool) {
	events, ok := bodyOf(j.body)
	if !ok {
		return nil, false
	}
	cut := nthComma(events, j.events/2)
	if cut < 0 {
		return nil, false
	}
	halves := make([]queue.Job, 2)
	for i, part := range [][]byte{events[:cut], events[cut+1:]} {
		env := j.envelope
		env.id += "-" + strconv.Itoa(i)
		env.events = j.events / 2
		if i == 1 {
			env.events = j.events - j.events/2
		}
		body := appendBodyStart(make([]byte, 0, len(part)+512), j.timeMS)
		body = append(append(body, part...), bodyEnd...)
		halves[i] = queue.Job{
			ID: env.id, Lane: of.Lane, Ordered: of.Ordered,
			Data: seal(body, &env, key, false),
		}
	}
	return halves, true
}

// seal signs a body and completes it to a job's Data. A job for an in-process queue, which nobody
// can alter, has no MAC.
func seal(body []byte, env *envelope, key appKey, inProcess bool) []byte {
	var sig [64]byte
	env.key = key.name
	env.signature = string(key.signer.appendSignature(sig[:0], body))
	if inProcess {
		return appendJob(body, env, nil)
	}
	return appendJob(body, env, key.signer)
}
