package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
)

func TestABodyWithAHashOfItsOwnIsAnOrdinaryOne(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	if a := r.do(r.signed("PUT", "/photos/k", "content", "Content-Encoding", "aws-chunked,gzip")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	if seen := r.store.only(t); string(seen.Body) != "content" || seen.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the store saw %q, %s", seen.Body, seen.Header)
	}
	r.store = newStore(t) // that nothing goes to
	r.refuses(r.signed("PUT", "/photos/k", "content", "Content-Encoding", "aws-chunked", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), 400, "InvalidRequest")
}

// inChunks makes a request with the signature of one body, and another or the
// same one that comes without a length.
func (r *rig) inChunks(method, target, signed, sent string) *http.Request {
	req := r.request(method, target, "")
	req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(sent))
	return r.sign(req, signed)
}

func TestADocumentMayComeWithoutALength(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	const document, list = "<Tagging/>", "<Delete><Object><Key>k</Key></Object></Delete>"
	for target, body := range map[string]string{"PUT /photos/k?tagging": document, "POST /photos/k?uploadId=u": document, "POST /photos?delete": list} {
		method, path, _ := strings.Cut(target, " ")
		before := len(r.store.requests())
		if a := r.do(r.inChunks(method, path, body, body)); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", target, a.StatusCode, a.body)
			continue
		}
		seen := r.store.requests()[before]
		if body == document && string(seen.Body) != body || seen.Length != int64(len(seen.Body)) {
			t.Errorf("%s: the store saw %d bytes, %q", target, seen.Length, seen.Body)
		}
	}
	r.store = newStore(t) // that nothing goes to
	r.refuses(r.inChunks("PUT", "/photos/k?tagging", document, "<Other/>"), 400, "XAmzContentSHA256Mismatch")
	r.refuses(r.inChunks("PUT", "/photos/k", document, document), 411, "MissingContentLength")
	r.refuses(r.inChunks("PUT", "/photos/k?acl", document, strings.Repeat("x", maxDocument+1)), 400, "MaxMessageLengthExceeded")
}

func TestLocationsHaveTheSchemeThatATrustedForwarderSays(t *testing.T) {
	for _, c := range []struct{ trusted, said, want string }{
		{"127.0.0.0/8", "https", "https"}, {"127.0.0.0/8", "HTTPS", "https"}, {"127.0.0.0/8", "gopher", "http"}, {"127.0.0.0/8", "", "http"}, {"192.0.2.0/24", "https", "http"},
	} {
		r := start(t, callbacks.Set{}, settings{"trusted_proxies": []string{c.trusted}})
		r.store.answers(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><Location>http://store/lake/a</Location></CompleteMultipartUploadResult>")
		})
		req := r.signed("POST", "/photos/k?uploadId=u", "<CompleteMultipartUpload/>")
		req.Header.Set("X-Forwarded-Proto", c.said)
		if a := r.do(req); !strings.Contains(string(a.body), "<Location>"+c.want+"://127.0.0.1:") {
			t.Errorf("%+v: %s", c, a.body)
		}
	}
}

func TestWhatIsNoRequestIsToldSoAsS3Does(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for text, want := range map[string]string{
		"GET /photos/k HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n":                               "400 InvalidRequest",
		"GET /photos/k HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n": "431 RequestHeaderSectionTooLarge",
		"GET /photos/k HTTP/2.0\r\nHost: a\r\n\r\n":                                          "505 NotImplemented",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, text) }() // it may be refused before its end
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = conn.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", reply{resp, body}.code()); got != want || resp.Header.Get("Content-Type") != "application/xml" {
			t.Errorf("%.60q: got %s %s", text, got, body)
		}
	}
}

func TestListBucketsTakesAWSsParameters(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"a-one": {"region": "eu-west-1"}, "a-two": {}, "b-one": {"region": "eu-west-1"}, "b-two": {"region": "eu-west-1"}})
	for query, want := range map[string]string{
		"":                                       "a-one a-two b-one b-two ",
		"?bucket-region=eu-west-1":               "a-one b-one b-two ",
		"?bucket-region=nowhere":                 "",
		"?prefix=b":                              "b-one b-two ",
		"?max-buckets=1&bucket-region=eu-west-1": "a-one +a-one",
		"?max-buckets=1&continuation-token=a-one":     "a-two +a-two",
		"?prefix=b&bucket-region=eu-west-1&x-id=List": "b-one b-two ",
	} {
		a := r.do(r.signed("GET", "/"+query, ""))
		got := ""
		for _, part := range strings.Split(string(a.body), "<Name>")[1:] {
			name, _, _ := strings.Cut(part, "<")
			got += name + " "
		}
		if _, after, more := strings.Cut(string(a.body), "<ContinuationToken>"); more {
			token, _, _ := strings.Cut(after, "<")
			got += "+" + token
		}
		if a.StatusCode != 200 || got != want {
			t.Errorf("%s: %d, %q, want %q", query, a.StatusCode, got, want)
		}
	}
}
