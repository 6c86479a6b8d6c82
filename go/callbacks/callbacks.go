// Package callbacks is what the proxy asks its owner: the question to each of
// the owner's functions and the shape of its answer, how both are spelled in
// JSON, and the limits that all of them share. In a Python process the functions
// are Python's; a plain Go program sets Go functions. It never decides anything
// itself.
package callbacks

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"osp/go/secret"
	"osp/go/session"
)

// ErrUnknownKey is what HMACFetcher returns for an access key that the owner does
// not know.
var ErrUnknownKey = errors.New("unknown access key")

// ErrOverloaded says that a question could not be asked or answered in time:
// too many wait already, or the deadline passed. It is never an allow.
var ErrOverloaded = errors.New("callback overloaded")

// Callback asks one of the owner's functions. Its error denies the request and is
// not cached.
type Callback[Q Question, A any] func(ctx context.Context, question Q) (A, error)

// Set holds the owner's functions. A nil field means that the owner gave none.
// Each has a row in the table.
type Set struct {
	// HMACFetcher returns the secret of a client's access key, or ErrUnknownKey.
	HMACFetcher Callback[HMACQuestion, Secret]
	// Validator decides about one request.
	Validator Callback[*Request, Decision]
	// BucketCredsFetcher returns store credentials for a token and a bucket: an IBM
	// API key, or a JSON object with access_key and secret_key, or api_key.
	BucketCredsFetcher Callback[BucketCredsQuestion, secret.Text]
	// RoleAssumer says who gets temporary keys, and which.
	RoleAssumer Callback[*RoleQuestion, RoleAnswer]
	// ShadowValidator is asked what Validator is asked, and decides nothing.
	ShadowValidator Callback[*Request, Decision]

	// ValidatorSeesRequest is true when Validator looks at more than Token and
	// Bucket, so that its answers must be cached by all that it sees.
	ValidatorSeesRequest bool
	// ShadowValidatorSeesRequest is the same of ShadowValidator.
	ShadowValidatorSeesRequest bool
}

// Question is what a callback is asked.
type Question interface {
	crowd() crowd
	client() string // key of the client that it is about
}

// HMACQuestion asks for the secret of a client's access key.
type HMACQuestion struct {
	AccessKey string
	Stranger  bool // nobody has signed with the key yet
}

func (q HMACQuestion) crowd() crowd {
	if q.Stranger {
		return strangers
	}
	return known
}

func (q HMACQuestion) client() string { return q.AccessKey }

// BucketCredsQuestion asks for the credentials of a bucket's store, on behalf of
// a client.
type BucketCredsQuestion struct{ Token, Bucket string }

func (q BucketCredsQuestion) client() string { return q.Token }

func (q BucketCredsQuestion) crowd() crowd { return crowdOf(q.Token) }

// Secret is what the proxy needs in order to verify a client's signature.
type Secret struct {
	Key          secret.Text
	SessionToken secret.Text    // the X-Amz-Security-Token that must come with the key; empty: none may
	Expires      time.Time      // zero: never
	TTL          *time.Duration // how long to keep the answer; nil: as long as the others
}

// Decision is the answer of Validator. The zero Decision is a deny.
type Decision struct {
	Allow  bool
	TTL    *time.Duration // how long to keep the answer; nil: the bucket's own ttl
	Once   bool           // it holds for this very request: it is neither kept nor shared
	Reason string         // for the log
	Limits string         // class of limits that holds for who asks; empty: none
}

// Request is what Validator may know about a request whose signature is verified.
// Strings hold the bytes that the client meant, which need not be UTF-8. One that
// takes no more than token and bucket is asked with these two alone.
type Request struct {
	Token  string // the client's access key id, or what its session says
	Bucket string

	Session     *session.Session  // in which a temporary key of the proxy's own was used; nil: none
	Certificate *x509.Certificate // that the client's connection has shown, verified; nil: none

	Method        string
	Path          string  // /bucket or /bucket/key, UriEncoded: one spelling for one object
	RawPath       string  // as on the wire, for logs: decisions are kept by Path
	Query         []Param // decoded, in wire order, without the X-Amz-* of a presigned URL
	Source        string  // the client's address
	Operation     string  // S3's name: GetObject, UploadPart, ...
	Key           string
	VersionID     string
	Region        string // of the credential scope
	Presigned     bool
	ClientIP      string
	ContentLength int64  // of the object's bytes; -1: no body or unknown
	CopySource    string // bucket/key of the source, decoded

	// Header returns the fields that may be shown: no signature, no secret,
	// nothing that an attacker could have added. It is a function because few
	// requests are asked about. Nil: none.
	Header func() http.Header
}

func (r *Request) crowd() crowd { return crowdOf(r.Token) }

func (r *Request) client() string { return r.Token }

// Param is one query parameter.
type Param struct{ Name, Value string }
