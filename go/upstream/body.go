package upstream

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"osp/go/s3err"
)

// trackedBody remembers why reading a body failed. The transport only reports that
// its request broke off; whether the client or the store is to blame, and with
// which S3 error code, is known here.
type trackedBody struct {
	r io.Reader

	mu  sync.Mutex
	err error
}

// Read implements io.Reader. It turns a panic into an error: transports read in
// goroutines of their own, where a panic would end the process.
func (b *trackedBody) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, panicked(v)
			b.failed(err)
		}
	}()
	n, err = b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed(err)
	}
	return n, err
}

func (b *trackedBody) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// panicked is the error made of a panic. Its cause, for the log, has the stack.
func panicked(v any) error {
	return s3err.InternalError.Because(fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
}

// Close implements io.Closer. The reader below belongs to the caller.
func (b *trackedBody) Close() error { return nil }

func (b *trackedBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
