package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"
)

const (
	readBuffer = 16 << 10 // larger reads go past it
	maxHead    = 256 << 10
	maxInterim = 8 // 1xx answers before the one that counts
	// bodyStall is how long the next bytes of an answer may take. A store that
	// completes an upload sends spaces meanwhile.
	bodyStall = 5 * time.Minute
)

var (
	errHeadTooLong = errors.New("the head of the answer is too long")
	errNotAsked    = errors.New("an answer that nobody asked for: 101 or too many 1xx")
)

// staleError says that a connection which had served before ended without a
// byte of an answer: the store closed it, most likely, before it saw the request.
type staleError struct{ cause error }

func (e *staleError) Error() string { return "the connection was closed: " + e.cause.Error() }
func (e *staleError) Unwrap() error { return e.cause }

// conn is one connection to a store. One request at a time has it, in the
// goroutine of its caller: there is nobody to hand anything over to.
type conn struct {
	net.Conn // TLS, or the same as raw
	raw      *net.TCPConn
	home     *pool
	to       authority
	r        *bufio.Reader
	used     bool      // it has served before
	sure     bool      // what a store says too much would have come with its last answer
	idle     time.Time // since when
	headLeft int       // what may come before an answer's body, while inHead
	inHead   bool
	leave    func() bool // ends the watch over the caller's context
	until    time.Time   // the deadline for both directions; zero: another was set since
}

func newConn(home *pool, to authority, c net.Conn, raw *net.TCPConn) *conn {
	made := &conn{Conn: c, raw: raw, home: home, to: to}
	made.r = bufio.NewReaderSize(boundedHead{made}, readBuffer)
	return made
}

// boundedHead is what a connection's buffer reads from.
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

// afterFunc is context.AfterFunc, which would wrap what a context of its own
// kind can do itself.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if own, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return own.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

// readUntil sets the deadline of reading.
func (c *conn) readUntil(t time.Time) {
	c.until = time.Time{}
	_ = c.raw.SetReadDeadline(t) // fails on a closed connection, as what follows does
}

// abort ends the connection at once, with a reset: there are stores that take
// what they have of a body for whole when its connection ends in good order.
func (c *conn) abort() {
	_ = c.raw.SetLinger(0) // fails on a closed connection, as what follows does
	_ = c.raw.Close()
}

// exchange sends a request and reads the head of its answer. The answer's body
// then has the connection; after an error nobody has.
func (c *conn) exchange(m *parcel, timeout time.Duration) (*http.Response, error) {
	ctx := m.req.Context()
	c.leave = afterFunc(ctx, c.abort)
	// Whoever else can run comes this far first. Stores that wait for work are
	// dear to wake, and requests that follow each other closely wake one once.
	runtime.Gosched()
	up, err := c.ask(m, timeout)
	var resp *http.Response
	if err == nil {
		// Nearby stores have answered when the others that can run have run. To
		// wait for news of it first would take more time, and a turn longer.
		runtime.Gosched()
		resp, err = c.listen(m.req)
	}
	if err == nil {
		resp.Body = c.body(resp, m.req, up)
		return resp, nil
	}
	c.leave()
	c.abort()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if up != nil {
		err = up.explain(err)
	}
	return nil, err
}

// ask writes the request; a body that is long is still being written when it
// returns.
func (c *conn) ask(m *parcel, timeout time.Duration) (*upload, error) {
	if m.left > 0 {
		return c.upload(m, timeout), nil
	}
	// A deadline that is nearly as far as it should be serves as well, and a new
	// one takes its time.
	if until := time.Now().Add(timeout); until.Sub(c.until) > timeout/64 {
		c.until = until
		_ = c.raw.SetDeadline(until) // fails on a closed connection, as what follows does
	}
	_, err := c.Write(m.wire)
	if err != nil && c.used {
		err = &staleError{err}
	}
	return nil, err
}

// listen reads the head of the answer.
func (c *conn) listen(req *http.Request) (*http.Response, error) {
	c.inHead, c.headLeft = true, maxHead
	if _, err := c.r.Peek(1); err != nil {
		if c.used && !isTimeout(err) {
			err = &staleError{err}
		}
		return nil, err
	}
	here, _ := c.r.Peek(c.r.Buffered())
	if resp, length := plain(here, req); resp != nil {
		_, _ = c.r.Discard(length)
		c.inHead = false
		return resp, nil
	}
	for range maxInterim {
		resp, err := http.ReadResponse(c.r, req)
		if err != nil {
			return nil, fmt.Errorf("reading the head of the answer: %w", err)
		}
		if resp.StatusCode >= http.StatusOK {
			c.inHead = false
			return resp, nil
		}
		if resp.StatusCode == http.StatusSwitchingProtocols {
			break
		}
	}
	return nil, errNotAsked
}

