package h1

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxLengthLine bounds the Content-Length line, in bytes: a reader that truncates
// lines would take the request for one without a body.
const maxLengthLine = 256

// maxFields bounds the number of field lines in a head. A byte costs most where
// lines are short; S3 requests have a few dozen.
const maxFields = 1000

// What may be wrong with a message, each with the status of the response, after
// which the connection is closed.
var (
	errMalformed = errors.New("malformed HTTP")                         // 400
	errTooLarge  = errors.New("the head is too long")                   // 431
	errVersion   = errors.New("a version other than HTTP/1")            // 505
	errExpect    = errors.New("an expectation other than 100-continue") // 417
	errClosed    = errors.New("the connection has been closed")         // no response
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// headScanner finds the empty line that ends a head whose bytes may arrive one by
// one. A line that ends in a bare LF is refused at once, since its sender may be
// waiting for a response.
type headScanner struct {
	begun int // where the current line starts
	seen  int // no LF lies between begun and here
}

// end returns the length of the head if it is complete, else 0.
func (s *headScanner) end(p []byte) (int, error) {
	for {
		i := bytes.IndexByte(p[s.seen:], '\n')
		if i < 0 {
			s.seen = len(p)
			return 0, nil
		}
		at := s.seen + i
		if at == s.begun || p[at-1] != '\r' {
			return 0, malformed("a line ends in a bare LF")
		}
		if at-1 == s.begun {
			return at + 1, nil
		}
		s.begun, s.seen = at+1, at+1
	}
}

// head is a request's head. Its strings share the memory of one.
type head struct {
	method, target, proto string
	minor                 int // of HTTP/1
	url                   *url.URL
	host                  string
	header                http.Header // without Host and Transfer-Encoding, as in package http
	length                int64       // of the body; -1: it is chunked
	transferEncoding      []string    // as received: signatures may cover it
	expect                string
	close                 bool // the client wants the connection closed after the response
}

// parse reads a head with its empty line. Whatever two parsers could take for
// different requests is an error (RFC 9112 sections 2.2, 3, 5 and 6), even where
// the standard lets a server be lenient: a load balancer in front may read it
// differently.
func parse(text string) (*head, error) {
	line, rest, _ := strings.Cut(text, "\r\n")
	h := &head{}
	if err := h.requestLine(line); err != nil {
		return nil, err
	}
	if err := h.fields(rest); err != nil {
		return nil, err
	}
	if h.url.User != nil || !IsHost(h.url.Host) { // RFC 9110 section 4.2.4: userinfo misleads
		return nil, malformed("an invalid authority")
	}
	if h.url.Host != "" { // RFC 9112 section 3.2.2: Host is ignored then
		h.host = h.url.Host
	}
	return h, nil
}

func (h *head) requestLine(line string) error {
	var found, two bool
	h.method, line, found = strings.Cut(line, " ")
	h.target, h.proto, two = strings.Cut(line, " ")
	if !found || !two || !IsToken(h.method) {
		return malformed("an invalid request line")
	}
	switch h.proto {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
	default:
		if _, _, ok := http.ParseHTTPVersion(h.proto); ok {
			return errVersion
		}
		return malformed("an invalid version")
	}
	if !consistsOf(h.target, valueBytes) {
		return malformed("a control character in the target")
	}
	var err error
	if h.url, err = ParseTarget(h.method, h.target); err != nil {
		return malformed("an invalid target")
	}
	return nil
}

// fields reads the field lines up to the empty line.
func (h *head) fields(text string) error {
	count := strings.Count(text, "\n") - 1
	if count > maxFields {
		return errTooLarge
	}
	h.header = make(http.Header, count)
	values := make([]string, count)
	f := framing{minor: h.minor}
	h.close = h.minor == 0
	for {
		line, rest, _ := strings.Cut(text, "\r\n")
		if line == "" {
			break
		}
		text = rest
		name, value, err := Field(line)
		if err != nil {
			return err
		}
		switch name {
		case "Host":
			if err := f.host(value); err != nil {
				return err
			}
			h.host = value
			continue
		case "Transfer-Encoding":
			if err := f.encoding(value); err != nil {
				return err
			}
			h.transferEncoding = []string{value}
			continue
		case "Content-Length":
			if err := f.contentLength(value); err != nil {
				return err
			}
			if len(line) > maxLengthLine {
				return malformed("a Content-Length line with too much space")
			}
		case "Connection":
			h.close = (h.close || hasElement(value, "close")) && (h.minor > 0 || !hasElement(value, "keep-alive"))
		case "Expect":
			h.expect = value
		}
		if there := h.header[name]; there != nil {
			h.header[name] = append(there, value)
			continue
		}
		values[0] = value
		h.header[name] = values[:1:1]
		values = values[1:]
	}
	var err error
	h.length, err = f.end()
	return err
}

// Field parses one field line, given without its line end. The name is returned in
// the canonical spelling of package http. A line that two parsers could read
// differently is an error.
func Field(line string) (name, value string, err error) {
	name, value, found := strings.Cut(line, ":")
	if !found {
		return "", "", malformed("a line without a colon")
	}
	name, ok := CanonicalName(name)
	if !ok {
		return "", "", malformed("an invalid field name")
	}
	value = trim(value)
	if !consistsOf(value, valueBytes) {
		return "", "", malformed("a control character in a field")
	}
	return name, value, nil
}

func trim(s string) string {
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// hasElement reports whether a comma-separated list has an element, in any case.
func hasElement(value, element string) bool {
	for one := range strings.SplitSeq(value, ",") {
		if equalFold(trim(one), element) {
			return true
		}
	}
	return false
}

// equalFold compares with an ASCII word, in any case. Unicode's folding takes more
// for the word than other parsers do, such as the Kelvin sign for a k. All such
// characters are longer than one byte.
func equalFold(value, word string) bool {
	return len(value) == len(word) && strings.EqualFold(value, word)
}

// framing is what a head says about the host and about where the body ends.
type framing struct {
	minor     int
	hosts     int
	chunked   bool
	hasLength bool
	length    int64
}

func (f *framing) host(value string) error {
	if f.hosts++; f.hosts > 1 || !consistsOf(value, hostBytes) {
		return malformed("more than one Host, or an invalid one")
	}
	return nil
}

func (f *framing) encoding(value string) error {
	if f.chunked || !equalFold(value, "chunked") {
		return malformed("a Transfer-Encoding other than chunked")
	}
	f.chunked = true
	return nil
}

func (f *framing) contentLength(value string) error {
	length, ok := Length(value)
	if f.hasLength || !ok {
		return malformed("more than one Content-Length, or one that is not a number")
	}
	f.hasLength, f.length = true, length
	return nil
}

// end returns the length of the body.
func (f *framing) end() (int64, error) {
	switch {
	case f.minor > 0 && f.hosts == 0:
		return 0, malformed("no Host")
	case f.chunked && f.minor == 0:
		return 0, malformed("Transfer-Encoding in HTTP/1.0")
	case f.chunked && f.hasLength:
		return 0, malformed("Content-Length together with Transfer-Encoding")
	case f.chunked:
		return -1, nil
	}
	return f.length, nil
}

// Length parses the length of a body: digits and nothing else, no sign, no list, no
// space, and no leading zero, since some read 010 as eight.
func Length(s string) (int64, bool) {
	n, ok := decimal(s)
	return n, ok && (len(s) == 1 || s[0] != '0')
}

// decimal accepts digits and nothing else.
func decimal(s string) (int64, bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// plainBytes stand for themselves in a path: url.URL neither decodes nor escapes
// them.
var plainBytes = set("/-_.~$&+:;=@," + alphanumeric)

// ParseTarget returns the URL that package http makes of a request target.
func ParseTarget(method, target string) (*url.URL, error) {
	path, query, found := strings.Cut(target, "?")
	if path != "" && path[0] == '/' && consistsOf(path, plainBytes) {
		return &url.URL{Path: path, RawQuery: query, ForceQuery: found && query == ""}, nil
	}
	if method != http.MethodConnect || path != "" && path[0] == '/' {
		return url.ParseRequestURI(target)
	}
	u, err := url.ParseRequestURI("http://" + target) // it names an authority only
	if err == nil {
		u.Scheme = ""
	}
	return u, err
}
