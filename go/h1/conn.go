package h1

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	readBuffer = 4 << 10
	// maxUnread is how much of a body that the handler left is read to keep the
	// connection, in bytes, and drainTimeout how long that may take.
	maxUnread    = 256 << 10
	drainTimeout = 5 * time.Second
	// linger is how long a client may go on sending after it was refused: if the
	// connection were closed at once, a reset could overtake the answer.
	linger        = 500 * time.Millisecond
	refuseTimeout = 5 * time.Second // for writing what is said before that
)

var past = time.Unix(1, 0) // a deadline that ends what is under way

// A connection is idle until the first byte of a request and after its answer.
// Whoever ends it while it is idle has to say so.
const (
	stateIdle int32 = iota
	stateActive
	stateClosed
)

// conn is one connection. It belongs to the goroutine that serves it, but for
// what conn.mu guards and for the reads of a request's body.
type conn struct {
	server *Server
	net    net.Conn
	remote string
	tls    *tls.ConnectionState
	plain  io.ReaderFrom // of TCP; nil over TLS or a unix socket

	buf  []byte // what was read: buf[r:w] is still to be used
	r, w int
	out  []byte // what is still to be written; nil between requests

	answers http.Header   // of the response, used again
	turn    chan struct{} // to go on in a crowd; nil: it was in none
	until   time.Time     // the next request's deadline; zero: another was set since
	state   atomic.Int32

	mu      sync.Mutex
	changed sync.Cond // a read has ended
	want    time.Time // the write deadline that the handler wants
	by      time.Time // the one that is set
	current *response // nil: no handler runs
	gone    bool      // the client has left
	watch   watch
}

// secureConn is a connection with TLS: a *tls.Conn, or what wraps one.
type secureConn interface {
	net.Conn
	ConnectionState() tls.ConnectionState
	NetConn() net.Conn
	CloseWrite() error
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, net: nc, buf: make([]byte, readBuffer)}
	if peer := nc.RemoteAddr(); peer != nil { // macOS may have none for a client that left at once
		c.remote = peer.String()
	}
	c.changed.L = &c.mu
	if secure, ok := nc.(secureConn); ok {
		state := secure.ConnectionState()
		c.tls = &state
	} else {
		c.plain, _ = nc.(io.ReaderFrom)
	}
	return c
}

// raw is the connection without TLS.
func (c *conn) raw() net.Conn {
	if secure, ok := c.net.(secureConn); ok {
		return secure.NetConn()
	}
	return c.net
}

// serve answers requests until the connection ends.
func (c *conn) serve() {
	defer c.end()
	defer c.contain()
	c.readUntil(time.Now().Add(c.server.ReadHeaderTimeout))
	for {
		h, err := c.readHead()
		if err != nil {
			c.refuse(err)
			return
		}
		if !c.serveOne(h) {
			return
		}
	}
}

// serveOne serves a request and makes the connection ready for the next, if it
// reports that there can be one.
func (c *conn) serveOne(h *head) bool {
	turns := &c.server.turns
	turns.inPlay.Add(1)
	defer turns.inPlay.Add(-1)
	if !c.answer(h) || !c.state.CompareAndSwap(stateActive, stateIdle) {
		return false
	}
	c.server.tell(c, http.StateIdle)
	if c.server.draining.Load() && c.closeIdle() {
		return false
	}
	if c.r == c.w {
		c.mayIdle()
		c.shrink()
	}
	turns.wait(c)
	return true
}

// mayIdle gives the client time for its next request. A deadline that is nearly
// as far as it should be serves as well, and a new one takes its time.
func (c *conn) mayIdle() {
	until := time.Now().Add(c.server.IdleTimeout)
	if until.Sub(c.until) > c.server.IdleTimeout/64 {
		c.readUntil(until)
		c.until = until
	}
}

// readUntil sets the deadline of reading. Who does not serve the connection
// needs c.mu for it, and a handler that runs.
func (c *conn) readUntil(t time.Time) {
	c.until = time.Time{}
	_ = c.net.SetReadDeadline(t) // fails on a closed connection, as what follows does
}

// contain keeps a panic within its connection. Handlers have a firewall of
// their own; this one is for what reads requests and writes answers.
func (c *conn) contain() {
	if v := recover(); v != nil {
		c.server.panicked("serving a connection", v)
		_ = c.raw().Close() // without the goodbye of TLS, which is a clean end
	}
}

func (c *conn) end() {
	c.state.Store(stateClosed)
	_ = c.net.Close() // for the second time, maybe
	c.stopWatch()
	c.server.dismiss(c)
}

// closeIdle closes a connection that serves no request.
func (c *conn) closeIdle() bool {
	if !c.state.CompareAndSwap(stateIdle, stateClosed) {
		return false
	}
	if c.tls != nil {
		go c.net.Close() // its goodbye may have to wait for the client
		return true
	}
	_ = c.net.Close() // nobody is there to tell
	return true
}

// cut ends a connection whatever it does.
func (c *conn) cut() {
	c.state.Store(stateClosed)
	_ = c.raw().Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.current != nil {
		c.current.ctx.cancel()
	}
}

