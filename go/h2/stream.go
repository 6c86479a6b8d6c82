package h2

import (
	"errors"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"osp/go/serving"
)

var (
	errReset   = errors.New("the client has reset the stream")
	errStalled = os.ErrDeadlineExceeded
)

// stream is a request with its response, of which it is the http.ResponseWriter.
// What conn.mu does not guard belongs to the handler.
type stream struct {
	c       *conn
	id      uint32
	r       *http.Request
	refusal int // the status with which the request is refused; 0: it is served
	body    body
	ctx     serving.Context
	response

	// Guarded by conn.mu.
	changed       sync.Cond // any of these, or something of the body
	sendWindow    int64
	remoteEnded   bool  // the client has sent all
	returned      bool  // the handler has
	err           error // why the stream has ended, other than by both sides' having said all
	readDeadline  time.Time
	writeDeadline time.Time
	timer         *time.Timer
	timerAt       time.Time // when it expires; zero: it is not running
}

// newStream makes the stream of a request, or of its refusal. The caller holds c.mu.
func (c *conn) newStream(id uint32, r *http.Request, refusal int) *stream {
	s := &stream{c: c, id: id, refusal: refusal, sendWindow: c.initialWindow, remoteEnded: c.head.ends}
	s.changed.L = &c.mu
	s.response.init(r)
	s.body.init(s, r, c.head.expect != "")
	r.RemoteAddr, r.TLS, r.Body = c.remote, c.tls, http.NoBody
	if !s.remoteEnded {
		r.Body = &s.body
	}
	s.r = r.WithContext(&s.ctx)
	return s
}

// serveStreams serves a stream and, if no other goroutine of the connection does so
// already, waits for more: its stack has grown to what a handler needs.
func (c *conn) serveStreams(s *stream) {
	defer c.recoverPanic()
	for s != nil && s.serve() {
		s = <-c.work
	}
}

// rest reports whether the caller may wait for c.work.
func (c *conn) rest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resting || c.over {
		return false
	}
	c.resting = true
	return true
}

// serve has the handler respond, unless the stream was reset before it began, and
// reports whether its goroutine may wait for another.
func (s *stream) serve() (waits bool) {
	c := s.c
	if queue := c.server.Queue; queue != nil {
		queue.Enter(c)
		defer queue.Leave()
	}
	whole := s.ctx.Err() == nil && s.callHandler(s.r)
	s.ctx.Cancel()
	crowded := s.end(whole)
	if crowded {
		runtime.Gosched() // others have responses, too, which can leave with this one
	}
	c.out.flush()
	return c.rest()
}

// callHandler calls the handler, and reports whether it returned. A panic ends the
// stream, not the process.
func (s *stream) callHandler(r *http.Request) (whole bool) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			serving.LogPanic(s.c.server.Log, "in a handler", v)
		}
	}()
	if s.refusal != 0 {
		s.refuse()
	} else {
		s.c.server.Handler.ServeHTTP(s, r)
	}
	return true
}

// refuse responds to what is not served. The client's windows and its time count as
// with any other response.
func (s *stream) refuse() {
	server := s.c.server
	mediaType, body := "text/plain; charset=utf-8", []byte(http.StatusText(s.refusal))
	if server.Refusal != nil {
		mediaType, body = server.Refusal(s.refusal)
	}
	_ = s.SetWriteDeadline(time.Now().Add(server.WriteTimeout)) // never fails before the handler has returned
	s.Header().Set("Content-Type", mediaType)
	s.Header().Set("Content-Length", strconv.Itoa(len(body)))
	s.WriteHeader(s.refusal)
	_, _ = s.Write(body) // an error has ended the stream
}

// end ends the stream after its handler has returned or, if not whole, panicked. It
// reports whether other handlers run.
func (s *stream) end(whole bool) (crowded bool) {
	if whole {
		whole = s.finish()
	}
	s.recycle()
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.returned = true
	s.changed.Broadcast() // for a Read in another goroutine
	c.owe(s.body.release())
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.err == nil {
		s.close(whole)
	}
	if c.handlers--; c.handlers == 0 {
		c.idleSince = time.Now()
		c.endIfRetired()
	}
	return c.handlers > 0
}

// close closes the stream for both sides. The caller holds c.mu.
func (s *stream) close(whole bool) {
	c := s.c
	delete(c.streams, s.id)
	closed := closedStream{id: s.id, open: !whole || !s.remoteEnded, left: -1, room: s.body.window, sent: s.sendWindow}
	switch {
	case !whole:
		closed.told = true
		c.out.control(http2.FrameRSTStream, s.id, uint32(http2.ErrCodeInternal))
	case s.remoteEnded:
	case s.body.suffices(): // the rest may come: some clients take a reset for a failure
		closed.left = s.body.declared - s.body.received
	case closed.room < maxFrame: // RFC 9113 section 8.1: the rest is not wanted
		closed.told = true
		c.out.control(http2.FrameRSTStream, s.id, uint32(http2.ErrCodeNo))
	}
	c.remember(closed)
}

// forget ends a stream before its handler has returned. The caller holds c.mu.
func (c *conn) forget(s *stream, err error) {
	if s.err != nil {
		return
	}
	s.err = err
	delete(c.streams, s.id)
	s.ctx.Cancel()
	s.changed.Broadcast()
}
