// Package upstream speaks to the stores: it builds the store's URL for a
// bucket and key, signs the request with the store's credentials and sends it.
// It decides nothing about the client: its caller has authorised the request.
package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/creds"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
	"osp/go/wire"
)

// UnsignedPayload is the payload hash of a request whose body the signature
// does not cover (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// EmptyPayload is the payload hash of no bytes.
const EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// ErrUnrepeatable says that a store refused a call for a reason that is gone by now,
// and that only whoever has its body can send it again.
var ErrUnrepeatable = errors.New("the body can't be sent again from here")

// Call is one request to a store.
type Call struct {
	Bucket   *stores.Bucket
	Creds    creds.Credentials
	Unsigned bool // Creds are not used: the store gets an anonymous request
	Patient  bool // the response may take minutes: CompleteMultipartUpload and copies

	Method string
	Key    string // decoded; empty: the bucket itself
	Query  s3op.Query
	Header http.Header // what goes to the store, without Host, length and signature

	Body        io.Reader // nil: no body, or Whole
	Length      int64     // bytes that Body yields
	Whole       []byte    // instead of Body and Length: a body that can be sent again
	PayloadHash string    // hex SHA-256, UnsignedPayload or a STREAMING value
}

// Client sends calls. It is safe for concurrent use.
type Client struct {
	signers signers
	pools   pools
	regions *regions
	now     func() time.Time
}

// New returns a Client with connection pools of its own.
func New() *Client {
	return &Client{
		signers: newSigners(),
		regions: newRegions(),
		now:     time.Now,
	}
}

// Keep drops what is remembered of entries that no longer exist: connections that
// none of the entries needs, and the regions of buckets. Calls in progress go on.
func (c *Client) Keep(entries []*stores.Bucket) {
	live := make(map[*stores.Bucket]bool, len(entries))
	for _, entry := range entries {
		live[entry] = true
	}
	c.pools.keep(live)
	c.regions.keep(live)
}

// Close closes the connections that no call uses.
func (c *Client) Close() { c.pools.close() }

// Do sends one call and returns the store's response, whose body the caller closes.
// When the store says that the bucket lies in another region, that is remembered,
// and the call is sent there once, if its body allows that. Otherwise redirects are
// responses like any other. Errors are *s3err.Error values (BadGateway,
// GatewayTimeout, ServiceUnavailable with ErrUnrepeatable behind it)
// or, if reading call.Body failed, the reader's own.
func (c *Client) Do(ctx context.Context, call *Call) (*http.Response, error) {
	at := c.regions.of(call.Bucket)
	resp, err := c.send(ctx, call, at)
	if err != nil {
		return nil, err
	}
	elsewhere, err := c.regions.learn(call.Bucket, at, resp)
	if err != nil || !elsewhere {
		return resp, err
	}
	_ = resp.Body.Close() // it says only where the bucket is
	if !call.Repeatable() {
		return nil, s3err.ServiceUnavailable.Because(fmt.Errorf("%w: %w", errOtherRegion, ErrUnrepeatable))
	}
	return c.send(ctx, call, c.regions.of(call.Bucket))
}

// Repeatable reports whether a call can be sent again.
func (call *Call) Repeatable() bool { return call.Body == nil || call.Length == 0 }

