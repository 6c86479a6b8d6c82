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

// maxLengthLine bounds the Content-Length line, in bytes: a reader that keeps
// less of a line would take the request for one without a body.
const maxLengthLine = 256

// maxFields bounds the field lines of a head. A byte costs most where lines are
// short; requests of S3 have some tens of them.
const maxFields = 1000

// What may be wrong with a message. Each has an answer of its own, after which
// the connection ends.
var (
	errMalformed = errors.New("malformed HTTP")                       // 400
	errTooLarge  = errors.New("the head is too long")                 // 431
	errVersion   = errors.New("a version other than HTTP/1")          // 505
	errExpect    = errors.New("an expectation but to go on")          // 417
	errGone      = errors.New("the connection is to be used no more") // none
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errMalformed, fmt.Sprintf(format, args...))
}

// lines finds the empty line that ends a head, in bytes that may come one by
// one. A line that ends in a bare LF is refused at once, since its sender may
// wait for an answer.
type lines struct {
	begun int // of the current line
	seen  int // bytes that hold no LF past begun
}

// end returns the length of a head that is complete, else 0.
func (l *lines) end(p []byte) (int, error) {
	for {
		i := bytes.IndexByte(p[l.seen:], '\n')
		if i < 0 {
			l.seen = len(p)
			return 0, nil
		}
		at := l.seen + i
		if at == l.begun || p[at-1] != '\r' {
			return 0, malformed("a line ends in a bare LF")
		}
		if at-1 == l.begun {
			return at + 1, nil
		}
		l.begun, l.seen = at+1, at+1
	}
}

// head is what the first lines of a request say. Its strings are parts of one.
type head struct {
	method, target, proto string
	minor                 int // of HTTP/1
	url                   *url.URL
	host                  string
	header                http.Header // without Host and Transfer-Encoding, as in package http
	length                int64       // of the body; -1: it comes in chunks
	encoding              []string    // Transfer-Encoding as it came: signatures may cover it
	expect                string
	close                 bool // the client wants no further answer on this connection
}

// parse reads a head with its empty line. Whatever two readers could take for
// different requests is an error (RFC 9112 sections 2.2, 3, 5 and 6), also
// where the standard lets a server be lenient: a load balancer in front may
// read it in another way.
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
		return nil, malformed("an authority that is none")
	}
	if h.url.Host != "" { // RFC 9112 section 3.2.2: Host doesn't count then
		h.host = h.url.Host
	}
	return h, nil
}

func (h *head) requestLine(line string) error {
	var found, two bool
	h.method, line, found = strings.Cut(line, " ")
	h.target, h.proto, two = strings.Cut(line, " ")
	if !found || !two || !IsToken(h.method) {
		return malformed("a request line that is none")
	}
	switch h.proto {
	case "HTTP/1.1":
		h.minor = 1
	case "HTTP/1.0":
	default:
		if _, _, ok := http.ParseHTTPVersion(h.proto); ok {
			return errVersion
		}
		return malformed("a version that is none")
	}
	if !only(h.target, valueBytes) {
		return malformed("a control character in the target")
	}
	var err error
	if h.url, err = parseTarget(h.method, h.target); err != nil {
		return malformed("a target that is none")
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
			h.encoding = []string{value}
			continue
		case "Content-Length":
			if err := f.contentLength(value); err != nil {
				return err
			}
			if len(line) > maxLengthLine {
				return malformed("a Content-Length behind much space")
			}
		case "Connection":
			h.close = (h.close || lists(value, "close")) && (h.minor > 0 || !lists(value, "keep-alive"))
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

// Field reads one field line without its end. The name comes as package http
// spells it. A line that two readers could read in different ways is an error.
func Field(line string) (name, value string, err error) {
	name, value, found := strings.Cut(line, ":")
	if !found {
		return "", "", malformed("a line without a colon")
	}
	name, ok := canonical(name)
	if !ok {
		return "", "", malformed("a field name that is none")
	}
	value = trim(value)
	if !only(value, valueBytes) {
		return "", "", malformed("a control character in a field")
	}
	return name, value, nil
}

func trim(s string) string {
	for s != "" && blank(s[0]) {
		s = s[1:]
	}
	for s != "" && blank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// lists reports whether a list field has an element, in whatever case.
func lists(value, element string) bool {
	for one := range strings.SplitSeq(value, ",") {
		if is(trim(one), element) {
			return true
		}
	}
	return false
}

// is compares with a word of ASCII, in whatever case. Unicode would fold what
// no other reader takes for the word: the Kelvin sign is a k to it. All such
// signs are longer than one byte.
func is(value, word string) bool { return len(value) == len(word) && strings.EqualFold(value, word) }

// framing is what a head says about who is meant and where its body ends.
type framing struct {
	minor     int
	hosts     int
	chunked   bool
	hasLength bool
	length    int64
}

func (f *framing) host(value string) error {
	if f.hosts++; f.hosts > 1 || !only(value, hostBytes) {
		return malformed("more than one Host, or one that is none")
	}
	return nil
}

func (f *framing) encoding(value string) error {
	if f.chunked || !is(value, "chunked") {
		return malformed("a Transfer-Encoding other than chunked")
	}
	f.chunked = true
	return nil
}

// contentLength takes no zero before other digits: some read 010 as eight.
func (f *framing) contentLength(value string) error {
	length, ok := decimal(value)
	if f.hasLength || !ok || len(value) > 1 && value[0] == '0' {
		return malformed("more than one Content-Length, or one that is no number")
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
		return 0, malformed("Content-Length beside Transfer-Encoding")
	case f.chunked:
		return -1, nil
	}
	return f.length, nil
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

// plainBytes mean themselves in a path: url.URL neither decodes nor would
// escape them.
var plainBytes = set("/-_.~$&+:;=@," + alphanumeric)

// parseTarget returns the URL that package http makes of a request target.
func parseTarget(method, target string) (*url.URL, error) {
	path, query, found := strings.Cut(target, "?")
	if path != "" && path[0] == '/' && only(path, plainBytes) {
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
