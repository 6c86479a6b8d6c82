// Package sigv4 decides whether a request was signed by the holder of a secret
// key: AWS Signature Version 4 for S3, in the Authorization header, in a
// presigned URL and in a POST policy form, with the signature chain of
// aws-chunked bodies; and for STS, whose requests have their whole body here. A
// signature for one service is none for the other.
//
// The stages are types. Parse and ParsePostPolicy turn what the wire carried
// into a SignedRequest, which proves nothing; only a Verifier turns that into
// a VerifiedRequest. There is no other way to get one.
//
// The package canonicalises the bytes of the wire and never a cleaned or
// decoded copy of them. It does no I/O, starts no goroutine, reads no body and
// never decides what a verified client may do.
//
// Three spellings share one signature, so whoever reads a verified request has
// to give them one meaning too:
//   - a "+" in the query is a space, as S3 and browsers read it; in the path it
//     is a plus sign;
//   - "?acl" is "?acl=", and parameters may come in any order;
//   - a header on two lines is one header whose values are joined by a comma,
//     and a "%2F" in the path is a slash.
//
// Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
// and the pages below it.
package sigv4

import (
	"fmt"
	"net/http"
	"time"

	"osp/go/s3err"
	"osp/go/secret"
)

const (
	algorithm      = "AWS4-HMAC-SHA256"
	algorithmECDSA = "AWS4-ECDSA-P256-SHA256" // SigV4A
	terminator     = "aws4_request"
)

// Service is what a signature is for: the name in its credential scope.
type Service string

// The services. They hash bodies differently: a request to S3 says its hash, or that
// there is none, in x-amz-content-sha256; clients of others leave the field out.
const (
	S3  Service = "s3"
	STS Service = "sts"
)

// Request is what a client's signature covers, as it was on the wire.
type Request struct {
	Service  Service // that the request is for; empty: S3
	Method   string
	RawPath  string // undecoded; begins with "/"
	RawQuery string // undecoded, without the "?"
	// Hosts are the authorities that the client may have signed: the one that
	// it addressed, then those that trusted forwarders report. The first eight
	// are tried, each with and without a default port.
	Hosts  []string
	Header http.Header // without Host
	// ContentLength stands in for a signed Content-Length that Header lacks.
	// Negative means unknown.
	ContentLength int64
	// TransferEncoding stands in for a signed Transfer-Encoding that Header
	// lacks, as it was sent.
	TransferEncoding []string
	// BodyHash is the SHA-256 of the body, in lower-case hex, for services other than
	// S3. A body's signature is a promise at S3, about bytes to come; here it is kept.
	BodyHash string
}

func (r *Request) service() Service {
	if r.Service == "" {
		return S3
	}
	return r.Service
}

// Mechanism says where a signature was found. The zero Mechanism is that of a
// request that was never parsed.
type Mechanism uint8

// The mechanisms.
const (
	InHeader Mechanism = iota + 1
	InQuery            // of a presigned URL
	InForm             // of a POST policy form
	Nowhere            // nobody signed, and nobody had to
	InBearer           // nobody signed: a bearer token says who sent it
)

// String implements fmt.Stringer.
func (m Mechanism) String() string {
	return [...]string{"unsigned", "header", "presigned", "form", "anonymous", "bearer"}[m]
}

// SignedRequest is a request that claims a signature. It is parsed and
// complete, but nothing in it is verified: use it to look up the secret of
// AccessKey, and for nothing else. It keeps Hosts of the Request.
type SignedRequest struct {
	mechanism Mechanism
	cred      credential
	time      time.Time
	timestamp string        // time as the string to sign has it
	expires   time.Duration // presigned only
	signature string        // 64 lower-case hex digits
	token     secret.Text
	signed    []string // names in SignedHeaders, sorted
	payload   Payload

	// canonical is the canonical request with hosts[0] in it, at hostAt, of
	// hostLen bytes.
	canonical []byte
	hostAt    int
	hostLen   int
	hosts     []string

	policy *policy // form only
}

// AccessKey is the access key id that the request claims: any text, kilobytes
// long, with slashes if the client likes.
func (s *SignedRequest) AccessKey() string { return s.cred.accessKey }

// Region is the region of the claimed credential scope.
func (s *SignedRequest) Region() string { return s.cred.region }

// Presigned reports whether the signature travels in the query.
func (s *SignedRequest) Presigned() bool { return s.mechanism == InQuery }

// SessionToken is what came with a temporary key; empty: nothing did.
func (s *SignedRequest) SessionToken() secret.Text { return s.token }

// Format keeps signature, token and canonical request out of logs, whatever
// the verb.
func (s SignedRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "sigv4.SignedRequest(%s)", s.mechanism)
}

// Parse reads the signature of r. Errors are *s3err.Error: AccessDenied if
// there is none, otherwise AWS's code for what is malformed, missing,
// duplicated or not supported.
func Parse(r *Request) (*SignedRequest, error) {
	if len(r.RawPath) == 0 || r.RawPath[0] != '/' {
		return nil, s3err.InvalidURI
	}
	if len(r.Hosts) == 0 {
		return nil, missingHeader("host")
	}
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return nil, err
	}
	headers := scanHeaders(r.Header)
	claim := claimIn(query)
	switch {
	case headers.authorization != nil && claim != nil:
		return nil, errTwoMechanisms
	case headers.authorization != nil:
		return parseHeaderAuth(r, query, headers)
	case claim == nil:
		return nil, s3err.AccessDenied
	case claim.v2:
		return nil, errOldMechanism
	default:
		return parseQueryAuth(r, query, headers, claim)
	}
}

// finish does what header and query authentication share: it binds the headers
// and the payload hash to the signature through the canonical request.
func (s *SignedRequest) finish(r *Request, query []param, hash string) (*SignedRequest, error) {
	var room [16][]string
	values, err := collectSigned(room[:], r.Header, s.signed)
	if err != nil {
		return nil, err
	}
	if s.payload, err = parsePayload(hash); err != nil {
		return nil, err
	}
	s.hosts = r.Hosts
	return s, s.canonicalise(r, query, values, hash)
}
