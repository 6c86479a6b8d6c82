package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"osp/go/tcp"
)

const (
	readBuffer = 8 << 10 // larger reads bypass it
	maxHead    = 256 << 10
	maxInterim = 8 // 1xx responses before the final one
	// bodyStall is how long the next bytes of a body may take. A store that
	// completes an upload sends spaces meanwhile.
	bodyStall = 5 * time.Minute
)

var (
	errHeadTooLong = errors.New("the head of the response is too long")
	errInterim     = errors.New("a 101, or too many 1xx responses")
)

// staleError says that a connection which had served before ended without a byte
// of a response: most likely the store closed it before it saw the request.
type staleError struct{ cause error }

func (e *staleError) Error() string { return "the connection was closed: " + e.cause.Error() }
func (e *staleError) Unwrap() error { return e.cause }

// conn is one connection to a store. It is used by one request at a time, in the
// goroutine of the caller: nothing has to be handed over to another.
type conn struct {
	net.Conn  // over raw, with or without TLS
	raw       *tcp.Conn
	pool      *pool
	to        authority
	r         *bufio.Reader
	used      bool // it has served before
	idleSince time.Time
	headLeft  int // bytes that may come before the response's body, while inHead
	inHead    bool
	stopAbort func() bool // keeps the request's context from aborting the connection
	deadline  time.Time   // for both directions, set by writeRequest; zero: another was set since
}

func newConn(p *pool, to authority, c net.Conn, raw *tcp.Conn) *conn {
	made := &conn{Conn: c, raw: raw, pool: p, to: to}
	made.r = bufio.NewReaderSize(boundedHead{made}, readBuffer)
	return made
}

// boundedHead is what a connection's buffer reads from. It bounds a response's head.
type boundedHead struct{ c *conn }

// Read implements io.Reader.
func (b boundedHead) Read(p []byte) (int, error) {
	if !b.c.inHead {
		return b.c.Conn.Read(p)
	}
	if b.c.headLeft <= 0 {
		return 0, errHeadTooLong
	}
	n, err := b.c.Conn.Read(p[:min(len(p), b.c.headLeft)])
	b.c.headLeft -= n
	return n, err
}

// afterFunc is context.AfterFunc without the wrapping, which costs more, where a
// context has a method for it.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if own, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return own.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// setReadDeadline sets the read deadline.
func (c *conn) setReadDeadline(t time.Time) {
	c.deadline = time.Time{}
	_ = c.raw.SetReadDeadline(t) // fails on a closed connection, as the next read does
}

// abort closes the connection at once, with a reset: some stores take what they
// have of a body for all of it when its connection is closed in good order.
func (c *conn) abort() {
	_ = c.raw.SetLinger(0) // fails on a closed connection, as Close does
	_ = c.raw.Close()
}

// roundTrip sends a request and reads the head of its response. Then the
// connection belongs to the response's body; after an error it is closed.
func (c *conn) roundTrip(w *wireRequest, timeout time.Duration) (*http.Response, error) {
	ctx := w.req.Context()
	c.stopAbort = afterFunc(ctx, c.abort)
	up, err := c.writeRequest(w, timeout)
	w.release() // others can use the buffers while the store is at work
	var resp *http.Response
	if err == nil {
		resp, err = c.readHead(w.req)
	}
	if err == nil {
		resp.Body = c.body(resp, w.req, up)
		return resp, nil
	}
	c.stopAbort()
	c.abort()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if up != nil {
		err = up.cause(err)
	}
	return nil, err
}

// writeRequest writes the request; a long body is still being written when it
// returns.
func (c *conn) writeRequest(w *wireRequest, timeout time.Duration) (*upload, error) {
	if w.left > 0 {
		return c.upload(w, timeout), nil
	}
	// Setting a deadline is expensive, so one that is nearly late enough stays.
	if until := time.Now().Add(timeout); until.Sub(c.deadline) > timeout/64 {
		c.deadline = until
		_ = c.raw.SetDeadline(until) // fails on a closed connection, as Write does
	}
	_, err := c.Write(w.bytes)
	if err != nil && c.used {
		err = &staleError{err}
	}
	return nil, err
}

// readHead reads the head of the response.
func (c *conn) readHead(req *http.Request) (*http.Response, error) {
	c.inHead, c.headLeft = true, maxHead
	if _, err := c.r.Peek(1); err != nil {
		if c.used && !isTimeout(err) {
			err = &staleError{err}
		}
		return nil, err
	}
	here, _ := c.r.Peek(c.r.Buffered())
	if resp, length := parseSimpleHead(here, req); resp != nil {
		_, _ = c.r.Discard(length)
		c.inHead = false
		return resp, nil
	}
	for range maxInterim {
		resp, err := http.ReadResponse(c.r, req)
		if err != nil {
			return nil, fmt.Errorf("reading the head of the response: %w", err)
		}
		if resp.StatusCode >= http.StatusOK {
			c.inHead = false
			return resp, nil
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			break
		}
	}
	return nil, errInterim
}

