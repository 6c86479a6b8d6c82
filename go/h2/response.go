package h2

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"osp/go/h1"
)

// maxHeld is how much of a body without a declared length waits for its end, so that
// the length can be declared.
const maxHeld = 16 << 10

// sendPart is how much of a body is read at a time, and then sent: eight frames, each
// of which fills a record of TLS.
const sendPart = 8 * (maxFrame - frameHeader)

// writePart is how much of a body is sent before other streams have their turn.
const writePart = 64 << 10

var (
	headers = sync.Pool{New: func() any { return make(http.Header) }}
	helds   = sync.Pool{New: func() any { return new([maxHeld]byte) }}
)

// response is what is known of a stream's response. One goroutine at a time writes it.
type response struct {
	method   string // of the request
	header   http.Header
	status   int    // 0: WriteHeader was not called
	length   int64  // as declared; -1: unknown
	written  int64  // bytes of the body
	bodiless bool   // the response has no body, whatever the handler writes
	begun    bool   // the head has been sent
	ended    bool   // so has all of it
	held     []byte // a body that waits for the head
	failed   error
}

func (w *response) init(r *http.Request) {
	*w = response{method: r.Method, header: headers.Get().(http.Header), length: -1}
}

// Header implements http.ResponseWriter.
func (s *stream) Header() http.Header { return s.header }

// WriteHeader implements http.ResponseWriter. 1xx responses are sent at once. With the
// field Connection: close, which is not sent, the connection takes no more requests.
func (s *stream) WriteHeader(status int) {
	if status < 100 || status > 999 || status == http.StatusSwitchingProtocols {
		panic("h2: WriteHeader of " + strconv.Itoa(status))
	}
	if s.status != 0 {
		return
	}
	if status < http.StatusOK {
		s.sendHead(status, false)
		s.c.out.flush()
		return
	}
	s.status = status
	s.bodiless = s.method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if declared := s.header["Content-Length"]; len(declared) == 1 {
		if n, ok := h1.Length(declared[0]); ok {
			s.length = n
		}
	}
	if s.length >= 0 || s.bodiless && s.method != http.MethodHead {
		s.begin()
	}
}

// begin sends the head of the response.
func (s *stream) begin() {
	s.begun = true
	s.ended = s.bodiless || s.length == 0
	s.sendHead(s.status, s.ended)
}

func (s *stream) sendHead(status int, ends bool) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.err != nil {
		s.failed = s.err
		return
	}
	c.responded = true
	if s.header.Get("Connection") == "close" {
		c.takeNoMore()
	}
	s.body.wantsContinue = s.body.wantsContinue && status < http.StatusOK
	c.out.headers(s.id, ends, func(b []byte) []byte {
		b, dated := appendHeader(appendStatus(b, status), s.header, status)
		if status < http.StatusOK {
			return b
		}
		if s.length >= 0 && status != http.StatusNoContent && (status != http.StatusNotModified || s.header["Content-Length"] != nil) {
			b = appendField(b, "Content-Length", strconv.FormatInt(s.length, 10))
		}
		if !dated {
			b = appendField(b, "Date", c.server.clock.Date())
		}
		return b
	})
}

// Write implements io.Writer. What it writes leaves when there is much of it, with
// Flush, or when the handler returns.
func (s *stream) Write(p []byte) (int, error) {
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
	n := int64(len(p))
	switch {
	case s.failed != nil:
		return 0, s.failed
	case n > 0 && s.bodiless && s.method != http.MethodHead:
		return 0, http.ErrBodyNotAllowed
	case s.length >= 0 && s.written+n > s.length:
		return 0, http.ErrContentLength
	}
	s.written += n
	if s.bodiless {
		return len(p), nil
	}
	if !s.begun {
		if len(s.held)+len(p) <= maxHeld {
			if s.held == nil {
				s.held = helds.Get().(*[maxHeld]byte)[:0]
			}
			s.held = append(s.held, p...)
			return len(p), nil
		}
		s.beginHeld()
	}
	s.send(p, s.written == s.length)
	if s.failed != nil {
		return 0, s.failed
	}
	return len(p), nil
}