// send makes one attempt.
func (c *Client) send(ctx context.Context, call *Call, at location) (*http.Response, error) {
	req := newRequest(ctx, call, at)
	// Each attempt has a reader of its own: the transport may still be reading that
	// of the previous one.
	body := &trackedBody{r: call.Body}
	switch {
	case len(call.Whole) > 0:
		body.r = bytes.NewReader(call.Whole)
		req.Body, req.ContentLength = body, int64(len(call.Whole))
	case call.Body != nil && call.Length > 0:
		req.Body, req.ContentLength = body, call.Length
	}
	if err := c.authorize(req, call, at.region); err != nil {
		return nil, err
	}
	transport, err := c.pools.get(call)
	if err != nil {
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	if bodyErr := body.failure(); bodyErr != nil {
		return nil, bodyErr
	}
	return nil, classify(err)
}

func newRequest(ctx context.Context, call *Call, at location) *http.Request {
	host, path, rawPath := locate(call.Bucket, at.host, call.Key)
	scheme := "http"
	if call.Bucket.TLS {
		scheme = "https"
	}
	req := &http.Request{
		Method: call.Method,
		URL:    &url.URL{Scheme: scheme, Host: host, Path: path, RawPath: rawPath, RawQuery: call.Query.Encode()},
		Host:   host, Header: make(http.Header, len(call.Header)+4), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return req.WithContext(ctx)
}

// locate returns the host, with its port if that is not the scheme's default, and
// the path, decoded and as it goes over the wire.
func locate(b *stores.Bucket, at, key string) (host, path, rawPath string) {
	host = at
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	defaultPort := 80
	if b.TLS {
		defaultPort = 443
	}
	if b.Port != defaultPort {
		host += ":" + strconv.Itoa(b.Port)
	}
	switch {
	case virtualStyle(b):
		host, path = b.Remote+"."+host, "/"+key
	case key == "":
		path = "/" + b.Remote
	default:
		path = "/" + b.Remote + "/" + key
	}
	return host, path, wire.Encode(path, wire.InPath)
}

// virtualStyle reports whether the bucket goes into the host name. It can't if the
// host is an IP address, if the bucket's name has dots, which a certificate for
// *.host would not cover, or if it has capitals, which a host name does not
// distinguish: another bucket would answer.
func virtualStyle(b *stores.Bucket) bool {
	if !b.VirtualStyle || b.TLS && strings.Contains(b.Remote, ".") || strings.ToLower(b.Remote) != b.Remote {
		return false
	}
	_, err := netip.ParseAddr(b.Host)
	return err != nil
}

// authorize gives the request its header: the call's, and a signature or the bearer
// token that IBM COS takes instead. Only Host, the content headers that AWS
// recommends and x-amz-* are signed: intermediaries between proxy and store may
// change the others.
func (c *Client) authorize(req *http.Request, call *Call, region string) error {
	signs := !call.Unsigned && call.Creds.Bearer.Empty()
	if signs {
		for name, values := range call.Header {
			if signedUpstream(name) {
				req.Header[name] = canonical(values)
			}
		}
		if err := c.sign(req, call, region); err != nil {
			return err
		}
	}
	for name, values := range call.Header {
		if !signs || !signedUpstream(name) {
			req.Header[name] = values
		}
	}
	if !call.Unsigned && !signs {
		req.Header.Set("Authorization", "Bearer "+call.Creds.Bearer.Reveal())
	}
	return nil
}

// sign signs every field of the request's header.
func (c *Client) sign(req *http.Request, call *Call, region string) error {
	req.Header["X-Amz-Content-Sha256"] = []string{call.PayloadHash}
	keys := aws.Credentials{
		AccessKeyID:     call.Creds.AccessKey,
		SecretAccessKey: call.Creds.SecretKey.Reveal(),
		SessionToken:    call.Creds.SessionToken.Reveal(),
	}
	signers := c.signers.of(call.Creds.SecretKey)
	signer := signers.Get().(*v4.Signer)
	defer signers.Put(signer)
	err := signer.SignHTTP(req.Context(), keys, req, call.PayloadHash, "s3", region, c.now())
	if err != nil {
		return s3err.InternalError.Because(fmt.Errorf("signing for the store: %w", err))
	}
	return nil
}

// Canonical returns a header with the values of its signed fields as a store gets them,
// since stores keep what they verified: who decides about a request has to see what the
// store will. It is the header itself where that makes no difference.
func Canonical(h http.Header) http.Header {
	var clear http.Header
	for name, values := range h {
		if !signedUpstream(name) || !slices.ContainsFunc(values, wire.Ambiguous) {
			continue
		}
		if clear == nil {
			clear = maps.Clone(h)
		}
		clear[name] = canonical(values)
	}
	if clear == nil {
		return h
	}
	return clear
}

// canonical returns values of which none is ambiguous: the same if none was.
func canonical(values []string) []string {
	if !slices.ContainsFunc(values, wire.Ambiguous) {
		return values
	}
	clear := make([]string, len(values))
	for i, value := range values {
		clear[i] = wire.CanonicalBlanks(value)
	}
	return clear
}

func signedUpstream(canonicalName string) bool {
	return canonicalName == "Content-Md5" || canonicalName == "Content-Type" ||
		len(canonicalName) > 6 && canonicalName[:6] == "X-Amz-"
}

func classify(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err // the client has disconnected; nobody reads a response
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return s3err.GatewayTimeout.Because(err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return s3err.ServiceUnavailable.Because(err) // too many open files: that is not the store's fault
	}
	return s3err.BadGateway.Because(err)
}
