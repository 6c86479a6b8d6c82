package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/callbacks"
	"osp/go/config"
)

const (
	clientKey    = "client/key"
	clientSecret = "client-secret"
	storeKey     = "STOREKEY"
	storeSecret  = "store-secret"
)

// storeDouble is an S3 store that notes what reaches it and answers as told.
type storeDouble struct {
	*httptest.Server

	mu     sync.Mutex
	seen   []storeRequest
	answer http.HandlerFunc // nil: 200 with an ETag
}

type storeRequest struct {
	Method, Target string
	Header         http.Header
	Length         int64
	Body           []byte
	Complete       bool // the body came to a clean end
}

func newStore(t testing.TB) *storeDouble {
	s := &storeDouble{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *storeDouble) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, storeRequest{r.Method, r.RequestURI, r.Header.Clone(), r.ContentLength, body, err == nil})
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	w.Header().Set("ETag", `"stored"`)
}

func (s *storeDouble) answers(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *storeDouble) requests() []storeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]storeRequest(nil), s.seen...)
}

// only returns the one request that reached the store.
func (s *storeDouble) only(t testing.TB) storeRequest {
	t.Helper()
	seen := s.requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests reached the store, want 1", len(seen))
	}
	return seen[0]
}

// untouched fails the test when anything reached the store whole.
func (s *storeDouble) untouched(t testing.TB) {
	t.Helper()
	for _, r := range s.requests() {
		if r.Complete {
			t.Errorf("%s %s reached the store", r.Method, r.Target)
		}
	}
}

// rig is a running proxy with a store behind it.
type rig struct {
	t      testing.TB
	store  *storeDouble
	server *Server
	log    *syncBuffer
	URL    string
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type settings = map[string]any

// start runs a proxy for the buckets "photos" and "other" of one store. change
// adds to its configuration.
func start(t testing.TB, h callbacks.Set, change settings) *rig {
	t.Helper()
	return entries(t, h, change, map[string]settings{"photos": {}, "other": {}})
}

// entries is start with other entries, each with changes of its own.
func entries(t testing.TB, h callbacks.Set, change settings, named map[string]settings) *rig {
	t.Helper()
	store := newStore(t)
	u, err := url.Parse(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	cosMap := settings{}
	for name, more := range named {
		entry := settings{
			"host": u.Hostname(), "port": port, "addressing_style": "path", "access_key": storeKey, "secret_key": storeSecret,
		}
		maps.Copy(entry, more)
		cosMap[name] = entry
	}
	document := settings{
		"host": "127.0.0.1", "http_port": 0, "cos_map": cosMap,
		"hmac_keystore": []settings{{"access_key": clientKey, "secret_key": clientSecret}},
	}
	maps.Copy(document, change)
	return rig{t: t, store: store}.run(document, h)
}

func (r rig) run(document settings, h callbacks.Set) *rig {
	r.t.Helper()
	raw, err := json.Marshal(document)
	if err != nil {
		r.t.Fatal(err)
	}
	cfg, err := config.Parse(raw)
	if err != nil {
		r.t.Fatal(err)
	}
	r.log = &syncBuffer{}
	r.server = New(cfg, h, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err := r.server.Listen(); err != nil {
		r.t.Fatal(err)
	}
	r.server.Serve()
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Stop(ctx); err != nil {
			r.t.Errorf("stopping: %v", err)
		}
	})
	r.URL = "http://127.0.0.1:" + strconv.Itoa(r.server.HTTPPort())
	return &r
}

// request makes an unsigned request; path is as on the wire.
func (r *rig) request(method, target, body string) *http.Request {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.URL+target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	}
	return req
}

// signed makes a request that is signed in its header as the SDK does it.
func (r *rig) signed(method, target, body string, header ...string) *http.Request {
	r.t.Helper()
	req := r.request(method, target, body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return r.sign(req, body)
}

// sign signs a request as it stands.
func (r *rig) sign(req *http.Request, body string) *http.Request {
	r.t.Helper()
	hash := req.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		sum := sha256.Sum256([]byte(body))
		hash = hex.EncodeToString(sum[:])
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	keys := aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: clientSecret}
	if err := sdkSigner().SignHTTP(r.t.Context(), keys, req, hash, "s3", "us-east-1", time.Now()); err != nil {
		r.t.Fatal(err)
	}
	return req
}

// presigned returns the target of a presigned URL.
func (r *rig) presigned(method, target string, age time.Duration) string {
	r.t.Helper()
	req := r.request(method, target, "")
	q := req.URL.Query()
	q.Set("X-Amz-Expires", "60")
	req.URL.RawQuery = q.Encode()
	keys := aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: clientSecret}
	signed, _, err := sdkSigner().PresignHTTP(r.t.Context(), keys, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now().Add(-age))
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimPrefix(signed, r.URL)
}

func sdkSigner() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// reply is an answer of the proxy, read to its end.
type reply struct {
	*http.Response
	body []byte
}

// code is the S3 error code of an answer; empty when it is none.
func (a reply) code() string {
	var e struct{ Code string }
	if xml.Unmarshal(a.body, &e) != nil {
		return ""
	}
	return e.Code
}

var plainClient = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (r *rig) do(req *http.Request) reply {
	r.t.Helper()
	resp, err := plainClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return reply{resp, body}
}

// refuses sends a request and expects an answer with this status and code, and
// an untouched store.
func (r *rig) refuses(req *http.Request, status int, code string) {
	r.t.Helper()
	a := r.do(req)
	if a.StatusCode != status || a.code() != code && req.Method != http.MethodHead {
		r.t.Errorf("%s %s: got %d %s, want %d %s", req.Method, req.URL.Path, a.StatusCode, a.code(), status, code)
	}
	r.store.untouched(r.t)
}
