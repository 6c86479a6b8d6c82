package h2

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"osp/go/h1"
)

var errMalformed = errors.New("a malformed request")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// What becomes of a head.
const (
	ofRequest = iota
	ofTrailers
	ofNobody // a stream that is too late; it is read since it may change the table
)

// head is one that is being read, in one frame or several. Whatever two parsers could
// take for different requests makes it malformed (RFC 9113 section 8), as with HTTP/1.
type head struct {
	stream  uint32 // 0: none is being read
	kind    int
	ends    bool // the stream ends with it
	err     error
	tooLong bool

	frames int
	room   int // bytes that its fields may still have, as RFC 9113 section 6.5.2 counts
	fields int

	method, scheme, authority, path string
	regular                         bool
	host                            string
	hasHost, hasLength              bool
	length                          int64
	expect                          string
	header                          http.Header
	values                          []string // of which the header's are slices
}

func (h *head) open() bool { return h.stream != 0 }

// begin starts a head.
func (h *head) begin(stream uint32, kind int, ends bool, room int) {
	*h = head{stream: stream, kind: kind, ends: ends, room: room}
	if kind == ofRequest {
		h.header = make(http.Header, 16)
		h.values = make([]string, 16)
	}
}

// fragment decodes a part of the head. Its error ends the connection.
func (h *head) fragment(d *hpack.Decoder, p []byte) error {
	if h.frames++; h.frames > 1+maxContinuations || h.tooLong && h.frames > 1 {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	d.SetEmitEnabled(h.kind != ofNobody && !h.tooLong && h.err == nil)
	if _, err := d.Write(p); err != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	return nil
}

// field takes a field that was decoded. It reports whether it wants more.
func (h *head) field(f hpack.HeaderField) bool {
	h.fields++
	if h.room -= int(f.Size()); h.room < 0 || h.fields > maxFields {
		h.tooLong = true
		return false
	}
	if f.IsPseudo() {
		h.err = h.pseudoField(f.Name, f.Value)
	} else {
		h.err = h.regularField(f.Name, f.Value)
	}
	return h.err == nil
}

func (h *head) pseudoField(name, value string) error {
	var to *string
	switch name {
	case ":method":
		to = &h.method
	case ":scheme":
		to = &h.scheme
	case ":authority":
		to = &h.authority
	case ":path":
		to = &h.path
	}
	if to == nil || *to != "" || value == "" || h.regular || h.kind != ofRequest {
		return malformed("a pseudo-header field that is unknown, empty, late or there already")
	}
	*to = value
	return nil
}

func (h *head) regularField(name, value string) error {
	h.regular = true
	canonical, ok := h1.CanonicalName(name)
	if !ok || hasUpper(name) {
		return malformed("an invalid field name")
	}
	if !h1.IsValue(value) || value != "" && (isBlank(value[0]) || isBlank(value[len(value)-1])) {
		return malformed("a control character in a field, or space around it")
	}
	switch canonical {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
		return malformed("a field that is about a connection")
	case "Te":
		if value != "trailers" {
			return malformed("a TE other than trailers")
		}
	}
	if h.kind != ofRequest {
		return nil // trailers mean nothing to S3, which has its own
	}
	switch canonical {
	case "Host":
		if h.hasHost {
			return malformed("more than one Host")
		}
		h.hasHost, h.host = true, value
		return nil
	case "Content-Length":
		if h.length, ok = h1.Length(value); !ok || h.hasLength {
			return malformed("more than one Content-Length, or one that is not a number")
		}
		h.hasLength = true
	case "Expect":
		h.expect = value
	case "Cookie": // RFC 9113 section 8.2.3
		if there := h.header[canonical]; there != nil {
			there[0] += "; " + value
			return nil
		}
	}
	h.add(canonical, value)
	return nil
}

func (h *head) add(name, value string) {
	if there := h.header[name]; there != nil {
		h.header[name] = append(there, value)
		return
	}
	if len(h.values) == 0 {
		h.values = make([]string, 16)
	}
	h.values[0] = value
	h.header[name] = h.values[:1:1]
	h.values = h.values[1:]
}

func hasUpper(s string) bool {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return true
		}
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// finish ends the head's block.
func (h *head) finish(d *hpack.Decoder) error {
	if d.Close() != nil {
		return http2.ConnectionError(http2.ErrCodeCompression)
	}
	return nil
}

// drop forgets the head: none is being read.
func (h *head) drop() { *h = head{} }

// asked returns the request, and the status of its refusal if it is not to be served:
// nothing but its method matters then.
func (h *head) asked() (r *http.Request, refusal int, err error) {
	switch {
	case h.tooLong:
		refusal = http.StatusRequestHeaderFieldsTooLarge
	case h.expect != "" && !equalFold(h.expect, "100-continue"):
		refusal = http.StatusExpectationFailed
	default:
		r, err = h.request()
		return r, 0, err
	}
	return &http.Request{Method: h.method, ContentLength: -1}, refusal, nil
}

// request makes sense of a request's head.
func (h *head) request() (*http.Request, error) {
	if !h1.IsToken(h.method) || h.scheme != "https" && h.scheme != "http" {
		return nil, malformed("an invalid :method or :scheme")
	}
	if h.method == http.MethodConnect { // it has neither :scheme nor :path (RFC 9113 section 8.5), and nothing to connect to
		return nil, malformed("CONNECT")
	}
	switch {
	case h.authority == "":
		h.authority = h.host
	case h.hasHost && h.host != h.authority:
		return nil, malformed("a Host that differs from :authority")
	}
	if h.authority == "" || !h1.IsHost(h.authority) {
		return nil, malformed("an invalid :authority")
	}
	target, err := h.target()
	if err != nil {
		return nil, err
	}
	length := h.length
	switch {
	case h.ends && length != 0:
		return nil, malformed("a Content-Length without a body")
	case !h.ends && !h.hasLength:
		length = -1
	}
	return &http.Request{
		Method: h.method, URL: target, Proto: "HTTP/2.0", ProtoMajor: 2, Header: h.header,
		ContentLength: length, Host: h.authority, RequestURI: h.path,
	}, nil
}

// target parses :path, which names no authority of its own.
func (h *head) target() (*url.URL, error) {
	whole := h.path == "*" && h.method == http.MethodOptions
	if !whole && !strings.HasPrefix(h.path, "/") || !h1.IsValue(h.path) || strings.ContainsAny(h.path, " \t") {
		return nil, malformed("an invalid :path")
	}
	target, err := h1.ParseTarget(h.method, h.path)
	if err != nil {
		return nil, malformed("an invalid :path")
	}
	return target, nil
}

// equalFold compares with an ASCII word, in any case.
func equalFold(value, word string) bool {
	return len(value) == len(word) && strings.EqualFold(value, word)
}
