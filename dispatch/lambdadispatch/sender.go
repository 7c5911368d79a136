package lambdadispatch

import (
	"cmp"
	"context"
	"errors"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/pushhooks/webhook/dispatch"
	"github.com/pushhooks/webhook/internal/arn"
)

// Sender is the dispatch.Sender for Lambda functions. It keeps one client for each region. It is
// safe for concurrent use. Make one with New.
type Sender struct {
	kind     InvocationType
	envelope bool
	regions  regions
	close    func()
}

var _ dispatch.Sender = (*Sender)(nil)

// New returns a sender with these options. Unless Options.Client is set, it reads the SDK's
// configuration: environment and shared files, but no credentials yet. The error lists every option
// that is not valid.
func New(o Options) (*Sender, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Sender{kind: o.InvocationType, envelope: o.Envelope, close: func() {}}
	s.regions.make = o.Client
	if o.Client == nil {
		f, err := newFactory(o.EndpointURL, o.MaxConnAge)
		if err != nil {
			return nil, err
		}
		s.regions.make, s.close = f.client, f.close
	}
	return s, nil
}

// Close closes idle connections, but not those of clients that Options.Client made. Call it when
// the last Send has returned; a later Send would open connections again. The error is always nil.
func (s *Sender) Close() error {
	s.close()
	return nil
}

// Send invokes the function r.Lambda once, within ctx. It sends the request again, within the same
// attempt, only where a connection that had been used before turns out to be closed.
//
// An Event invocation that Lambda has queued is Delivered, and so is a RequestResponse invocation
// that returned without a function error. A payload above Lambda's limit (1 MiB for Event, 6 MiB
// for RequestResponse) is TooLarge without being sent. A function that does not exist and an
// invocation that Lambda rejects are Stop. Where nothing was sent because this host lacks file
// descriptors, ports, buffers or a route, or because no name server answers, the verdict is Unsent.
// All else is Retry.
func (s *Sender) Send(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
	return s.send(ctx, r).Clean()
}

func (s *Sender) send(ctx context.Context, r *dispatch.Request) dispatch.Outcome {
	in, refused := s.input(r)
	if refused != nil {
		return *refused
	}
	client, err := s.regions.client(ctx, cmp.Or(r.Lambda.Region, arn.Region(r.Lambda.FunctionName)))
	if err != nil {
		return withoutClient(ctx, r.Lambda, err)
	}
	out, err := invoke(ctx, client, in)
	if err != nil {
		return failure(ctx, r.Lambda, err)
	}
	return answer(r.Lambda, out)
}

// input makes the call's parameters, or says why there is no call.
func (s *Sender) input(r *dispatch.Request) (*lambda.InvokeInput, *dispatch.Outcome) {
	if r.Lambda == nil || r.Lambda.FunctionName == "" || r.Lambda.Region == "" && arn.Region(r.Lambda.FunctionName) == "" {
		return nil, unsendable(errors.New("lambdadispatch: the request names no function and region"))
	}
	payload := r.Body
	if s.envelope || r.Lambda.Envelope {
		payload = envelope(r)
	}
	kind := cmp.Or(InvocationType(r.Lambda.InvocationType), s.kind)
	if limit := kind.maxPayload(); len(payload) > limit {
		return nil, tooLarge(r.Lambda, len(payload), limit, kind)
	}
	custom, err := clientContext(r)
	if err != nil {
		return nil, unsendable(explain(r.Lambda, err))
	}
	return &lambda.InvokeInput{
		FunctionName:   &r.Lambda.FunctionName,
		InvocationType: types.InvocationType(kind),
		ClientContext:  &custom,
		Payload:        payload,
	}, nil
}

// maxPayload returns Lambda's limit for a payload.
func (t InvocationType) maxPayload() int {
	if t == Event {
		return 1 << 20
	}
	return 6 << 20
}

// invoke makes the call, and makes it again if the connection was an old one that nothing came back
// on.
func invoke(ctx context.Context, client Client, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	var stale staleness
	out, err := client.Invoke(stale.watch(ctx), in, once)
	if err == nil || !stale.found() || ctx.Err() != nil {
		return out, err
	}
	return client.Invoke(ctx, in, once)
}

// once turns the SDK's retries off.
func once(o *lambda.Options) { o.Retryer = aws.NopRetryer{} }

// staleness finds out whether a request went out on a connection that the other side had closed.
type staleness struct{ reused, answered atomic.Bool }

func (s *staleness) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:              func(info httptrace.GotConnInfo) { s.reused.Store(info.Reused) },
		GotFirstResponseByte: func() { s.answered.Store(true) },
	})
}

func (s *staleness) found() bool { return s.reused.Load() && !s.answered.Load() }
