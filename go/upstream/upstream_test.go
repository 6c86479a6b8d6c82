package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/creds"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/secret"
	"osp/go/sigv4"
	"osp/go/stores"
)

var pair = creds.Credentials{AccessKey: "AK", SecretKey: secret.New("SK")}

// store checks every signature with the rules for clients, and notes what came.
type store struct {
	*httptest.Server
	t      *testing.T
	answer http.HandlerFunc

	mu   sync.Mutex
	seen []seen
}

type seen struct {
	*http.Request
	body  string
	whole bool
}

func newStore(t *testing.T, start func(http.Handler) *httptest.Server) *store {
	s := &store{t: t}
	s.Server = start(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, seen{r, string(body), err == nil})
	s.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		s.verify(r)
	}
	if s.answer != nil {
		s.answer(w, r)
	}
}

func (s *store) verify(r *http.Request) {
	path, query, _ := strings.Cut(r.RequestURI, "?")
	signed, err := sigv4.Parse(&sigv4.Request{Method: r.Method, RawPath: path, RawQuery: query, Hosts: []string{r.Host}, Header: r.Header, ContentLength: r.ContentLength})
	if err == nil {
		key := callbacks.Secret{Key: secret.NewText("SK"), SessionToken: secret.NewText(r.Header.Get("X-Amz-Security-Token"))}
		_, err = sigv4.New(sigv4.Options{}).Verify(signed, key)
	}
	if err != nil {
		s.t.Errorf("%s %s is not signed well: %v", r.Method, r.RequestURI, err)
	}
}

func (s *store) last() seen {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) == 0 {
		s.t.Fatal("nothing reached the store")
	}
	return s.seen[len(s.seen)-1]
}

func (s *store) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.seen)
}

