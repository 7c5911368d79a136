package lambdadispatch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// Client is what the sender calls of AWS Lambda. *lambda.Client has it. It must be safe for
// concurrent use.
type Client interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// InvocationType says whether an attempt waits for the function.
type InvocationType string

const (
	// Event has Lambda queue the invocation. The function's result stays unknown to the sender.
	Event InvocationType = "Event"

	// RequestResponse waits for the function, within the webhook's request timeout.
	RequestResponse InvocationType = "RequestResponse"
)

// Options configures a Sender. The zero value of every field is its default.
type Options struct {
	// InvocationType is Event or RequestResponse. Defaults to Event, as in the reference.
	InvocationType InvocationType

	// Envelope wraps the payload together with its headers, custom headers included, as Soketi
	// does, and with the signed text, so that a function can verify it. See the package's
	// documentation for the form. Defaults to false: the payload alone, as in the reference.
	Envelope bool

	// EndpointURL is the URL of the Lambda API, for emulators and private endpoints; it stands for
	// every region. It does not go with Client. Defaults to the SDK's choice:
	// AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL, the shared configuration file, the region's public
	// endpoint.
	EndpointURL string

	// MaxConnAge is how old a connection to the API may get: then it is closed, between two
	// invocations, and the API's name is resolved again. The clients that Client makes have
	// connections of their own. Defaults to 5 minutes.
	MaxConnAge time.Duration

	// Client makes the client of a region. It is called once for each region, and again if it
	// failed, by one goroutine at a time for a region. ctx bounds the call, not the client's life.
	// Defaults to clients with the credentials of the SDK's default chain: environment, shared
	// files, web identity, container, instance.
	Client func(ctx context.Context, region string) (Client, error)
}

func (o Options) withDefaults() Options {
	if o.InvocationType == "" {
		o.InvocationType = Event
	}
	if o.MaxConnAge == 0 {
		o.MaxConnAge = 5 * time.Minute
	}
	return o
}

// validate reports everything that is wrong, each problem by its field's name.
func (o Options) validate() error {
	var errs []error
	if o.InvocationType != Event && o.InvocationType != RequestResponse {
		errs = append(errs, fmt.Errorf("lambdadispatch: InvocationType is %q: give %q or %q",
			o.InvocationType, Event, RequestResponse))
	}
	if o.EndpointURL != "" && !validEndpoint(o.EndpointURL) {
		errs = append(errs, errors.New("lambdadispatch: EndpointURL must be an http or https URL with a host, such as http://127.0.0.1:4566"))
	}
	if o.MaxConnAge < 0 {
		errs = append(errs, fmt.Errorf("lambdadispatch: MaxConnAge is %v; it must not be negative", o.MaxConnAge))
	}
	if o.EndpointURL != "" && o.Client != nil {
		errs = append(errs, errors.New("lambdadispatch: EndpointURL is for the sender's own clients, not for those of Client: leave one of them out"))
	}
	return errors.Join(errs...)
}

func validEndpoint(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
