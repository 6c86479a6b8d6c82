package h1

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"
)

const (
	// maxSizeLine bounds a chunk's size with its extensions, in bytes.
	maxSizeLine = 256
	// maxTrailers bounds a chunked body's trailer section in bytes. HTTP
	// trailers mean nothing to S3, which has its own inside aws-chunked.
	maxTrailers = 4 << 10
)

// phase is what comes next of a chunked body.
type phase int

const (
	atSize     phase = iota // a chunk-size line
	inChunk                 // left bytes of it
	atChunkEnd              // the CRLF behind them
	inTrailers
)

// body is a request's content. It may be read in another goroutine than the
// handler's, also when that has returned: such a Read fails. What is not
// guarded by conn.mu belongs to the Read that is under way, of which there is
// one at a time.
type body struct {
	c       *conn
	chunked bool
	left    int64 // bytes of the body or, of a chunked one, the chunk
	phase   phase
	section int // bytes of the trailers so far

	expect sync.Mutex // guards asks, and that 100 Continue comes before all else
	asks   bool       // the client waits for 100 Continue

	reading bool  // under conn.mu, as is what follows
	over    bool  // the handler has returned
	err     error // that every further Read returns; io.EOF when all was read
}

// Read implements io.Reader. A body that breaks off ends with
// io.ErrUnexpectedEOF.
func (b *body) Read(p []byte) (n int, err error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	outcome := io.ErrUnexpectedEOF // of a panic
	defer func() { b.leave(outcome) }()
	if err = b.goOn(); err == nil {
		n, err = b.read(p)
	}
	outcome = err
	return n, err
}

// Close implements io.Closer. The connection sees to what was not read.
func (b *body) Close() error { return nil }

func (b *body) enter() error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	for b.reading {
		b.c.changed.Wait()
	}
	switch {
	case b.over:
		return http.ErrBodyReadAfterClose
	case b.err != nil:
		return b.err
	}
	b.reading = true
	return nil
}

func (b *body) leave(err error) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.reading = false
	if err == io.EOF || errors.Is(err, errMalformed) || err == io.ErrUnexpectedEOF {
		b.err = err
	}
	if err == io.EOF && !b.over {
		b.c.arm()
	}
	b.c.changed.Broadcast()
}

// goOn lets the client send its body, if it waits for that.
func (b *body) goOn() error {
	b.expect.Lock()
	defer b.expect.Unlock()
	if !b.asks {
		return nil
	}
	b.asks = false
	b.c.prepare()
	_, err := io.WriteString(b.c.net, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

// withhold makes sure that no 100 Continue follows, and reports whether the
// client still waits for one.
func (b *body) withhold() bool {
	b.expect.Lock()
	defer b.expect.Unlock()
	asked := b.asks
	b.asks = false
	return asked
}

func (b *body) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.chunked && b.phase != inChunk {
		if err := b.step(); err != nil {
			return 0, broken(err)
		}
	}
	n, err := b.c.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left > 0:
		return n, broken(err)
	case b.chunked:
		b.phase = atChunkEnd
		return n, nil
	}
	return n, io.EOF
}

// step reads one line of a chunked body. Its error is io.EOF behind the last.
func (b *body) step() error {
	switch b.phase {
	case atSize:
		line, err := b.c.line(maxSizeLine)
		if err != nil {
			return err
		}
		if b.left, err = chunkSize(line); err != nil {
			return err
		}
		if b.phase = inChunk; b.left == 0 {
			b.phase = inTrailers
		}
	case atChunkEnd:
		if _, err := b.c.line(0); err != nil {
			return err
		}
		b.phase = atSize
	default:
		line, err := b.c.line(maxTrailers - b.section)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return errEnd
		}
		b.section += len(line)
		_, _, err = Field(string(line))
		return err
	}
	return nil
}

// errEnd is the end of a chunked body, which is none of the connection.
var errEnd = errors.New("the last chunk")

// broken tells a connection's end from a body's.
func broken(err error) error {
	switch err {
	case io.EOF:
		return io.ErrUnexpectedEOF
	case errEnd:
		return io.EOF
	}
	return err
}

func chunkSize(line []byte) (int64, error) {
	size, _, _ := bytes.Cut(line, []byte(";"))
	if len(size) == 0 || len(size) > 15 {
		return 0, malformed("a chunk size of %d characters", len(size))
	}
	n, err := strconv.ParseUint(string(size), 16, 60)
	if err != nil || size[0] == '+' || bytes.IndexByte(size, '_') >= 0 {
		return 0, malformed("a chunk size that is not hexadecimal")
	}
	return int64(n), nil
}

// spoils reports whether no other request can follow the body: it was wrong,
// or too much of it is left to be skipped, as far as that is known.
func (b *body) spoils() bool {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	return b.err != nil && b.err != io.EOF || !b.chunked && !b.reading && b.left > maxUnread
}

// stop makes further Reads fail and ends one that is under way. It reports
// whether all was read, and whether the rest can still be.
func (b *body) stop() (read, readable bool) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.over = true
	for b.reading {
		b.c.readUntil(past)
		b.c.changed.Wait()
	}
	return b.err == io.EOF, b.err == nil
}
