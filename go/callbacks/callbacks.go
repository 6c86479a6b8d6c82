// Package callbacks names the questions that the proxy asks its owner, and the
// shape of the answers. In a Python process they end in Python functions; a
// plain Go program sets Go functions. It never decides anything itself.
package callbacks

import (
	"context"
	"errors"
	"net/http"
	"time"

	"osp/go/secret"
)

// ErrUnknownKey is what HMACFetcher returns for an access key that the owner does
// not know.
var ErrUnknownKey = errors.New("unknown access key")

// ErrOverloaded says that a question could not be asked or answered in time:
// too many wait already, or the deadline passed. It is never an allow.
var ErrOverloaded = errors.New("callback overloaded")

// Set holds the owner's functions. A nil field means that the owner gave none.
// An error of any of them denies the request and is not cached.
type Set struct {
	// HMACFetcher returns the secret of a client's access key, or ErrUnknownKey.
	HMACFetcher func(ctx context.Context, accessKey string) (Secret, error)
	// Validator decides about one request.
	Validator func(ctx context.Context, r *Request) (Decision, error)
	// ValidatorSeesRequest is true when Validator looks at more than Token and Bucket,
	// so that its answers must be cached by all that it sees.
	ValidatorSeesRequest bool
	// BucketCredsFetcher returns store credentials for a token and a bucket: an IBM
	// API key, or a JSON object with access_key and secret_key, or api_key.
	BucketCredsFetcher func(ctx context.Context, token, bucket string) (secret.Value, error)
}

// Secret is what the proxy needs in order to verify a client's signature.
type Secret struct {
	Key          secret.Value
	SessionToken secret.Value   // the X-Amz-Security-Token that must come with the key; empty: none may
	Expires      time.Time      // zero: never
	TTL          *time.Duration // how long to keep the answer; nil: as long as the others
}

// Decision is the answer of Validator. The zero Decision is a deny.
type Decision struct {
	Allow  bool
	TTL    *time.Duration // how long to keep the answer; nil: the bucket's own ttl
	Once   bool           // it holds for this very request: it is neither kept nor shared
	Reason string         // for the log
}

// Request is what Validator may know about a request whose signature is verified.
// Strings hold the bytes that the client meant, which need not be UTF-8.
type Request struct {
	Token  string // the client's access key id
	Bucket string

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

// Param is one query parameter.
type Param struct{ Name, Value string }