// responseBody is the body of a response. At its end it returns the connection to
// the pool.
type responseBody struct {
	c       *conn
	decoder io.Reader // decodes a body of unknown length; nil: the body is the next left bytes
	left    int64
	up      *upload // of the request; nil if it had no long body
	keep    bool    // the connection may serve again
	ended   bool
}

func (c *conn) body(resp *http.Response, req *http.Request, up *upload) io.ReadCloser {
	b := &responseBody{c: c, left: resp.ContentLength, up: up, keep: !resp.Close}
	switch {
	case req.Method == http.MethodHead || resp.ContentLength == 0 || resp.Body == http.NoBody:
		b.end()
		return http.NoBody
	case resp.ContentLength < 0:
		b.decoder = resp.Body
	}
	return b
}

// Read implements io.Reader.
func (b *responseBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	if b.c.r.Buffered() == 0 {
		b.c.setReadDeadline(time.Now().Add(bodyStall))
	}
	if b.decoder != nil {
		n, err := b.decoder.Read(p)
		if err == io.EOF {
			b.end()
		}
		return n, err
	}
	n, err := b.c.r.Read(p[:min(int64(len(p)), b.left)])
	return n, b.consumed(int64(n), err)
}

// consumed counts n bytes read of a body of known length.
func (b *responseBody) consumed(n int64, err error) error {
	b.left -= n
	switch {
	case b.left == 0:
		b.end()
		return io.EOF
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// isBuffered reports whether all that is left of a body of known length has arrived.
func (b *responseBody) isBuffered() bool { return b.left <= int64(b.c.r.Buffered()) }

// writeBuffered writes what has arrived of a body of known length.
func (b *responseBody) writeBuffered(to io.Writer) error {
	there, err := b.c.r.Peek(int(min(int64(b.c.r.Buffered()), b.left)))
	if err != nil {
		return err // which there is none of for buffered bytes
	}
	n, err := to.Write(there)
	_, _ = b.c.r.Discard(n)
	if end := b.consumed(int64(n), nil); end != nil && end != io.EOF {
		return end
	}
	return err
}

// Close implements io.Closer. If the body was not read to its end, the connection
// is closed.
func (b *responseBody) Close() error {
	if !b.ended {
		b.keep = false
		b.end()
	}
	return nil
}

func (b *responseBody) end() {
	b.ended = true
	stays := b.c.stopAbort() && b.keep && (b.up == nil || b.up.succeeded()) && b.c.r.Buffered() == 0 && !b.c.hasMoreInTLS()
	if !stays {
		b.c.abort()
		return
	}
	b.c.pool.put(b.c)
}

// hasMoreInTLS reports whether more was received over TLS than has been read: whole
// records, and several at once, are taken from the socket, where alive does not see
// them any more.
func (c *conn) hasMoreInTLS() bool {
	if !c.to.secure {
		return false
	}
	c.setReadDeadline(aLongTimeAgo)
	_, err := c.r.Peek(1)
	return !isTimeout(err)
}

var aLongTimeAgo = time.Unix(1, 0) // a deadline with which reads don't wait

// spliceChunk is how many bytes are moved before the deadline is renewed, and
// spliceLeast how many make splicing worthwhile.
const (
	spliceChunk = 1 << 20
	spliceLeast = 64 << 10
)

// Forward writes a response's body to a client if no copy is needed, and reports
// whether it did: either all of it has arrived, or it is long and the kernel can
// move it (splice(2)). For the latter spliced, which may be nil, has to be the
// client's connection, or to write to it without looking at the bytes.
func Forward(to io.Writer, spliced io.ReaderFrom, body io.Reader) (bool, error) {
	b, ok := body.(*responseBody)
	if !ok || b.decoder != nil || !b.isBuffered() && (spliced == nil || b.left < spliceLeast || b.c.to.secure) {
		return false, nil
	}
	if err := b.writeBuffered(to); err != nil {
		return true, err
	}
	for !b.ended {
		b.c.setReadDeadline(time.Now().Add(bodyStall))
		n, err := spliced.ReadFrom(&io.LimitedReader{R: b.c.raw.TCPConn, N: min(b.left, spliceChunk)})
		if n == 0 && err == nil {
			err = io.EOF
		}
		if err = b.consumed(n, err); err != nil && err != io.EOF {
			return true, err
		}
	}
	return true, nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
