package upstream

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"osp/go/h1"
)

const (
	bufferSize = 128 << 10 // of what is on its way to a store
	smallSize  = 8 << 10   // of requests that fit, as most do
)

var (
	buffers      = sync.Pool{New: func() any { return new([bufferSize]byte) }}
	smallBuffers = sync.Pool{New: func() any { return new([smallSize]byte) }}
)

var (
	errShortBody   = errors.New("the body ended before its length")
	errBadField    = errors.New("a field of a request that is none")
	errLongRequest = errors.New("the head of a request is too long")
)

// parcel is a request as it goes over the wire: the head and what has been read
// of the body. It is made before a connection is looked for: a client who sends
// slowly keeps none waiting, and a body that turns out to be wrong in its first
// part opens none.
type parcel struct {
	req  *http.Request
	wire []byte
	left int64 // of the body: what wire does not hold

	small  *[smallSize]byte  // that wire lies in,
	buffer *[bufferSize]byte // or this; nil once an upload has taken it over
}

// pack reads as much of a body as fits. Its errors are the body's own, or about
// the head.
func pack(req *http.Request) (*parcel, error) {
	m := &parcel{req: req, small: smallBuffers.Get().(*[smallSize]byte)}
	head, err := appendHead(m.small[:0], req)
	if err != nil {
		m.release()
		return nil, err
	}
	m.wire = head
	if req.Body == nil {
		return m, nil
	}
	room := m.small[:]
	if req.ContentLength > int64(smallSize-len(head)) { // a sum could overflow
		m.buffer = buffers.Get().(*[bufferSize]byte)
		room = m.buffer[:]
		copy(room, head)
	}
	n, err := fill(req.Body, room[len(head):], req.ContentLength)
	if err != nil {
		m.release()
		return nil, err
	}
	m.wire, m.left = room[:len(head)+n], req.ContentLength-int64(n)
	return m, nil
}

// release gives the buffers back; wire must not be used any more.
func (m *parcel) release() {
	m.wire = nil
	if m.buffer != nil {
		buffers.Put(m.buffer)
		m.buffer = nil
	}
	smallBuffers.Put(m.small)
	m.small = nil
}

// fill reads a buffer full, or what is left of a body. A reader that verifies
// gives the last byte away only when all is well.
func fill(body io.Reader, buffer []byte, left int64) (int, error) {
	want := int(min(int64(len(buffer)), left))
	n := 0
	for n < want {
		m, err := body.Read(buffer[n:want])
		n += m
		switch {
		case err == io.EOF && int64(n) < left:
			return n, errShortBody
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return n, nil
}

// appendHead writes the head of a request (RFC 9112 section 3). Every part is
// looked at: a line break in one would begin another field, or another request,
// and so would a colon in a name. What a form calls its fields came through no
// parser of HTTP.
func appendHead(b []byte, req *http.Request) ([]byte, error) {
	target := req.URL.RequestURI()
	if !h1.IsToken(req.Method) || !h1.IsValue(target) || !h1.IsValue(req.Host) {
		return nil, errBadField
	}
	b = append(b, req.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, req.Host...)
	for name, values := range req.Header {
		for _, value := range values {
			if !h1.IsToken(name) || !h1.IsValue(value) {
				return nil, errBadField
			}
			b = append(b, "\r\n"...)
			b = appendSpelled(b, name)
			b = append(b, ": "...)
			b = append(b, value...)
		}
	}
	if saysLength(req) {
		b = append(b, "\r\nContent-Length: "...)
		b = strconv.AppendInt(b, req.ContentLength, 10)
	}
	if len(b) > bufferSize/2 {
		return nil, errLongRequest
	}
	return append(b, "\r\n\r\n"...), nil
}

// saysLength: servers expect one of methods that mostly have a body, even if it
// is empty (RFC 9110 section 8.6).
func saysLength(req *http.Request) bool {
	return req.ContentLength > 0 || req.Method == http.MethodPut || req.Method == http.MethodPost
}
