package h1

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/serving"
)

const (
	readBuffer = 4 << 10
	// maxUnread is how many bytes of a body that the handler left are read to keep
	// the connection, and drainTimeout how long that may take.
	maxUnread    = 256 << 10
	drainTimeout = 5 * time.Second
)

var aLongTimeAgo = time.Unix(1, 0) // a deadline that ends a read in progress

// A connection is idle until the first byte of a request, and again after the
// response. Whoever closes an idle one sets stateClosed first.
const (
	stateIdle int32 = iota
	stateActive
	stateClosed
)

// conn is one connection. It belongs to the goroutine that serves it, except for
// what conn.mu guards and for reads of a request's body.
type conn struct {
	server  *Server
	net     net.Conn
	remote  string
	tls     *tls.ConnectionState
	splicer io.ReaderFrom // of TCP; nil over TLS or a unix socket

	buf  []byte // buf[r:w] was read and is not yet used
	r, w int
	out  []byte // still to be written; nil between requests

	responseHeader http.Header // reused for each response
	client         string      // whose requests these are, as the handler said last; empty: nobody knows
	readDeadline   time.Time   // as set by setIdleDeadline; zero: another was set since
	state          atomic.Int32

	mu                sync.Mutex
	readEnded         sync.Cond // a read has ended
	wantWriteDeadline time.Time // asked for by the handler, set before the next write
	writeDeadline     time.Time // as set
	current           *response // nil: no handler runs
	gone              bool      // the client has disconnected
	background        backgroundRead
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, net: nc, buf: make([]byte, readBuffer)}
	if peer := nc.RemoteAddr(); peer != nil { // macOS may have none for a client that disconnected at once
		c.remote = peer.String()
	}
	c.readEnded.L = &c.mu
	if secure, ok := nc.(serving.Secure); ok {
		state := secure.ConnectionState()
		c.tls = &state
	} else {
		c.splicer, _ = nc.(io.ReaderFrom)
	}
	return c
}

