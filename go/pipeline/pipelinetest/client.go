package pipelinetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Request makes an unsigned request; target is as on the wire.
func (r *Rig) Request(method, target, body string) *http.Request {
	r.T.Helper()
	req, err := http.NewRequestWithContext(r.T.Context(), method, r.URL+target, strings.NewReader(body))
	if err != nil {
		r.T.Fatal(err)
	}
	if body == "" {
		req.Body = http.NoBody
	}
	return req
}

// Signed makes a request that is signed in its header as the SDK does it.
func (r *Rig) Signed(method, target, body string, header ...string) *http.Request {
	r.T.Helper()
	req := r.Request(method, target, body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return r.Sign(req, body)
}

// Sign signs a request as it stands.
func (r *Rig) Sign(req *http.Request, body string) *http.Request {
	r.T.Helper()
	return r.SignBy(aws.Credentials{AccessKeyID: ClientKey, SecretAccessKey: ClientSecret}, req, body)
}

// SignBy is Sign with other keys.
func (r *Rig) SignBy(keys aws.Credentials, req *http.Request, body string) *http.Request {
	r.T.Helper()
	hash := req.Header.Get("X-Amz-Content-Sha256")
	if hash == "" {
		sum := sha256.Sum256([]byte(body))
		hash = hex.EncodeToString(sum[:])
		req.Header.Set("X-Amz-Content-Sha256", hash)
	}
	if err := sdkSigner().SignHTTP(r.T.Context(), keys, req, hash, "s3", "us-east-1", time.Now()); err != nil {
		r.T.Fatal(err)
	}
	return req
}

// Presigned returns the target of a presigned URL.
func (r *Rig) Presigned(method, target string, age time.Duration) string {
	r.T.Helper()
	return r.PresignedBy(aws.Credentials{AccessKeyID: ClientKey, SecretAccessKey: ClientSecret}, method, target, age)
}

// PresignedBy is Presigned with other keys.
func (r *Rig) PresignedBy(keys aws.Credentials, method, target string, age time.Duration) string {
	r.T.Helper()
	req := r.Request(method, target, "")
	q := req.URL.Query()
	q.Set("X-Amz-Expires", "60")
	req.URL.RawQuery = q.Encode()
	signed, _, err := sdkSigner().PresignHTTP(r.T.Context(), keys, req, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now().Add(-age))
	if err != nil {
		r.T.Fatal(err)
	}
	return strings.TrimPrefix(signed, r.URL)
}

func sdkSigner() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
}

// Wire is a small GET as a client sends it.
func (r *Rig) Wire() []byte {
	r.T.Helper()
	req := r.Signed("GET", "/photos/2026/03/01/0001.jpg", "", "User-Agent", "Boto3/1.40 md/Botocore ua/2.1", "Accept-Encoding", "identity",
		"Amz-Sdk-Invocation-Id", "0c1f6ab0-9b3c-4f35-8d52-3f1c7c3f2a11", "Amz-Sdk-Request", "attempt=1")
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		r.T.Fatal(err)
	}
	return wire.Bytes()
}

// Reply is an answer of the proxy, read to its end.
type Reply struct {
	*http.Response
	Content []byte
}

// Code is the S3 error code of an answer; empty when it is none.
func (a Reply) Code() string {
	var e struct{ Code string }
	if xml.Unmarshal(a.Content, &e) != nil {
		return ""
	}
	return e.Code
}

// Client follows no redirect and takes off no compression.
var Client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Do sends a request and reads the answer.
func (r *Rig) Do(req *http.Request) Reply {
	r.T.Helper()
	resp, err := Client.Do(req)
	if err != nil {
		r.T.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.T.Fatal(err)
	}
	return Reply{resp, body}
}

// Refuses sends a request and expects an answer with this status and code, and
// an untouched store.
func (r *Rig) Refuses(req *http.Request, status int, code string) {
	r.T.Helper()
	a := r.Do(req)
	if a.StatusCode != status || a.Code() != code && req.Method != http.MethodHead {
		r.T.Errorf("%s %s: got %d %s, want %d %s", req.Method, req.URL.Path, a.StatusCode, a.Code(), status, code)
	}
	r.Store.Untouched(r.T)
}
