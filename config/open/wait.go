package open

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pushhooks/webhook/internal/oneline"
)

const (
	firstPause = 200 * time.Millisecond
	maxPause   = 5 * time.Second
)

// wait calls try until it succeeds, fails for good, or ctx ends. It logs what it waits for.
func (o Opener) wait(ctx context.Context, what, address string, try func() error) error {
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		err := try()
		switch {
		case err == nil && pause > firstPause:
			o.logger().Info("the server answers", "server", what, "address", address, "waited", time.Since(begun).Round(time.Millisecond))
			return nil
		case err == nil || !mayPass(err) && ctx.Err() == nil:
			return err
		}
		if ctx.Err() == nil {
			o.logger().Warn("waiting for a server", "server", what, "address", address, "error", oneline.Error(err), "retry_in", pause)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("waited %v for %s at %s: %w; %w",
				time.Since(begun).Round(time.Millisecond), what, address, context.Cause(ctx), err)
		}
	}
}

func (o Opener) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.Default()
	}
	return o.Logger
}

// passing are how the errors begin that Redis answers with while it starts or fails over.
var passing = []string{"LOADING ", "CLUSTERDOWN ", "MASTERDOWN ", "TRYAGAIN ", "READONLY ", "BUSY "}

// mayPass reports whether an error may be gone after a while: the server is not reachable or not
// ready. Wrong passwords, certificates and options stay.
func mayPass(err error) bool {
	var answer redis.Error
	if errors.As(err, &answer) {
		return slices.ContainsFunc(passing, func(prefix string) bool { return strings.HasPrefix(answer.Error(), prefix) })
	}
	var alert tls.AlertError
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &alert) || errors.As(err, &certificate) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, redis.ErrPoolTimeout) ||
		errors.Is(err, context.DeadlineExceeded) ||
		strings.Contains(err.Error(), "sentinels specified in configuration are unreachable")
}