// readHead waits for a request and reads its head.
func (c *conn) readHead() (*head, error) {
	var l lines
	most := c.server.MaxHeaderBytes
	for begun := false; ; {
		n, err := l.end(c.buf[c.r:c.w])
		if err != nil {
			return nil, err
		}
		if n > most || n == 0 && c.w-c.r > most {
			return nil, errTooLarge
		}
		if c.w > c.r && !begun {
			begun = true
			if !c.state.CompareAndSwap(stateIdle, stateActive) {
				return nil, errGone
			}
			c.server.tell(c, http.StateActive)
			if n == 0 {
				c.readUntil(time.Now().Add(c.server.ReadHeaderTimeout))
			}
		}
		if n > 0 {
			text := string(c.buf[c.r : c.r+n])
			c.r += n
			return parse(text)
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more into the buffer, which grows when it is full.
func (c *conn) fill() error {
	switch {
	case c.r == c.w:
		c.r, c.w = 0, 0
	case c.w < len(c.buf):
	case c.r > 0:
		c.w, c.r = copy(c.buf, c.buf[c.r:c.w]), 0
	default:
		grown := make([]byte, 2*len(c.buf))
		copy(grown, c.buf)
		c.buf = grown
	}
	n, err := c.net.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// shrink gives back what a long head took.
func (c *conn) shrink() {
	if len(c.buf) > readBuffer {
		c.buf = make([]byte, readBuffer)
	}
	c.r, c.w = 0, 0
}

// read reads what follows a head.
func (c *conn) read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.net.Read(p)
}

// line reads a line of at most so many bytes. It is good until the next read.
func (c *conn) line(most int) ([]byte, error) {
	for {
		held := c.buf[c.r:c.w]
		end := bytes.IndexByte(held, '\n')
		if end > most+1 || end < 0 && len(held) > most+1 {
			return nil, malformed("a line is too long")
		}
		if end >= 0 {
			if end == 0 || held[end-1] != '\r' {
				return nil, malformed("a line ends in a bare LF")
			}
			if bytes.IndexByte(held[:end-1], '\r') >= 0 || bytes.IndexByte(held[:end-1], 0) >= 0 {
				return nil, malformed("a bare CR or a NUL in a line")
			}
			c.r += end + 1
			return held[:end-1], nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// prepare sets the deadline of the next write, which costs more than to note it.
func (c *conn) prepare() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.by.Equal(c.want) {
		c.by = c.want
		_ = c.net.SetWriteDeadline(c.want)
	}
}

// answer has the handler answer a request, and reports whether the connection
// can take another.
func (c *conn) answer(h *head) bool {
	if h.expect != "" && !lists(h.expect, "100-continue") {
		c.refuse(errExpect)
		return false
	}
	w := newResponse(c, h)
	defer w.ctx.cancel()
	r := (&http.Request{
		Method: h.method, URL: h.url, Proto: h.proto, ProtoMajor: 1, ProtoMinor: h.minor,
		Header: h.header, Body: http.NoBody, ContentLength: h.length, Host: h.host,
		TransferEncoding: h.encoding, RemoteAddr: c.remote, RequestURI: h.target, TLS: c.tls, Close: h.close,
	}).WithContext(&w.ctx)
	if h.length != 0 {
		r.Body = &w.body
		c.readUntil(time.Time{}) // the handler's to set
	}
	if !c.begin(w) {
		return false
	}
	whole := c.handle(w, r)
	w.ctx.cancel()
	read, readable := c.finish(w)
	if !whole {
		w.abort()
		return false
	}
	keep := w.end()
	if read {
		return keep
	}
	if keep && readable && c.drain(&w.body) {
		return true
	}
	c.sayGoodbye()
	return false
}

// handle calls the handler. A panic ends the connection, not the process.
func (c *conn) handle(w *response, r *http.Request) (whole bool) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			c.server.panicked("in a handler", v)
		}
	}()
	c.server.Handler.ServeHTTP(w, r)
	return true
}

// drain reads what a handler left of a body.
func (c *conn) drain(b *body) bool {
	if b.left > maxUnread {
		return false
	}
	c.readUntil(time.Now().Add(drainTimeout))
	var scrap [4 << 10]byte
	for left := maxUnread; left >= 0; {
		n, err := b.read(scrap[:])
		if err != nil {
			return err == io.EOF
		}
		left -= n
	}
	return false
}

// refuse answers a message that is no request, if there is an answer to it.
func (c *conn) refuse(err error) {
	status := 0
	switch {
	case errors.Is(err, errMalformed):
		status = http.StatusBadRequest
	case errors.Is(err, errTooLarge):
		status = http.StatusRequestHeaderFieldsTooLarge
	case errors.Is(err, errVersion):
		status = http.StatusHTTPVersionNotSupported
	case errors.Is(err, errExpect):
		status = http.StatusExpectationFailed
	default: // the client has left, or its time is up
		return
	}
	line := fmt.Sprintf("%d %s", status, http.StatusText(status))
	mediaType, text := "text/plain; charset=utf-8", []byte(line)
	if c.server.Refusal != nil {
		mediaType, text = c.server.Refusal(status)
	}
	_ = c.net.SetWriteDeadline(time.Now().Add(refuseTimeout))
	_, _ = fmt.Fprintf(c.net, "HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		line, c.server.now(), mediaType, len(text), text)
	c.sayGoodbye()
}

// sayGoodbye ends the proxy's side of the connection and gives the client time
// to read why.
func (c *conn) sayGoodbye() {
	if secure, ok := c.net.(secureConn); ok {
		_ = secure.SetWriteDeadline(time.Now().Add(refuseTimeout))
		_ = secure.CloseWrite()
	}
	raw := c.raw()
	half, ok := raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = raw.SetReadDeadline(time.Now().Add(linger))
	scrap := make([]byte, 4<<10)
	for {
		if _, err := raw.Read(scrap); err != nil {
			return
		}
	}
}
