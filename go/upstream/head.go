package upstream

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

var (
	errBadField    = errors.New("a line break in the head of a request")
	errLongRequest = errors.New("the head of a request is too long")
)

// appendHead writes the head of a request (RFC 9112 section 3). Every part is
// looked at: a line break in one would begin another field, or another request.
func appendHead(b []byte, req *http.Request) ([]byte, error) {
	target := req.URL.RequestURI()
	if broken(target) || broken(req.Host) {
		return nil, errBadField
	}
	b = append(b, req.Method...)
	b = append(b, ' ')
	b = append(b, target...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, req.Host...)
	for name, values := range req.Header {
		for _, value := range values {
			if broken(name) || broken(value) {
				return nil, errBadField
			}
			b = append(b, "\r\n"...)
			b = append(b, name...)
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

func broken(s string) bool { return strings.ContainsAny(s, "\r\n\x00") }

// saysLength: servers expect one of methods that mostly have a body, even if it
// is empty (RFC 9110 section 8.6).
func saysLength(req *http.Request) bool {
	return req.ContentLength > 0 || req.Method == http.MethodPut || req.Method == http.MethodPost
}