// bucket is an entry for the store, changed as the test likes.
func (s *store) bucket(change func(*stores.Bucket)) *stores.Bucket {
	u, err := url.Parse(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	b := &stores.Bucket{Remote: "photos", Host: u.Hostname(), Port: port, Region: "eu-west-1", TLS: u.Scheme == "https", Transport: stores.Transport{VerifyTLS: true, ConnectTimeout: time.Second, AnswerTimeout: time.Minute}}
	if change != nil {
		change(b)
	}
	return b
}

func send(t *testing.T, c *Call) (*http.Response, error) {
	t.Helper()
	client := New()
	t.Cleanup(client.Close)
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Header == nil {
		c.Header = http.Header{}
	}
	if c.PayloadHash == "" {
		c.PayloadHash = UnsignedPayload
	}
	if c.Creds == (creds.Credentials{}) {
		c.Creds = pair
	}
	resp, err := client.Do(t.Context(), c)
	if err == nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

func TestKeysGoOverTheWireByteForByte(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	for key, want := range map[string]string{
		"":              "/photos",
		"plain":         "/photos/plain",
		"a b+c%2F":      "/photos/a%20b%2Bc%252F",
		"a//b/":         "/photos/a//b/",
		"ü*~'()":        "/photos/%C3%BC%2A~%27%28%29",
		"\xff\x00\n":    "/photos/%FF%00%0A",
		"q?x=1&y#f;@:$": "/photos/q%3Fx%3D1%26y%23f%3B%40%3A%24",
	} {
		if _, err := send(t, &Call{Bucket: s.bucket(nil), Key: key}); err != nil {
			t.Fatal(err)
		}
		if got := s.last().RequestURI; got != want {
			t.Errorf("%q goes as %s, want %s", key, got, want)
		}
	}
	query := s3op.Query{{Name: "prefix", Value: "a b/ü+"}, {Name: "acl"}, {Name: "list-type", Value: "2"}}
	if _, err := send(t, &Call{Bucket: s.bucket(nil), Query: query}); err != nil {
		t.Fatal(err)
	}
	if got := s.last().URL.Query(); got.Get("prefix") != "a b/ü+" || !got.Has("acl") {
		t.Errorf("the query goes as %s", s.last().RequestURI)
	}
}

func TestWhereABucketIs(t *testing.T) {
	for _, c := range []struct {
		name       string
		b          stores.Bucket
		host, path string
	}{
		{"virtual style, default port", stores.Bucket{Host: "s3.example", Port: 443, TLS: true, VirtualStyle: true}, "photos.s3.example", "/k"},
		{"virtual style, plain", stores.Bucket{Host: "s3.example", Port: 80, VirtualStyle: true}, "photos.s3.example", "/k"},
		{"the other scheme's port", stores.Bucket{Host: "s3.example", Port: 80, TLS: true, VirtualStyle: true}, "photos.s3.example:80", "/k"},
		{"path style", stores.Bucket{Host: "s3.example", Port: 9000}, "s3.example:9000", "/photos/k"},
		{"an address has no subdomains", stores.Bucket{Host: "192.0.2.1", Port: 9000, VirtualStyle: true}, "192.0.2.1:9000", "/photos/k"},
		{"IPv6", stores.Bucket{Host: "2001:db8::1", Port: 443, TLS: true}, "[2001:db8::1]", "/photos/k"},
		{"dots that no certificate covers", stores.Bucket{Remote: "my.photos", Host: "s3.example", Port: 443, TLS: true, VirtualStyle: true}, "s3.example", "/my.photos/k"},
		{"capitals, which a host does not distinguish", stores.Bucket{Remote: "Photos", Host: "s3.example", Port: 80, VirtualStyle: true}, "s3.example", "/Photos/k"},
		{"dots without TLS", stores.Bucket{Remote: "my.photos", Host: "s3.example", Port: 80, VirtualStyle: true}, "my.photos.s3.example", "/k"},
	} {
		if c.b.Remote == "" {
			c.b.Remote = "photos"
		}
		host, _, path := locate(&c.b, c.b.Host, "k")
		if host != c.host || path != c.path {
			t.Errorf("%s: %s%s, want %s%s", c.name, host, path, c.host, c.path)
		}
	}
}

func TestNamesUnderLocalhostAreLoopback(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	if _, err := send(t, &Call{Key: "k", Bucket: s.bucket(func(b *stores.Bucket) { b.Host, b.VirtualStyle = "localhost", true })}); err != nil {
		t.Fatal(err)
	}
	if got := s.last(); !strings.HasPrefix(got.Host, "photos.localhost:") || got.RequestURI != "/k" {
		t.Errorf("the store saw %s%s", got.Host, got.RequestURI)
	}
}

func TestHeadersAreTheCallersAndNoOthers(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	header := http.Header{"X-Amz-Meta-A": {"1", "2"}, "Range": {"bytes=0-1"}, "Content-Type": {"text/x"}, "Accept-Encoding": {"identity"}}
	if _, err := send(t, &Call{Bucket: s.bucket(nil), Key: "k", Header: header}); err != nil {
		t.Fatal(err)
	}
	got := s.last()
	if got.Header.Get("Range") != "bytes=0-1" || len(got.Header["X-Amz-Meta-A"]) != 2 || got.Header.Get("Content-Type") != "text/x" {
		t.Errorf("the store saw %v", got.Header)
	}
	if _, err := send(t, &Call{Bucket: s.bucket(nil), Key: "k"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"User-Agent", "Accept-Encoding", "Expect", "Transfer-Encoding"} {
		if s.last().Header[name] != nil {
			t.Errorf("%s was added", name)
		}
	}
	if header.Get("Authorization") != "" || len(header) != 4 {
		t.Errorf("the caller's headers were changed: %v", header)
	}
}

func TestCredentialsOfEachKind(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	temporary := pair
	temporary.SessionToken = secret.New("session")
	if _, err := send(t, &Call{Bucket: s.bucket(nil), Creds: temporary}); err != nil {
		t.Fatal(err)
	}
	if got := s.last().Header; got.Get("X-Amz-Security-Token") != "session" || !strings.Contains(got.Get("Authorization"), "x-amz-security-token") {
		t.Errorf("the store saw %v", got)
	}
	if _, err := send(t, &Call{Bucket: s.bucket(nil), Creds: creds.Credentials{Bearer: secret.New("token")}}); err != nil {
		t.Fatal(err)
	}
	if got := s.last().Header; got.Get("Authorization") != "Bearer token" || got.Get("X-Amz-Date") != "" {
		t.Errorf("the store saw %v", got)
	}
}

func TestAnAccessKeyMayHaveAnotherSecretElsewhere(t *testing.T) {
	client := New()
	t.Cleanup(client.Close)
	client.now = func() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC) }
	sign := func(secretKey string) string {
		req := httptest.NewRequest(http.MethodGet, "http://s/photos/k", nil)
		call := &Call{Creds: creds.Credentials{AccessKey: "admin", SecretKey: secret.New(secretKey)}, PayloadHash: UnsignedPayload}
		if err := client.authorize(req, call, "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		return req.Header.Get("Authorization")
	}
	one, other := sign("one"), sign("other")
	if one == other {
		t.Error("two stores with the same access key are signed for with one secret")
	}
	if sign("one") != one {
		t.Error("the first secret is not used again")
	}
}

func TestABodyOfKnownLength(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	body := strings.Repeat("x", 1<<20)
	if _, err := send(t, &Call{Method: "PUT", Bucket: s.bucket(nil), Key: "k", Body: strings.NewReader(body), Length: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	if got := s.last(); got.body != body || got.ContentLength != int64(len(body)) || got.TransferEncoding != nil {
		t.Errorf("the store saw %d bytes, told %d", len(got.body), got.ContentLength)
	}
	if _, err := send(t, &Call{Method: "PUT", Bucket: s.bucket(nil), Key: "k", Body: bytes.NewReader(nil)}); err != nil {
		t.Fatal(err)
	}
	if got := s.last(); got.ContentLength != 0 || got.Header.Get("Content-Length") != "0" {
		t.Errorf("an empty body: told %d, %v", got.ContentLength, got.Header)
	}
}

var errWrongBody = errors.New("the body is wrong")

func TestABodyThatFailsNeverEndsCleanly(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	arrived := make(chan struct{})
	s.answer = func(http.ResponseWriter, *http.Request) { close(arrived) }
	body := io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), failing{})
	_, err := send(t, &Call{Method: "PUT", Bucket: s.bucket(nil), Key: "k", Body: body, Length: 1<<20 + 1})
	if !errors.Is(err, errWrongBody) {
		t.Errorf("got %v", err)
	}
	<-arrived
	if s.last().whole {
		t.Error("the store took it for whole")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errWrongBody }

func TestCertificatesAreChecked(t *testing.T) {
	s := newStore(t, httptest.NewTLSServer)
	if _, err := send(t, &Call{Bucket: s.bucket(nil)}); !errors.Is(err, s3err.BadGateway) {
		t.Errorf("an unknown authority: %v", err)
	}
	if _, err := send(t, &Call{Bucket: s.bucket(func(b *stores.Bucket) { b.VerifyTLS = false })}); err != nil {
		t.Errorf("with verify=False: %v", err)
	}
}

func TestARedirectIsAnAnswer(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
	resp, err := send(t, &Call{Bucket: s.bucket(nil)})
	if err != nil || resp.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("got %v, %v", resp, err)
	}
}

func TestAStoreThatIsDownIsABadGateway(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	b := s.bucket(nil)
	s.Close()
	for _, method := range []string{"GET", "PUT"} {
		if _, err := send(t, &Call{Method: method, Bucket: b, Body: strings.NewReader("x"), Length: 1}); !errors.Is(err, s3err.BadGateway) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestAClientWhoLeavesEndsTheCall(t *testing.T) {
	s := newStore(t, httptest.NewServer)
	asked, gone := make(chan struct{}), make(chan struct{})
	s.answer = func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(gone)
	}
	ctx, cancel := context.WithCancel(t.Context())
	client := New()
	defer client.Close()
	failed := make(chan error)
	go func() {
		_, err := client.Do(ctx, &Call{Method: "GET", Bucket: s.bucket(nil), Creds: pair, Header: http.Header{}, PayloadHash: UnsignedPayload})
		failed <- err
	}()
	<-asked
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-gone
}

func TestErrorsAreSorted(t *testing.T) {
	for err, want := range map[error]error{
		context.Canceled: context.Canceled,
		fmt.Errorf("x: %w", context.DeadlineExceeded): s3err.GatewayTimeout,
		timeout{}:             s3err.GatewayTimeout,
		errors.New("refused"): s3err.BadGateway,
		&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}: s3err.ServiceUnavailable,
	} {
		if got := classify(err); !errors.Is(got, want) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

type timeout struct{}

func (timeout) Error() string   { return "timeout" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestNamesAreSpelledAsS3Does(t *testing.T) {
	for name, want := range map[string]string{"X-Amz-Meta-Some-Name": "x-amz-meta-some-name", "Etag": "ETag", "Content-Type": "Content-Type"} {
		if got := Spell(name); got != want {
			t.Errorf("%s became %s", name, got)
		}
	}
	h := http.Header{"X-Amz-Meta-A": {"1"}, "Etag": {"e"}, "Range": {"r"}}
	respell(h)
	if len(h) != 3 || h[Spell("X-Amz-Meta-A")] == nil || h[Spell("Etag")] == nil {
		t.Errorf("got %v", h)
	}
}
