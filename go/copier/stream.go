package copier

import (
	"errors"
	"io"
	"sync/atomic"

	"osp/go/payload"
)

// stream is the source's bytes on their way to the target, framed if that needs a
// trailer. It can be read as long as the source is open: a store may respond before
// it has read everything, and the upload reads until it notices.
type stream struct {
	*source
	sums *payload.Reader
	from io.Reader // sums, or what frames them
	left atomic.Int64
}

// newStream has a checksum of the bytes made, while what is known of them is verified.
func newStream(s *source, made payload.Algorithm) *stream {
	out := &stream{source: s, sums: payload.NewReader(s, payload.Computed(s.length, s.known, made), nil)}
	out.from = out.sums
	out.left.Store(s.length)
	return out
}

// frame lets the checksum follow the bytes.
func (s *stream) frame() *payload.Framed {
	framed := payload.Reframe(s.sums)
	s.from = framed
	s.left.Store(framed.Len())
	return framed
}

var errClosed = errors.New("the copy has ended")

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	n, err := s.from.Read(p)
	s.left.Add(int64(-n))
	return n, err
}

// made is the checksum of the bytes, once all have been read.
func (s *stream) made() payload.Checksum {
	s.mu.Lock() // whoever read them may still be about to return
	defer s.mu.Unlock()
	return payload.Stored(s.sums.Trailer())
}
