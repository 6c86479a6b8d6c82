package copier

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/iotest"

	"osp/go/s3err"
	"osp/go/upstream"
)

// When the client leaves, the connections to both stores are closed one after the other,
// and what breaks off first is not why.
func TestWhatBreaksOffBecauseTheClientLeftIsNoStoresFault(t *testing.T) {
	closed := s3err.BadGateway.Because(net.ErrClosed)
	for name, breaks := range map[string]func(call *upstream.Call, gets int) bool{
		"the source's head": func(call *upstream.Call, _ int) bool {
			return call.Method == http.MethodGet && !call.Query.Has("tagging")
		},
		"the source's tags": func(call *upstream.Call, _ int) bool { return call.Query.Has("tagging") },
		"the target":        func(call *upstream.Call, _ int) bool { return call.Method == http.MethodPut },
		"the second head":   func(_ *upstream.Call, gets int) bool { return gets > 2 },
	} {
		for _, leaves := range []bool{true, false} {
			ctx, leave := context.WithCancel(t.Context())
			d := &double{t: t, body: "hello"}
			c, err := Begin(ctx, request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
				if breaks(call, len(d.gets)+1) {
					if leaves {
						leave()
					}
					return nil, closed
				}
				if call.Method == http.MethodPut && name == "the second head" {
					return nil, s3err.ServiceUnavailable.Because(upstream.ErrUnrepeatable)
				}
				return d.send(ctx, call)
			})
			if err == nil {
				_, err = c.Transfer(ctx)
				c.Close()
			}
			leave()
			if errors.Is(err, context.Canceled) != leaves || errors.Is(err, s3err.BadGateway) == leaves {
				t.Errorf("%s broke off, the client has left %v: %v", name, leaves, err)
			}
		}
	}
}

func TestASourceThatIsClosedBecauseTheClientLeftHasNotBrokenOff(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		ctx, leave := context.WithCancel(t.Context())
		d := &double{t: t, body: "hello"}
		c, err := Begin(ctx, request(), func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
			if call.Method == http.MethodGet && !call.Query.Has("tagging") {
				return response(200, nil, iotest.ErrReader(net.ErrClosed), 5), nil
			}
			if call.Method == http.MethodPut && leaves {
				leave()
			}
			return d.send(ctx, call)
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Transfer(ctx)
		c.Close()
		leave()
		if errors.Is(err, context.Canceled) != leaves || errors.Is(err, errSource) == leaves {
			t.Errorf("the client has left %v: %v", leaves, err)
		}
	}
}
