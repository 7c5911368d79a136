package lambdadispatch

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/logging"

	"github.com/pushhooks/webhook/internal/outbound"
)

const (
	connectTimeout = 3 * time.Second
	tlsTimeout     = 5 * time.Second
	idleTimeout    = 55 * time.Second

	// maxIdle and maxIdlePerHost keep a connection for each worker, where the SDK would keep ten.
	maxIdle        = 500
	maxIdlePerHost = 100

	maxHeaderBytes = 32 << 10

	// maxAnswer bounds what is read of an answer. Nothing but the beginning of a function's error
	// is of interest.
	maxAnswer = 64 << 10
)

// factory makes clients for regions: with one configuration, one cache of credentials and one pool
// of connections.
type factory struct {
	config    aws.Config
	endpoint  *string
	transport *http.Transport
}

// newFactory reads the SDK's configuration. Which credentials there are shows at the first call
// only.
func newFactory(endpointURL string, maxAge time.Duration) (*factory, error) {
	ctx, cancel := context.WithTimeout(context.Background(), makeTime)
	defer cancel()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("lambdadispatch: load the AWS configuration: %w", err)
	}
	dialer, transport := newTransport(cfg.HTTPClient, maxAge)
	f := &factory{config: cfg, transport: transport}
	if endpointURL != "" {
		f.endpoint = &endpointURL
	}
	f.config.HTTPClient = &limitedClient{dialer: dialer, transport: transport}
	f.config.Credentials = namedCredentials{cfg.Credentials}
	return f, nil
}

// newTransport begins with what the configuration has changed of the SDK's transport, such as its
// root certificates. Like that of package dispatch, it does not use HTTP/2, which would put all
// attempts on one connection.
func newTransport(configured aws.HTTPClient, maxAge time.Duration) (*outbound.Dialer, *http.Transport) {
	base, ok := configured.(*awshttp.BuildableClient)
	if !ok {
		base = awshttp.NewBuildableClient()
	}
	t := base.GetTransport()
	t.IdleConnTimeout = idleTimeout
	t.MaxIdleConns = maxIdle
	t.MaxIdleConnsPerHost = maxIdlePerHost
	t.MaxResponseHeaderBytes = maxHeaderBytes
	d := &outbound.Dialer{
		Proxy:          t.Proxy,
		TLS:            tlsConfig(t.TLSClientConfig),
		ConnectTimeout: connectTimeout,
		TLSTimeout:     tlsTimeout,
		MaxAge:         maxAge,
	}
	d.Install(t)
	return d, t
}

func tlsConfig(base *tls.Config) *tls.Config {
	c := &tls.Config{}
	if base != nil {
		c = base.Clone()
	}
	c.NextProtos = []string{"http/1.1"}
	if c.ClientSessionCache == nil {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(maxIdle)
	}
	return c
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

// limitedClient makes requests, follows no redirect, and reads no more of an answer than is of
// interest.
type limitedClient struct {
	dialer    *outbound.Dialer
	transport *http.Transport
	record    outbound.Record
}

// Do makes one request.
func (c *limitedClient) Do(r *http.Request) (*http.Response, error) {
	var conn *outbound.Conn
	ctx := c.dialer.Context(r.Context(), r.URL.Scheme)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		conn.End() // of a request that the transport sends again
		if conn, _ = info.Conn.(*outbound.Conn); conn != nil {
			conn.Begin(&c.record)
		}
	}})
	r = r.WithContext(ctx)
	r.Close = c.record.Untidy()
	resp, err := c.transport.RoundTrip(r)
	if err != nil {
		conn.End()
		return nil, err
	}
	limit := int64(maxAnswer)
	if resp.StatusCode == http.StatusAccepted {
		limit = 0 // the event is queued, whatever follows
	}
	resp.Body = &limitedBody{Reader: io.LimitReader(resp.Body, limit), body: resp.Body, conn: conn}
	return resp, nil
}

// limitedBody reads the beginning of a body. When it is closed, the exchange is over.
type limitedBody struct {
	io.Reader
	body io.Closer
	conn *outbound.Conn
	once sync.Once
}

// Close closes the body.
func (b *limitedBody) Close() error {
	err := b.body.Close()
	b.once.Do(b.conn.End)
	return err
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
