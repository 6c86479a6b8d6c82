package upstream

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"osp/go/s3err"
)

// trackedBody remembers why reading a body failed. The transport reports only
// that its request broke off; whether client or store is to blame, and with
// which S3 code, is known here.
type trackedBody struct {
	r io.Reader

	mu  sync.Mutex
	err error
}

// Read implements io.Reader. A panic is an error like any other: transports
// read in goroutines of their own, where it would end the process.
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

// panicked is the answer to a panic. Its cause, for the log, says where it was.
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
