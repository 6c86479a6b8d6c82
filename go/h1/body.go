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

// chunkState is what comes next in a chunked body.
type chunkState int

const (
	atSize     chunkState = iota // a chunk-size line
	inChunk                      // data, of which left bytes remain
	atChunkEnd                   // the CRLF after the data
	inTrailers
)

// body is a request's body. It may be read in a goroutine other than the
// handler's, and even after the handler has returned: such a Read fails. What
// conn.mu does not guard belongs to the Read in progress, of which there is one
// at a time.
type body struct {
	c       *conn
	chunked bool
	left    int64 // unread bytes of the body or, if chunked, of the chunk
	state   chunkState
	section int // bytes of the trailer section so far

	continueMu    sync.Mutex // guards wantsContinue; held while 100 Continue is written, which comes before the response
	wantsContinue bool       // the client waits for 100 Continue

	// Guarded by conn.mu.
	reading     bool
	handlerDone bool
	err         error // returned by every further Read; io.EOF when all was read
}

// Read implements io.Reader. A body that breaks off ends with
// io.ErrUnexpectedEOF.
func (b *body) Read(p []byte) (n int, err error) {
	if err := b.startRead(); err != nil {
		return 0, err
	}
	outcome := io.ErrUnexpectedEOF // after a panic
	defer func() { b.endRead(outcome) }()
	if err = b.sendContinue(); err == nil {
		n, err = b.read(p)
	}
	outcome = err
	return n, err
}

// Close implements io.Closer. The connection drains what was not read.
func (b *body) Close() error { return nil }

func (b *body) startRead() error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	for b.reading {
		b.c.readEnded.Wait()
	}
	switch {
	case b.handlerDone:
		return http.ErrBodyReadAfterClose
	case b.err != nil:
		return b.err
	}
	b.reading = true
	return nil
}

func (b *body) endRead(err error) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.reading = false
	if err == io.EOF || errors.Is(err, errMalformed) || err == io.ErrUnexpectedEOF {
		b.err = err
	}
	if err == io.EOF && !b.handlerDone {
		b.c.scheduleBackgroundRead()
	}
	b.c.readEnded.Broadcast()
}

// sendContinue sends 100 Continue if the client waits for it.
func (b *body) sendContinue() error {
	b.continueMu.Lock()
	defer b.continueMu.Unlock()
	if !b.wantsContinue {
		return nil
	}
	b.wantsContinue = false
	b.c.applyWriteDeadline()
	_, err := io.WriteString(b.c.net, "HTTP/1.1 100 Continue\r\n\r\n")
	return err
}

// withholdContinue makes sure that no 100 Continue is sent from now on, and
// reports whether the client still waits for one.
func (b *body) withholdContinue() bool {
	b.continueMu.Lock()
	defer b.continueMu.Unlock()
	asked := b.wantsContinue
	b.wantsContinue = false
	return asked
}

func (b *body) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.chunked && b.state != inChunk {
		if err := b.advance(); err != nil {
			return 0, bodyError(err)
		}
	}
	n, err := b.c.read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left > 0:
		return n, bodyError(err)
	case b.chunked:
		b.state = atChunkEnd
		return n, nil
	}
	return n, io.EOF
}

// advance reads one line of a chunked body. Its error is errLastChunk at the end.
func (b *body) advance() error {
	switch b.state {
	case atSize:
		line, err := b.c.line(maxSizeLine)
		if err != nil {
			return err
		}
		if b.left, err = chunkSize(line); err != nil {
			return err
		}
		if b.state = inChunk; b.left == 0 {
			b.state = inTrailers
		}
	case atChunkEnd:
		if _, err := b.c.line(0); err != nil {
			return err
		}
		b.state = atSize
	default:
		line, err := b.c.line(maxTrailers - b.section)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return errLastChunk
		}
		b.section += len(line)
		_, _, err = Field(string(line))
		return err
	}
	return nil
}

// errLastChunk is the end of a chunked body, as opposed to that of the connection.
var errLastChunk = errors.New("the last chunk")

// bodyError turns the end of the connection into io.ErrUnexpectedEOF and that of
// the body into io.EOF.
func bodyError(err error) error {
	switch err {
	case io.EOF:
		return io.ErrUnexpectedEOF
	case errLastChunk:
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

// preventsReuse reports whether no other request can follow the body: it was
// malformed, or more of it is known to be left than is worth skipping.
func (b *body) preventsReuse() bool {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	return b.err != nil && b.err != io.EOF || !b.chunked && !b.reading && b.left > maxUnread
}

// stop makes further Reads fail and ends one in progress. It reports whether all
// was read and, if not, whether the rest can still be read.
func (b *body) stop() (read, readable bool) {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.handlerDone = true
	for b.reading {
		b.c.setReadDeadline(aLongTimeAgo)
		b.c.readEnded.Wait()
	}
	return b.err == io.EOF, b.err == nil
}