// beginHeld sends the head and what has waited for it.
func (s *stream) beginHeld() {
	s.begin()
	s.send(s.held, s.length >= 0 && s.written == s.length)
	s.releaseHeld()
}

func (s *stream) releaseHeld() {
	if s.held != nil {
		helds.Put((*[maxHeld]byte)(s.held[:maxHeld]))
		s.held = nil
	}
}

// send sends a part of the body, as the client's windows allow.
func (s *stream) send(p []byte, last bool) {
	for len(p) > 0 && s.failed == nil {
		var n int
		if n, s.failed = s.reserve(min(len(p), writePart)); s.failed != nil {
			break
		}
		s.ended = last && n == len(p)
		s.failed = s.c.out.data(s.id, p[:n], s.ended)
		p = p[n:]
	}
	if s.failed != nil {
		s.ctx.Cancel()
	}
}

// SendFrom sends a body's bytes as they come. They are read into the frames that they
// leave in, so they are not copied. Its errors are those of the reader; that the
// client takes no more ends the request's context.
func (s *stream) SendFrom(r io.Reader) (int64, error) {
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
	if !s.begun {
		s.beginHeld()
	}
	whole := largeOuts.Get().(*[largeOut]byte)
	defer largeOuts.Put(whole)
	before := s.written
	for {
		n, err := r.Read(whole[frameHeader:][:sendPart])
		if n > 0 {
			if s.bodiless || s.length >= 0 && s.written+int64(n) > s.length {
				return s.written - before, http.ErrContentLength
			}
			s.written += int64(n)
			s.sendFramed(whole[:frameHeader+n], s.written == s.length)
		}
		switch {
		case s.failed != nil:
			return s.written - before, s.failed
		case err == io.EOF:
			return s.written - before, nil
		case err != nil:
			return s.written - before, err
		}
	}
}

// sendFramed sends a part of the body that has room for a frame's header before it.
func (s *stream) sendFramed(p []byte, last bool) {
	for len(p) > frameHeader && s.failed == nil {
		var n int
		if n, s.failed = s.reserve(len(p) - frameHeader); s.failed != nil {
			break
		}
		s.ended = last && n == len(p)-frameHeader
		s.failed = s.c.out.framed(s.id, p[:frameHeader+n], s.ended)
		p = p[n:]
	}
	if s.failed != nil {
		s.ctx.Cancel()
	}
}

// BelongsTo says whose request it is: a client's requests share its turns, and what comes
// over a connection passes for that of whoever sent one over it last.
func (s *stream) BelongsTo(client string) {
	if last := s.c.client.Load(); last == nil || *last != client {
		client = strings.Clone(client) // without the rest of its request
		s.c.client.Store(&client)
	}
}

// Flush implements http.Flusher.
func (s *stream) Flush() { _ = s.FlushError() }

// FlushError is what http.ResponseController calls for Flush.
func (s *stream) FlushError() error {
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
	if !s.begun {
		s.beginHeld()
	}
	s.c.out.flush()
	return s.failed
}

// SetReadDeadline is for http.ResponseController. It has no effect once the body
// has been read, and fails once the handler has returned.
func (s *stream) SetReadDeadline(t time.Time) error { return s.setDeadline(&s.readDeadline, t) }

// SetWriteDeadline is for http.ResponseController. It bounds how long a write may
// wait for the client's windows.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.writeDeadline, t) }

func (s *stream) setDeadline(which *time.Time, t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.returned {
		return net.ErrClosed
	}
	*which = t
	s.changed.Broadcast()
	return nil
}

// finish completes the response after the handler has returned, and reports whether it
// is complete.
func (s *stream) finish() bool {
	if s.status == 0 {
		s.WriteHeader(http.StatusOK)
	}
	if !s.begun {
		if s.method != http.MethodHead || s.written > 0 {
			s.length = s.written
		}
		s.beginHeld()
	}
	switch {
	case s.failed != nil:
		return false
	case s.ended:
		return true
	case s.length >= 0: // less was written than declared
		return false
	}
	s.failed = s.c.out.data(s.id, nil, true)
	return s.failed == nil
}

// recycle makes what the response took available to the next.
func (s *stream) recycle() {
	s.releaseHeld()
	clear(s.header)
	headers.Put(s.header)
	s.header = nil
}
