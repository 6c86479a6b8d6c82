package front

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ErrFraming is what reading from a connection ends with once a client's
// HTTP/1 framing is ambiguous. net/http answers 400 and closes.
var ErrFraming = errors.New("ambiguous HTTP framing")

const (
	// maxKept bounds what is kept of one line. A Content-Length or
	// Transfer-Encoding line that is longer is refused.
	maxKept = 256
	// maxTrailers bounds a chunked body's trailer section in bytes. HTTP
	// trailers mean nothing to S3, which has its own inside aws-chunked.
	maxTrailers = 4 << 10

	oldVersion = "HTTP/1.0"
)

// state is what the next byte of a connection belongs to.
type state int

const (
	inHead     state = iota // request line and header fields
	inBody                  // left bytes of content
	inSize                  // a chunk-size line
	inChunk                 // left bytes of chunk data
	inChunkEnd              // the CRLF behind chunk data
	inTrailers
)

// framing follows the HTTP/1.1 framing of one connection (RFC 9112 sections 2.2, 5
// and 6) and refuses whatever two parsers could read in two ways: a bare CR or
// LF, a folded line, NUL, space before a colon, Content-Length beside
// Transfer-Encoding, a second Content-Length, chunk sizes that are not plain
// hexadecimal. It looks at the bytes of heads only; content is skipped by count.
type framing struct {
	state state
	left  int64 // bytes of content or chunk still to skip

	line    []byte // the first bytes of the current line
	lineLen int    // all of its bytes so far
	sawCR   bool   // the last byte was a CR
	first   bool   // the request line has ended
	old     bool   // and named HTTP/1.0
	tail    []byte // the last bytes of the request line
	section int    // bytes of the trailer section

	length    string // value of Content-Length
	hasLength bool
	encoding  bool // Transfer-Encoding is there
}

// feed takes the next bytes and returns how many of them are sound. An error
// means that the byte behind those is not.
func (f *framing) feed(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if f.state == inBody || f.state == inChunk {
			done += f.skip(len(p) - done)
			continue
		}
		n, err := f.scan(p[done:])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

func (f *framing) skip(available int) int {
	n := int(min(f.left, int64(available)))
	f.left -= int64(n)
	if f.left == 0 {
		if f.state == inBody {
			f.begin()
		} else {
			f.state = inChunkEnd
		}
	}
	return n
}

// begin waits for the next request's head.
func (f *framing) begin() { *f = framing{line: f.line[:0], tail: f.tail[:0]} }

// scan takes the bytes up to and including the end of the current line.
func (f *framing) scan(p []byte) (int, error) {
	end := bytes.IndexByte(p, '\n')
	part := p
	if end >= 0 {
		part = p[:end]
	}
	if err := f.extend(part); err != nil {
		return 0, err
	}
	if end < 0 {
		return len(p), nil
	}
	if !f.sawCR {
		return 0, fmt.Errorf("%w: a line ends in a bare LF", ErrFraming)
	}
	f.sawCR = false
	if err := f.endLine(); err != nil {
		return 0, err
	}
	f.line, f.lineLen = f.line[:0], 0
	return end + 1, nil
}

// extend adds bytes to the current line, its CR apart.
func (f *framing) extend(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	if cr := bytes.IndexByte(part, '\r'); f.sawCR || cr >= 0 && cr != len(part)-1 {
		return fmt.Errorf("%w: a bare CR", ErrFraming)
	}
	if bytes.IndexByte(part, 0) >= 0 {
		return fmt.Errorf("%w: a NUL byte", ErrFraming)
	}
	if part[len(part)-1] == '\r' {
		f.sawCR = true
		part = part[:len(part)-1]
	}
	f.lineLen += len(part)
	f.line = append(f.line, part[:min(len(part), maxKept-len(f.line))]...)
	if f.state == inHead && !f.first {
		f.tail = append(f.tail, part[max(0, len(part)-len(oldVersion)):]...)
		f.tail = append(f.tail[:0], f.tail[max(0, len(f.tail)-len(oldVersion)):]...)
	}
	return nil
}

func (f *framing) endLine() error {
	switch f.state {
	case inHead:
		return f.headLine()
	case inSize:
		return f.sizeLine()
	case inChunkEnd:
		if f.lineLen != 0 {
			return fmt.Errorf("%w: a chunk is longer than its size", ErrFraming)
		}
		f.state = inSize
		return nil
	default:
		return f.trailerLine()
	}
}

func (f *framing) headLine() error {
	switch {
	case !f.first:
		f.first, f.old = true, string(f.tail) == oldVersion
		return nil
	case f.lineLen == 0:
		return f.endHead()
	case f.line[0] == ' ' || f.line[0] == '\t':
		return fmt.Errorf("%w: a folded header line", ErrFraming)
	}
	name, value, found := bytes.Cut(f.line, []byte(":"))
	switch {
	case !found || len(name) == 0 || blank(name[len(name)-1]):
		return fmt.Errorf("%w: a header line that is no field", ErrFraming)
	case bytes.EqualFold(name, []byte("content-length")):
		if f.hasLength || f.lineLen > len(f.line) {
			return fmt.Errorf("%w: more than one Content-Length", ErrFraming)
		}
		f.hasLength, f.length = true, string(bytes.Trim(value, " \t"))
	case bytes.EqualFold(name, []byte("transfer-encoding")):
		if f.encoding || !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked")) {
			return fmt.Errorf("%w: a Transfer-Encoding other than chunked", ErrFraming)
		}
		f.encoding = true
	}
	return nil
}

func (f *framing) endHead() error {
	switch {
	case f.encoding && f.old:
		return fmt.Errorf("%w: Transfer-Encoding in HTTP/1.0", ErrFraming)
	case f.encoding && f.hasLength:
		return fmt.Errorf("%w: Content-Length beside Transfer-Encoding", ErrFraming)
	case f.encoding:
		f.state = inSize
		return nil
	case !f.hasLength:
		f.begin()
		return nil
	}
	n, ok := decimal(f.length)
	if !ok {
		return fmt.Errorf("%w: a Content-Length that is no number", ErrFraming)
	}
	f.begin()
	if n > 0 {
		f.state, f.left = inBody, n
	}
	return nil
}

func (f *framing) sizeLine() error {
	size, _, _ := bytes.Cut(f.line, []byte(";"))
	if len(size) == 0 || len(size) > 15 || f.lineLen > len(f.line) {
		return fmt.Errorf("%w: a chunk size of %d characters", ErrFraming, len(size))
	}
	n, err := strconv.ParseUint(string(size), 16, 60)
	if err != nil || size[0] == '+' || bytes.IndexByte(size, '_') >= 0 {
		return fmt.Errorf("%w: a chunk size that is not hexadecimal", ErrFraming)
	}
	if n == 0 {
		f.state = inTrailers
		return nil
	}
	f.state, f.left = inChunk, int64(n)
	return nil
}

func (f *framing) trailerLine() error {
	if f.lineLen == 0 {
		f.begin()
		return nil
	}
	if f.section += f.lineLen; f.section > maxTrailers {
		return fmt.Errorf("%w: too many trailers", ErrFraming)
	}
	if f.line[0] == ' ' || f.line[0] == '\t' {
		return fmt.Errorf("%w: a folded trailer line", ErrFraming)
	}
	return nil
}

// decimal reads digits and nothing else: no sign, no list, no space.
func decimal(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
