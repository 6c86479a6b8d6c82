package upstream

import (
	"errors"
	"io"
	"sync"
)

// trackedBody remembers why reading a body failed. The transport reports only
// that its request broke off; whether client or store is to blame, and with
// which S3 code, is known here.
type trackedBody struct {
	r io.Reader

	mu  sync.Mutex
	err error
}

// Read implements io.Reader.
func (b *trackedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

// Close implements io.Closer. The reader below belongs to the caller.
func (b *trackedBody) Close() error { return nil }

func (b *trackedBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
