package h1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

var sound = map[string]string{
	"no body":              "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"a length":             "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na\nb\r",
	"a zero length":        "PUT /k HTTP/1.1\r\nHost: a\r\ncontent-length:0\r\n\r\n",
	"chunks":               "PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\na\nb\r\n0A\r\n0123456789\r\n0\r\n\r\n",
	"chunks and trailers":  "PUT /k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\nX-Trailer: v\r\n\r\n",
	"requests in sequence": "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n",
	"a long value":         "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: " + strings.Repeat("t", 9000) + "\r\n\r\n",
	"a length of 5 TiB":    "PUT /k HTTP/1.1\r\nHost: a\r\nContent-Length: 5497558138880\r\n\r\n",
	"obs-text in a value":  "GET / HTTP/1.1\r\nHost: a\r\nA: \xe9\xff\r\n\r\n",
}

var ambiguous = map[string]string{
	"a bare LF after the request line": "GET / HTTP/1.1\nHost: a\r\n\r\n",
	"a bare LF after a field":          "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
	"a bare LF as the empty line":      "GET / HTTP/1.1\r\nHost: a\r\n\nGET /",
	"a bare CR in a value":             "GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n",
	"two CRs":                          "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\r\n\r\n",
	"a NUL in a value":                 "GET / HTTP/1.1\r\nHost: a\r\nA: b\x00\r\n\r\n",
	"a NUL in the request line":        "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
	"a folded line":                    "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
	"a folded line with a tab":         "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n",
	"a first line that is folded":      "GET / HTTP/1.1\r\n A: b\r\n\r\n",
	"length and chunks":                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
	"chunks and length":                "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
	"two lengths":                      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
	"two equal lengths":                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\n",
	"a list of lengths":                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\n",
	"a signed length":                  "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\n",
	"a negative length":                "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -4\r\n\r\n",
	"a hexadecimal length":             "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x4\r\n\r\n",
	"an empty length":                  "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
	"a length beyond 63 bits":          "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"a length hidden by spaces":        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " + strings.Repeat(" ", 300) + "4\r\n\r\n",
	"another transfer encoding":        "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
	"two transfer encodings":           "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
	"an unknown transfer encoding":     "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
	"a transfer encoding in Unicode":   "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun\u212aed\r\n\r\n", // a Kelvin sign, which folds to k
	"a length that begins with 0":      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n\r\n0123456789",
	"no Host":                          "GET / HTTP/1.1\r\n\r\n",
	"two Hosts":                        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	"a Host that is none":              "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"a Host with a path":               "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	"a Host with a query":              "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n",
	"a Host with a fragment":           "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n",
	"a Host with a user":               "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
	"a target with a user":             "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n",
	"a target whose host is in Latin":  "GET http://\xe9/ HTTP/1.1\r\nHost: b\r\n\r\n",
	"a target whose host is escaped":   "GET http://%E9/ HTTP/1.1\r\nHost: b\r\n\r\n",
	"an empty line before the request": "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"no method":                        " / HTTP/1.1\r\nHost: a\r\n\r\n",
	"a method that is none":            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
	"no target":                        "GET HTTP/1.1\r\nHost: a\r\n\r\n",
	"an empty target":                  "GET  HTTP/1.1\r\nHost: a\r\n\r\n",
	"a space in the target":            "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"a control in the target":          "GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n",
	"a control in the query":           "GET /a?\x7f HTTP/1.1\r\nHost: a\r\n\r\n",
	"a target without a slash":         "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
	"an escape that is none":           "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"a version that is none":           "GET / HTTP/11\r\nHost: a\r\n\r\n",
	"no version":                       "GET /\r\nHost: a\r\n\r\n",
	"an empty field name":              "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	"a field name that is none":        "GET / HTTP/1.1\r\nHost: a\r\na(b): c\r\n\r\n",
	"a control in a value":             "GET / HTTP/1.1\r\nHost: a\r\nA: b\x7f\r\n\r\n",
	"a trailer that is no field":       chunked("0\r\nX y\r\n\r\n"),
	"chunks in HTTP/1.0":               "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
	"a space before the colon":         "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\n",
	"a tab before the colon":           "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n",
	"no colon":                         "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length\r\n\r\n",
	"no chunk size":                    chunked("\r\n"),
	"a chunk size with a sign":         chunked("+3\r\nabc\r\n0\r\n\r\n"),
	"a chunk size with 0x":             chunked("0x3\r\nabc\r\n0\r\n\r\n"),
	"a chunk size with an underscore":  chunked("1_0\r\n"),
	"a chunk size with a space":        chunked("3 \r\nabc\r\n0\r\n\r\n"),
	"a space before a chunk size":      chunked(" 3\r\nabc\r\n0\r\n\r\n"),
	"a huge chunk size":                chunked("FFFFFFFFFFFFFFFF\r\n"),
	"a long chunk extension":           chunked("3;" + strings.Repeat("x", 300) + "\r\n"),
	"a chunk longer than its size":     chunked("3\r\nabcd\r\n0\r\n\r\n"),
	"a bare LF after a chunk size":     chunked("3\nabc\r\n0\r\n\r\n"),
	"a bare LF after a chunk":          chunked("3\r\nabc\n0\r\n\r\n"),
	"a bare LF in the trailers":        chunked("0\r\nX: y\n\r\n"),
	"a folded trailer":                 chunked("0\r\nX: y\r\n z\r\n\r\n"),
	"endless trailers":                 chunked("0\r\n" + strings.Repeat("X: y\r\n", 2000)),
}

func chunked(body string) string {
	return "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body
}

// pieces is a connection over which a text comes in pieces of a size.
type pieces struct {
	net.Conn
	text string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:min(p.size, len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

func (p *pieces) SetReadDeadline(time.Time) error { return nil }

// readAll reads requests with their bodies until the text ends, and returns how
// many bytes it did not use, and why it could not.
func readAll(text string, size int) (left int, err error) {
	p := &pieces{text: text, size: size}
	c := &conn{server: &Server{MaxHeaderBytes: 64 << 10}, net: p, buf: make([]byte, 16)}
	c.readEnded.L = &c.mu
	for {
		c.state.Store(stateIdle)
		h, err := c.readHead()
		if err == nil {
			_, err = io.Copy(io.Discard, &newResponse(c, h).body)
		}
		c.stopBackgroundRead()
		if err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = nil
			}
			return len(p.text) + c.w - c.r, err
		}
	}
}

func TestSoundFramingPasses(t *testing.T) {
	for name, text := range sound {
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			if left, err := readAll(text, size); err != nil || left != 0 {
				t.Errorf("%s in pieces of %d: %v, and %d bytes are left", name, size, err, left)
			}
		}
	}
}

func TestAmbiguousFramingIsRefused(t *testing.T) {
	for name, text := range ambiguous {
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			if _, err := readAll(text, size); !errors.Is(err, errMalformed) {
				t.Errorf("%s in pieces of %d: %v", name, size, err)
			}
		}
	}
}

// What is refused does not depend on how the bytes were split.
func FuzzFraming(f *testing.F) {
	for _, text := range sound {
		f.Add(text, 3)
	}
	for _, text := range ambiguous {
		f.Add(text, 3)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		if size < 1 {
			return
		}
		_, whole := readAll(text, len(text)+1)
		_, split := readAll(text, size)
		if fmt.Sprint(whole) != fmt.Sprint(split) {
			t.Fatalf("whole: %v; in pieces of %d: %v", whole, size, split)
		}
	})
}