// Serve implements serving.Conn.
func (c *conn) Serve() {
	c.server.setState(c, http.StateNew)
	defer c.close()
	defer c.recoverPanic()
	c.setReadDeadline(time.Now().Add(c.server.ReadHeaderTimeout))
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

// serveOne serves a request. It reports whether another can follow, for which the
// connection is ready then.
func (c *conn) serveOne(h *head) bool {
	if queue := c.server.Queue; queue != nil {
		queue.Enter(c)
		defer queue.Leave()
	}
	if !c.respond(h) || !c.state.CompareAndSwap(stateActive, stateIdle) {
		return false
	}
	c.server.setState(c, http.StateIdle)
	if c.server.conns.Draining() && c.closeIdle() {
		return false
	}
	if c.r == c.w {
		c.setIdleDeadline()
		c.shrink()
	}
	return true
}

// TurnsOf implements serving.Client.
func (c *conn) TurnsOf() string { return serving.TurnsOf(c.client, c.remote) }

// setIdleDeadline gives the client time for its next request. Setting a deadline
// is expensive, so one that is nearly late enough stays.
func (c *conn) setIdleDeadline() {
	until := time.Now().Add(c.server.IdleTimeout)
	if until.Sub(c.readDeadline) > c.server.IdleTimeout/64 {
		c.setReadDeadline(until)
		c.readDeadline = until
	}
}

// setReadDeadline sets the read deadline. A goroutine other than the one that
// serves the connection has to hold c.mu, and may call it only while a handler
// runs.
func (c *conn) setReadDeadline(t time.Time) {
	c.readDeadline = time.Time{}
	_ = c.net.SetReadDeadline(t) // fails on a closed connection, as the next read does
}

// recoverPanic confines a panic to its connection. callHandler recovers those of
// handlers; this is for what reads requests and writes responses.
func (c *conn) recoverPanic() {
	if v := recover(); v != nil {
		c.server.logPanic("serving a connection", v)
		_ = serving.Raw(c.net).Close() // without TLS's close_notify, which would mean a clean end
	}
}

func (c *conn) close() {
	c.state.Store(stateClosed)
	_ = c.net.Close() // perhaps for the second time
	c.stopBackgroundRead()
	c.server.setState(c, http.StateClosed)
}

// Retire implements serving.Conn.
func (c *conn) Retire() { c.closeIdle() }

// closeIdle closes the connection if it serves no request.
func (c *conn) closeIdle() bool {
	if !c.state.CompareAndSwap(stateIdle, stateClosed) {
		return false
	}
	if c.tls != nil {
		go c.net.Close() // its close_notify may have to wait for the client
		return true
	}
	_ = c.net.Close() // nobody would do anything about an error
	return true
}

// Abort implements serving.Conn.
func (c *conn) Abort() {
	c.state.Store(stateClosed)
	_ = serving.Raw(c.net).Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.current != nil {
		c.current.ctx.Cancel()
	}
}

// readHead waits for a request and reads its head.
func (c *conn) readHead() (*head, error) {
	var scan headScanner
	most := c.server.MaxHeaderBytes
	for begun := false; ; {
		n, err := scan.end(c.buf[c.r:c.w])
		if err != nil {
			return nil, err
		}
		if n > most || n == 0 && c.w-c.r > most {
			return nil, errTooLarge
		}
		if c.w > c.r && !begun {
			begun = true
			if !c.state.CompareAndSwap(stateIdle, stateActive) {
				return nil, errClosed
			}
			c.server.setState(c, http.StateActive)
			if n == 0 {
				c.setReadDeadline(time.Now().Add(c.server.ReadHeaderTimeout))
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

// fill reads more into the buffer, which grows if it is full.
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

// shrink frees what a long head took.
func (c *conn) shrink() {
	if len(c.buf) > readBuffer {
		c.buf = make([]byte, readBuffer)
	}
	c.r, c.w = 0, 0
}

// read reads from what follows a head.
func (c *conn) read(p []byte) (int, error) {
	if c.r < c.w {
		n := copy(p, c.buf[c.r:c.w])
		c.r += n
		return n, nil
	}
	return c.net.Read(p)
}

// line reads a line of at most that many bytes, which is valid until the next read.
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

// applyWriteDeadline sets the write deadline that the handler asked for, if it is a
// new one: handlers ask more often than they write.
func (c *conn) applyWriteDeadline() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.writeDeadline.Equal(c.wantWriteDeadline) {
		c.writeDeadline = c.wantWriteDeadline
		_ = c.net.SetWriteDeadline(c.wantWriteDeadline)
	}
}

// respond has the handler respond to a request, and reports whether another can
// follow.
func (c *conn) respond(h *head) bool {
	if h.expect != "" && !hasElement(h.expect, "100-continue") {
		c.refuse(errExpect)
		return false
	}
	w := newResponse(c, h)
	defer w.ctx.Cancel()
	r := (&http.Request{
		Method: h.method, URL: h.url, Proto: h.proto, ProtoMajor: 1, ProtoMinor: h.minor,
		Header: h.header, Body: http.NoBody, ContentLength: h.length, Host: h.host,
		TransferEncoding: h.transferEncoding, RemoteAddr: c.remote, RequestURI: h.target, TLS: c.tls, Close: h.close,
	}).WithContext(&w.ctx)
	if h.length != 0 {
		r.Body = &w.body
		c.setReadDeadline(time.Time{}) // for the handler to set
	}
	if !c.handlerStarts(w) {
		return false
	}
	whole := c.callHandler(w, r)
	w.ctx.Cancel()
	read, readable := c.handlerReturned(w)
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
	serving.Linger(c.net)
	return false
}

// callHandler calls the handler, and reports whether it returned. A panic ends the
// connection, not the process.
func (c *conn) callHandler(w *response, r *http.Request) (whole bool) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			c.server.logPanic("in a handler", v)
		}
	}()
	c.server.Handler.ServeHTTP(w, r)
	return true
}

// drain reads what the handler left of a body, and reports whether that was all.
func (c *conn) drain(b *body) bool {
	if b.left > maxUnread {
		return false
	}
	c.setReadDeadline(time.Now().Add(drainTimeout))
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