// answer is the body of an answer: it gives the connection back at its end.
type answer struct {
	c     *conn
	src   io.Reader // what reads the body out of the connection; nil: left bytes as they are
	left  int64
	up    *upload // of the request, nil if it had no long body
	keep  bool    // the connection may serve again
	ended bool
}

func (c *conn) body(resp *http.Response, req *http.Request, up *upload) io.ReadCloser {
	a := &answer{c: c, left: resp.ContentLength, up: up, keep: !resp.Close}
	// Stores were seen to send a body where none may be, and the end of a long
	// one is read without what is behind it.
	c.sure = resp.ContentLength < readBuffer && resp.Body != http.NoBody && req.Method != http.MethodHead
	switch {
	case req.Method == http.MethodHead || resp.ContentLength == 0 || resp.Body == http.NoBody:
		a.end()
		return http.NoBody
	case resp.ContentLength < 0:
		a.src = resp.Body
	}
	return a
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if a.ended {
		return 0, io.EOF
	}
	if a.c.r.Buffered() == 0 {
		a.c.readUntil(time.Now().Add(bodyStall))
	}
	if a.src != nil {
		n, err := a.src.Read(p)
		if err == io.EOF {
			a.end()
		}
		return n, err
	}
	n, err := a.c.r.Read(p[:min(int64(len(p)), a.left)])
	return n, a.took(int64(n), err)
}

// took counts what came of a body of known length.
func (a *answer) took(n int64, err error) error {
	a.left -= n
	switch {
	case a.left == 0:
		a.end()
		return io.EOF
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// isHere reports whether the rest of a body of known length has come already.
func (a *answer) isHere() bool { return a.left <= int64(a.c.r.Buffered()) }

// writeBuffered writes what has come of a body of known length already.
func (a *answer) writeBuffered(to io.Writer) error {
	there, err := a.c.r.Peek(int(min(int64(a.c.r.Buffered()), a.left)))
	if err != nil {
		return err // not of bytes that are there
	}
	n, err := to.Write(there)
	_, _ = a.c.r.Discard(n)
	if end := a.took(int64(n), nil); end != nil && end != io.EOF {
		return end
	}
	return err
}

// Close implements io.Closer. A body that was not read to its end takes the
// connection with it.
func (a *answer) Close() error {
	if !a.ended {
		a.keep = false
		a.end()
	}
	return nil
}

func (a *answer) end() {
	a.ended = true
	stays := a.c.leave() && a.keep && (a.up == nil || a.up.succeeded()) && a.c.r.Buffered() == 0 && !a.c.hides()
	if !stays {
		a.c.abort()
		return
	}
	a.c.home.put(a.c)
}

// hides reports whether TLS holds more than was read of it: it reads records
// whole, and several at once, where nobody who looks at the socket sees them.
func (c *conn) hides() bool {
	if c.Conn == net.Conn(c.raw) {
		return false
	}
	c.readUntil(past)
	_, err := c.r.Peek(1)
	return !isTimeout(err)
}

var past = time.Unix(1, 0) // a deadline that lets nothing be waited for

// spliceChunk is how much is moved before deadlines are renewed, and
// spliceLeast is what makes it worth it.
const (
	spliceChunk = 1 << 20
	spliceLeast = 64 << 10
)

// Forward writes an answer's body to a client if that takes no copy, and
// reports whether it did: all of it is here already, or it is long and the
// kernel can move it (splice(2)). For that spliced, which may be nil, has to be
// the client's connection, or to write to it without a look at the bytes.
func Forward(to io.Writer, spliced io.ReaderFrom, body io.Reader) (bool, error) {
	a, ok := body.(*answer)
	if !ok || a.src != nil || !a.isHere() && (spliced == nil || a.left < spliceLeast || a.c.Conn != net.Conn(a.c.raw)) {
		return false, nil
	}
	if err := a.writeBuffered(to); err != nil {
		return true, err
	}
	for !a.ended {
		a.c.readUntil(time.Now().Add(bodyStall))
		n, err := spliced.ReadFrom(&io.LimitedReader{R: a.c.raw, N: min(a.left, spliceChunk)})
		if n == 0 && err == nil {
			err = io.EOF
		}
		if err = a.took(n, err); err != nil && err != io.EOF {
			return true, err
		}
	}
	return true, nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
