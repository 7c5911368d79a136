package lambdadispatch

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/logging"
)

const (
	connectTimeout = 3 * time.Second
	tlsTimeout     = 5 * time.Second
	idleTimeout    = 55 * time.Second

	// maxIdle and maxIdlePerHost keep a connection for each worker, where the SDK would keep ten.
	maxIdle        = 500
	maxIdlePerHost = 100

	maxHeaderBytes = 32 << 10

	// maxAnswer bounds what is read of an answer. Nothing but the beginning of a function's error is of interest.
	maxAnswer = 64 << 10
)

// factory makes clients for regions: with one configuration, one cache of credentials and one pool of connections.
type factory struct {
	config    aws.Config
	endpoint  *string
	transport *http.Transport
}

// newFactory reads the SDK's configuration. Which credentials there are shows at the first call only.
func newFactory(endpointURL string) (*factory, error) {
	ctx, cancel := context.WithTimeout(context.Background(), makeTime)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("lambdadispatch: load the AWS configuration: %w", err)
	}
	f := &factory{config: cfg, transport: newTransport(cfg.HTTPClient)}
	if endpointURL != "" {
		f.endpoint = &endpointURL
	}
	f.config.HTTPClient = limitedClient{f.transport}
	f.config.Credentials = namedCredentials{cfg.Credentials}
	return f, nil
}

// newTransport begins with what the configuration has changed of the SDK's transport, such as its root certificates.
func newTransport(configured aws.HTTPClient) *http.Transport {
	base, ok := configured.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	return base.WithDialerOptions(func(d *net.Dialer) {
		d.Timeout = connectTimeout
	}).WithTransportOptions(func(t *http.Transport) {
		t.TLSHandshakeTimeout = tlsTimeout
		t.IdleConnTimeout = idleTimeout
		t.MaxIdleConns = maxIdle
		t.MaxIdleConnsPerHost = maxIdlePerHost
		t.MaxResponseHeaderBytes = maxHeaderBytes
	}).GetTransport()
}

func (f *factory) client(_ context.Context, region string) (Client, error) {
	return lambda.NewFromConfig(f.config, func(o *lambda.Options) {
		o.Region = region
		o.Logger = logging.Nop{} // the outcome tells all
		if f.endpoint != nil {
			o.BaseEndpoint = f.endpoint
		}
	}), nil
}

func (f *factory) close() { f.transport.CloseIdleConnections() }

// limitedClient makes requests, follows no redirect, and reads no more of an answer than is of interest.
type limitedClient struct{ transport *http.Transport }

// Do makes one request.
func (c limitedClient) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	most := int64(maxAnswer)
	if resp.StatusCode == http.StatusAccepted {
		most = 0 // the event is queued, whatever follows
	}
	resp.Body = limitedBody{io.LimitReader(resp.Body, most), resp.Body}
	return resp, nil
}

// limitedBody reads the beginning of a body.
type limitedBody struct {
	io.Reader
	io.Closer
}

// namedCredentials tells failures to get credentials apart from those of the call.
type namedCredentials struct{ aws.CredentialsProvider }

// Retrieve returns the credentials. Its error is a *credentialsError.
func (n namedCredentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := n.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialsError{err}
	}
	return c, nil
}
