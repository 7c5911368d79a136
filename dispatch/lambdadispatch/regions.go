package lambdadispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// makeTime bounds the making of a client.
const makeTime = 10 * time.Second

// regions keeps one client for each region.
type regions struct {
	make   func(ctx context.Context, region string) (Client, error)
	made   sync.Map // region to Client
	flight singleflight.Group
}

// client returns the region's client. However many ask for it at once, one is made; a failure is
// told to all who wait, and the next who asks tries again.
func (rs *regions) client(ctx context.Context, region string) (Client, error) {
	if c, ok := rs.made.Load(region); ok {
		return c.(Client), nil
	}
	flight := rs.flight.DoChan(region, func() (any, error) {
		if c, ok := rs.made.Load(region); ok {
			return c, nil // another flight has just landed
		}
		return rs.add(context.WithoutCancel(ctx), region)
	})
	select {
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(Client), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// add makes a client and keeps it. Others may be waiting for it too, so ctx is not the caller's to
// cancel; and a panic would end the process here, where nobody could recover it.
func (rs *regions) add(ctx context.Context, region string) (c Client, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("making a client panicked: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	c, err = rs.make(ctx, region)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errors.New("Options.Client returned no client")
	}
	rs.made.Store(region, c)
	return c, nil
}
