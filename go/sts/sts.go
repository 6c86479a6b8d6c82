// Package sts speaks the protocol of AWS's Security Token Service, by which clients get
// temporary keys, and that of container credentials, which gives the same for a GET. It
// reads what a client asks for and writes what it gets. Who may have which session is
// for package roles to say, what an identity token proves for package identity; the
// signatures of requests are verified before one comes here. It never listens, and no
// token or secret gets into one of its errors.
//
// The words and bounds are those of the API reference
// (https://docs.aws.amazon.com/STS/latest/APIReference/). What a client says and nobody
// here understands is refused: it might have been meant to narrow.
package sts

import (
	"context"
	"net/http"
	"strings"
	"time"

	"osp/go/access"
	"osp/go/identity"
	"osp/go/roles"
	"osp/go/session"
)

// Options are who is asked.
type Options struct {
	// Identify says what an identity token proves; its errors wrap those of package
	// identity.
	Identify func(ctx context.Context, token string) (*identity.Identity, error)
	// Assume says which session is given for a request, if any.
	Assume func(context.Context, *roles.Request) (session.Session, error)
	// Issue makes the keys of a session; see session.Issuer.
	Issue func(session.Session) (session.Keys, int, error)
	Now   func() time.Time // nil: time.Now
}

// Service answers requests. It is safe for concurrent use. Make it with New.
type Service struct{ Options }

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{o}
}

// Speaks reports whether a request is STS's, by its method, its target as on the wire and
// the type of its body: where the host names no bucket, S3 has nothing at that place that
// could have been meant. A form with a file, and whatever else comes there, is S3's.
func Speaks(r *http.Request) bool {
	target := r.RequestURI
	if target == "" || target[0] != '/' || len(target) > 1 && target[1] != '?' {
		return false
	}
	switch r.Method {
	case http.MethodPost:
		return isForm(r.Header) || namesAction(target)
	case http.MethodGet: // a presigned URL
		return namesAction(target)
	}
	return false
}

func isForm(h http.Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded")
}

func namesAction(target string) bool {
	return strings.HasPrefix(target, "/?Action=") || strings.Contains(target, "&Action=")
}

// Caller is who asks.
type Caller struct {
	// Principal has signed; nil: nobody has, and nobody had to.
	Principal *access.Principal
	ClientIP  string    // empty: unknown
	Since     time.Time // when the request came, before anybody was asked about it
}

// Answer does what a request asks for. Its errors are *s3err.Error values, or ctx's own.
func (s *Service) Answer(ctx context.Context, r *Request, from Caller) (*Response, error) {
	if r.Signed() && from.Principal == nil {
		return nil, MissingAuthenticationToken
	}
	result, err := r.action.do(s, ctx, r, from)
	if err != nil {
		return nil, err
	}
	return &Response{action: r.action.name, result: result}, nil
}
