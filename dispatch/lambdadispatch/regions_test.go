package lambdadispatch

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/pushhooks/webhook/dispatch"
)

// clientFunc is a function that is a Client.
type clientFunc func(ctx context.Context, in *lambda.InvokeInput) (*lambda.InvokeOutput, error)

func (f clientFunc) Invoke(ctx context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	return f(ctx, in)
}

func accepts(context.Context, *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return &lambda.InvokeOutput{StatusCode: 202}, nil
}

// withClients returns a sender whose clients are made by f.
func withClients(t *testing.T, f func(ctx context.Context, region string) (Client, error)) *Sender {
	t.Helper()
	return newSender(t, Options{Client: f})
}

func TestOneClientIsMadeForEachRegion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made sync.Map
		s := withClients(t, func(_ context.Context, region string) (Client, error) {
			n, _ := made.LoadOrStore(region, new(atomic.Int32))
			n.(*atomic.Int32).Add(1)
			time.Sleep(time.Second) // in virtual time, so that all others come meanwhile
			return clientFunc(accepts), nil
		})
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				r := request("f")
				r.Lambda.Region = []string{"us-east-1", "eu-west-1"}[i%2]
				for range 3 {
					wantDelivered(t, s.Send(t.Context(), r), 202)
				}
			})
		}
		wg.Wait()
		for _, region := range []string{"us-east-1", "eu-west-1"} {
			if n, ok := made.Load(region); !ok || n.(*atomic.Int32).Load() != 1 {
				t.Errorf("clients for %s: %v, want 1", region, n)
			}
		}
	})
}

func TestClientThatCouldNotBeMadeIsMadeLater(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	s := withClients(t, func(context.Context, string) (Client, error) {
		switch calls.Add(1) {
		case 1:
			return nil, errors.New("no luck")
		case 2:
			return nil, nil
		case 3:
			panic("bad luck")
		}
		return clientFunc(accepts), nil
	})
	for _, want := range []string{"no luck", "returned no client", "bad luck"} {
		out := send(t, s, request("f"))
		wantFailure(t, out, dispatch.Retry, 0, ReasonClient)
		if !strings.Contains(out.Err.Error(), want) {
			t.Errorf("the error is %v, want %s", out.Err, want)
		}
	}
	wantDelivered(t, send(t, s, request("f")), 202)
}

func TestAttemptDoesNotOutwaitItsTimeForAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := withClients(t, func(ctx context.Context, _ string) (Client, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		wantFailure(t, s.Send(ctx, request("f")), dispatch.Retry, 0, dispatch.ReasonTimeout)
		if took := time.Since(began); took != time.Second {
			t.Errorf("the attempt took %v", took)
		}
		time.Sleep(makeTime) // by then the making has ended too
	})
}

// One attempt's end must not spoil the client for the others that wait for it.
func TestClientIsMadeAlthoughTheFirstAttemptEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := withClients(t, func(ctx context.Context, _ string) (Client, error) {
			select {
			case <-time.After(5 * time.Second):
				return clientFunc(accepts), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan dispatch.Outcome, 1)
		go func() { first <- s.Send(ctx, request("f")) }()
		synctest.Wait()
		wantDelivered(t, s.Send(t.Context(), request("f")), 202)
		wantFailure(t, <-first, dispatch.Retry, 0, dispatch.ReasonTimeout)
	})
}

func TestOptionsThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	client := func(context.Context, string) (Client, error) { return clientFunc(accepts), nil }
	tests := []struct {
		o    Options
		want []string
	}{
		{Options{InvocationType: "event"}, []string{`InvocationType is "event": give "Event" or "RequestResponse"`}},
		{Options{InvocationType: "DryRun"}, []string{"InvocationType"}},
		{Options{EndpointURL: "localhost:4566"}, []string{"EndpointURL must be"}},
		{Options{EndpointURL: "http://:4566"}, []string{"EndpointURL must be"}},
		{Options{EndpointURL: "ftp://user:secret@h", InvocationType: "x"}, []string{"EndpointURL must be", "InvocationType"}},
		{Options{EndpointURL: "http://h", Client: client}, []string{"leave one of them out"}},
	}
	for _, tt := range tests {
		_, err := New(tt.o)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%+v: got %v, want %s", tt.o, err, want)
			}
		}
	}
}
