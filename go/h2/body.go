package h2

import (
	"io"
	"net/http"
	"os"
	"sync"

	"golang.org/x/net/http2"
)

const chunkSize = 16 << 10

var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// body is a request's body. The connection's reader fills it, and one Read at a time
// empties it, in the handler's goroutine or another, perhaps even after the handler
// has returned: such a Read fails. conn.mu guards it.
type body struct {
	s        *stream
	declared int64 // its length; -1: unknown
	received int64
	window   int64 // what the client may still send
	owed     int64 // what it may send in addition, but has not been told yet
	wanted   bool  // the handler reads it
	padded   bool  // it takes more of the window than its length

	chunks  []*[chunkSize]byte // what was received and not yet read is in chunks[0][r:] to chunks[last][:w]
	r, w    int
	filling bool // the reader is writing to the last chunk behind w

	ended         bool // nothing more will come
	wantsContinue bool // the client waits for 100 Continue
}

func (b *body) init(s *stream, r *http.Request, expects bool) {
	*b = body{s: s, declared: r.ContentLength, window: strangerWindow, ended: s.remoteEnded, wantsContinue: expects && !s.remoteEnded}
}

// buffered returns how many bytes wait to be read.
func (b *body) buffered() int {
	if len(b.chunks) == 0 {
		return 0
	}
	return (len(b.chunks)-1)*chunkSize + b.w - b.r
}

// accept counts a frame with some bytes of content. The caller holds c.mu.
func (b *body) accept(whole int64, content int) error {
	b.wantsContinue = false
	if whole > b.window {
		return streamError(b.s.id, http2.ErrCodeFlowControl)
	}
	b.window -= whole
	b.received += int64(content)
	if b.declared >= 0 && b.received > b.declared {
		return streamError(b.s.id, http2.ErrCodeProtocol)
	}
	if content > 0 {
		b.s.c.responded = true
	}
	return nil
}

// fill reads content of a DATA frame.
func (s *stream) fill(n int) error {
	for n > 0 {
		room := s.body.room()
		m, err := s.c.in.Read(room[:min(n, len(room))])
		s.body.filled(m)
		if err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// room returns where to put what comes next.
func (b *body) room() []byte {
	b.s.c.mu.Lock()
	defer b.s.c.mu.Unlock()
	if len(b.chunks) == 0 || b.w == chunkSize {
		b.chunks = append(b.chunks, chunks.Get().(*[chunkSize]byte))
		b.w = 0
	}
	b.filling = true
	return b.chunks[len(b.chunks)-1][b.w:]
}

// filled notes that n bytes have been put there.
func (b *body) filled(n int) {
	b.s.c.mu.Lock()
	defer b.s.c.mu.Unlock()
	b.filling = false
	b.w += n
	if b.s.returned || b.s.err != nil {
		b.s.c.owe(b.release())
		return
	}
	b.s.changed.Broadcast()
}

// release frees what nobody will read, and returns how much that is. The caller holds
// c.mu.
func (b *body) release() int64 {
	if b.filling {
		return 0 // filled does it
	}
	n := b.buffered()
	for _, chunk := range b.chunks {
		chunks.Put(chunk)
	}
	b.chunks, b.r, b.w = nil, 0, 0
	return int64(n)
}

// endBody notes that a stream's body has been received whole.
func (c *conn) endBody(id uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	if s == nil { // the response has ended meanwhile, or before
		return c.acceptLate(id, 0, 0, true)
	}
	if s.body.declared >= 0 && s.body.received != s.body.declared {
		return streamError(id, http2.ErrCodeProtocol)
	}
	s.remoteEnded, s.body.ended = true, true
	s.changed.Broadcast()
	return nil
}

// Read implements io.Reader. A body that breaks off ends with io.ErrUnexpectedEOF.
func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.wantMore() {
		b.s.c.out.flush()
	}
	n, granted, err := b.read(p)
	if granted {
		b.s.c.out.flush()
	}
	return n, err
}

// wantMore tells the client that the handler reads from now on, and reports whether
// there is anything to tell.
func (b *body) wantMore() bool {
	s, c := b.s, b.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.wanted || b.ended || s.err != nil || s.returned {
		return false
	}
	b.wanted = true
	continued := b.wantsContinue
	if b.wantsContinue = false; continued {
		c.out.headers(s.id, false, func(p []byte) []byte { return appendStatus(p, http.StatusContinue) })
	}
	b.owed += bodyWindow - strangerWindow
	if b.suffices() {
		return continued
	}
	b.grant()
	return true
}

// suffices reports whether the client may already send all that is left.
func (b *body) suffices() bool {
	return b.declared >= 0 && b.declared-b.received <= b.window && !b.padded
}

// read reads what has been received, or waits for it. It also reports whether the
// client was granted more.
func (b *body) read(p []byte) (n int, granted bool, err error) {
	s, c := b.s, b.s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.returned:
			return 0, false, http.ErrBodyReadAfterClose
		case b.buffered() > 0:
			n = b.take(p)
			return n, b.giveBack(int64(n)), nil
		case b.ended:
			return 0, false, io.EOF
		case s.err != nil:
			return 0, false, io.ErrUnexpectedEOF
		}
		if !s.wait(&s.readDeadline) {
			return 0, false, os.ErrDeadlineExceeded
		}
	}
}

// take moves bytes to p. The caller holds c.mu.
func (b *body) take(p []byte) int {
	n := 0
	for n < len(p) && len(b.chunks) > 0 {
		end := chunkSize
		if len(b.chunks) == 1 {
			end = b.w
		}
		m := copy(p[n:], b.chunks[0][b.r:end])
		n += m
		b.r += m
		switch {
		case b.r < end:
			return n
		case len(b.chunks) > 1 || b.w == chunkSize && !b.filling:
			b.dropFirst()
		case b.filling:
			return n
		default:
			b.r, b.w = 0, 0
			if b.ended {
				b.dropFirst()
			}
			return n
		}
	}
	return n
}

func (b *body) dropFirst() {
	chunks.Put(b.chunks[0])
	b.chunks = b.chunks[1:]
	b.r = 0
}

// giveBack notes that n bytes take up nothing any more, and reports whether the client was told
// that it may send more. The caller holds c.mu.
func (b *body) giveBack(n int64) (granted bool) {
	granted = b.s.c.owe(n)
	if b.owed += n; b.owed >= bodyWindow/4 && !b.ended && !b.suffices() {
		b.grant()
		granted = true
	}
	return granted
}

// grant tells the client what it may send in addition. The caller holds c.mu.
func (b *body) grant() {
	b.s.c.out.control(http2.FrameWindowUpdate, b.s.id, uint32(b.owed))
	b.window += b.owed
	b.owed = 0
}

// Close implements io.Closer. What was not read is dropped with the stream.
func (b *body) Close() error { return nil }
