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
	bufferSize = 128 << 10 // for requests on their way to a store
	smallSize  = 8 << 10   // for those that fit, as most do
)

var (
	buffers      = sync.Pool{New: func() any { return new([bufferSize]byte) }}
	smallBuffers = sync.Pool{New: func() any { return new([smallSize]byte) }}
)

var (
	errShortBody   = errors.New("the body ended before its length")
	errBadField    = errors.New("an invalid field in a request")
	errLongRequest = errors.New("the head of a request is too long")
)

// wireRequest is a request as it goes over the wire: the head, and what has been
// read of the body. It is made before a connection is taken from the pool, so a
// client that sends slowly occupies none, and a body whose first part is wrong
// opens none.
type wireRequest struct {
	req   *http.Request
	bytes []byte
	left  int64 // bytes of the body still to be read

	// bytes points into buffer or, if that is nil, into small.
	small  *[smallSize]byte
	buffer *[bufferSize]byte // an upload takes it over
}

// newWireRequest reads as much of the body as fits. Its errors are the body's own,
// or about the head.
func newWireRequest(req *http.Request) (*wireRequest, error) {
	w := &wireRequest{req: req, small: smallBuffers.Get().(*[smallSize]byte)}
	head, err := appendHead(w.small[:0], req)
	if err != nil {
		w.release()
		return nil, err
	}
	w.bytes = head
	if req.Body == nil {
		return w, nil
	}
	room := w.small[:]
	if req.ContentLength > int64(smallSize-len(head)) { // not a sum, which could overflow
		w.buffer = buffers.Get().(*[bufferSize]byte)
		room = w.buffer[:]
		copy(room, head)
	}
	n, err := fill(req.Body, room[len(head):], req.ContentLength)
	if err != nil {
		w.release()
		return nil, err
	}
	w.bytes, w.left = room[:len(head)+n], req.ContentLength-int64(n)
	return w, nil
}

// release returns the buffers to their pools, once; bytes must not be used afterwards.
func (w *wireRequest) release() {
	w.bytes = nil
	if w.buffer != nil {
		buffers.Put(w.buffer)
		w.buffer = nil
	}
	if w.small != nil {
		smallBuffers.Put(w.small)
		w.small = nil
	}
}

// fill fills a buffer, or reads all that is left of a body if that is less. A
// verifying reader releases the last byte only if the whole body is right.
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

// appendHead appends the head of a request (RFC 9112 section 3). Every part is
// checked: a line break in one, or a colon in a name, would begin another field or
// another request. Names of a form's fields have not passed an HTTP parser.
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

// saysLength reports whether the request has a Content-Length. Methods that usually
// have a body have one even if the body is empty (RFC 9110 section 8.6).
func saysLength(req *http.Request) bool {
	return req.ContentLength > 0 || req.Method == http.MethodPut || req.Method == http.MethodPost
}
