package upstream

import (
	"bufio"
	"bytes"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// simpleHead is an answer's head as S3 stores write it.
const simpleHead = "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\nContent-Type: image/jpeg\r\n" +
	"Content-Length: 1024\r\nLast-Modified: Sun, 01 Mar 2026 11:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"0\"\r\n" +
	"Accept-Ranges: bytes\r\nx-amz-request-id: 0123456789ABCDEF\r\nx-amz-meta-Name: \xe9\r\n\r\n"

func read(text, method string) (*http.Response, *http.Response, int, error) {
	req := &http.Request{Method: method}
	quick, length := parseSimpleHead([]byte(text), req)
	r := bufio.NewReader(strings.NewReader(text))
	slow, err := http.ReadResponse(r, req)
	rest := r.Buffered()
	if err == nil && quick != nil {
		slow.Body, quick.Body = nil, nil
	}
	return quick, slow, length - (len(text) - rest), err
}

func TestPlainAnswersAreReadAsPackageHTTPReadsThem(t *testing.T) {
	for name, head := range map[string]string{
		"usual":           simpleHead,
		"empty":           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"no reason":       "HTTP/1.1 412 \r\nContent-Length: 5\r\n\r\n",
		"twice":           "HTTP/1.1 200 OK\r\nVary: a\r\nContent-Length: 5\r\nvary: b\r\n\r\n",
		"spaces":          "HTTP/1.1 200 OK\r\nContent-Length:  5\t \r\nX:\r\n\r\n",
		"what follows it": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\r\n\r\nHTTP/",
	} {
		for _, method := range []string{"GET", "HEAD", "PUT"} {
			quick, slow, off, err := read(head, method)
			if err != nil || quick == nil || off != 0 || !reflect.DeepEqual(quick, slow) {
				t.Errorf("%s, %s: %+v, want %+v, %v; %d bytes off", name, method, quick, slow, err, off)
			}
		}
	}
}

func TestWhatIsNotPlainIsLeftToPackageHTTP(t *testing.T) {
	for name, head := range map[string]string{
		"incomplete":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
		"chunked":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"both framings":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		"two lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"no length":      "HTTP/1.1 200 OK\r\n\r\n",
		"odd length":     "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
		"close":          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
		"interim":        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
		"no body":        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"old":            "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
		"folded":         "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\n",
		"bare LF":        "HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\n",
		"bare LF at end": "HTTP/1.1 200 OK\r\nContent-Length: 5\n\nab\r\n\r\n",
		"a bad name":     "HTTP/1.1 200 OK\r\nX Y: a\r\nContent-Length: 5\r\n\r\n",
		"signed status":  "HTTP/1.1 +20 OK\r\nContent-Length: 5\r\n\r\n",
		"pragma":         "HTTP/1.1 200 OK\r\nPragma: no-cache\r\nContent-Length: 5\r\n\r\n",
		"trailer":        "HTTP/1.1 200 OK\r\nTrailer: X\r\nContent-Length: 5\r\n\r\n",
	} {
		if resp, _ := parseSimpleHead([]byte(head), &http.Request{Method: "GET"}); resp != nil {
			t.Errorf("%s: read as %+v", name, resp)
		}
	}
}

// FuzzParseSimpleHead: what is read at all is read as package http reads it.
func FuzzParseSimpleHead(f *testing.F) {
	f.Add([]byte(simpleHead), "GET")
	f.Add([]byte("HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5\r\n\r\n"), "HEAD")
	f.Add([]byte("HTTP/1.1 404 \r\nx-amz-id-2:\t\r\ncontent-length: 05\r\n\r\nabcde"), "PUT")
	f.Fuzz(func(t *testing.T, text []byte, method string) {
		if bytes.IndexByte(text, '\n') < 0 {
			return
		}
		quick, slow, off, err := read(string(text), method)
		if quick != nil && (err != nil || off != 0 || !reflect.DeepEqual(quick, slow)) {
			t.Errorf("%q: %+v, want %+v, %v; %d bytes off", text, quick, slow, err, off)
		}
	})
}

func BenchmarkParseSimpleHead(b *testing.B) {
	head, req := []byte(simpleHead), &http.Request{Method: "GET"}
	b.ReportAllocs()
	for b.Loop() {
		if resp, _ := parseSimpleHead(head, req); resp == nil {
			b.Fatal("not simple")
		}
	}
}

func BenchmarkReadResponse(b *testing.B) {
	head, req := []byte(simpleHead), &http.Request{Method: "GET"}
	in := bytes.NewReader(nil)
	r := bufio.NewReader(in)
	b.ReportAllocs()
	for b.Loop() {
		in.Reset(head)
		r.Reset(in)
		if _, err := http.ReadResponse(r, req); err != nil {
			b.Fatal(err)
		}
	}
}
