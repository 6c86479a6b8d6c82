package sigv4

import (
	"strconv"
	"time"

	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/wire"
)

const (
	maxExpires = 7 * 24 * 3600 // seconds; AWS's limit for presigned URLs
	// otherValidity is how long a presigned URL for another service than S3 is good at
	// most, whatever it says: STS takes none that is older.
	otherValidity = 15 * time.Minute
)

// queryClaim holds the authentication parameters of a query, decoded. A nil
// field means that the parameter is absent.
type queryClaim struct {
	algorithm, credential, date, expires, signedHeaders, signature *string
	token, payloadHash                                             *string

	values [8]string // what the fields point to
	found  int       // of values

	v2      bool // the query has parameters of signature version 2
	doubled bool // one of the parameters occurs twice
}

// claimIn finds the authentication parameters, nil if the query is not that of
// a presigned URL. Names are case-sensitive, as in S3: a parameter in another
// case is an ordinary one, and signed like any other.
func claimIn(query []param) *queryClaim {
	if len(query) == 0 {
		return nil
	}
	var c queryClaim
	for i := range query {
		p := &query[i]
		if into := c.field(p.name); into != nil {
			if *into != nil {
				c.doubled = true
				continue
			}
			*into = &c.values[c.found]
			**into, _ = wire.Decode(p.value, wire.InQuery) // it is canonical, so it can be decoded
			c.found++
		} else if p.name == "AWSAccessKeyId" || p.name == "Signature" {
			c.v2 = true
		}
	}
	switch {
	case c.algorithm != nil || c.credential != nil || c.signature != nil:
		c.v2 = false
		return &c
	case c.v2:
		return &c
	}
	return nil
}

func (c *queryClaim) field(name string) **string {
	switch name {
	case wire.AlgorithmParam:
		return &c.algorithm
	case wire.CredentialParam:
		return &c.credential
	case wire.DateParam:
		return &c.date
	case wire.ExpiresParam:
		return &c.expires
	case wire.SignedHeadersParam:
		return &c.signedHeaders
	case wire.SignatureParam:
		return &c.signature
	case wire.SecurityTokenParam:
		return &c.token
	case wire.ContentHashParam:
		return &c.payloadHash
	}
	return nil
}

// parseQueryAuth reads the signature of a presigned URL.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func parseQueryAuth(r *Request, query []param, h authHeaders, c *queryClaim) (*SignedRequest, error) {
	if c.algorithm == nil || c.credential == nil || c.date == nil || c.expires == nil ||
		c.signedHeaders == nil || c.signature == nil || c.doubled {
		return nil, errQueryParts
	}
	switch *c.algorithm {
	case algorithm:
	case algorithmECDSA:
		return nil, errSigV4A
	default:
		return nil, refuseQuery(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	}
	s := &SignedRequest{mechanism: InQuery, signature: *c.signature, timestamp: *c.date}
	var err error
	if s.cred, err = parseCredential(*c.credential, r.service(), refuseQueryCredential); err != nil {
		return nil, err
	}
	if s.signed, err = splitSignedHeaders(*c.signedHeaders, refuseQuery); err != nil {
		return nil, err
	}
	if err := checkSignature(s.signature); err != nil {
		return nil, err
	}
	var ok bool
	if s.time, ok = parseBasicTime(s.timestamp); !ok {
		return nil, refuseQuery(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
	}
	if s.timestamp[:8] != s.cred.date {
		return nil, refuseQuery("Invalid credential date " + quote(s.cred.date) + ". This date is not the same as X-Amz-Date: " + quote(s.timestamp[:8]) + ".")
	}
	if s.expires, err = parseExpires(*c.expires); err != nil {
		return nil, err
	}
	if s.token, err = sessionToken(h.token, c.token); err != nil {
		return nil, err
	}
	hash, err := presignedHash(h.payloadHash, c.payloadHash)
	if err != nil {
		return nil, err
	}
	if r.service() != S3 {
		s.expires = min(s.expires, otherValidity)
		if hash != unsignedPayload && hash != r.BodyHash {
			return nil, errPayloadHash
		}
		hash = r.BodyHash
	}
	return s.finish(r, query, hash)
}

func parseExpires(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return 0, refuseQuery("X-Amz-Expires should be a number")
	case n < 0:
		return 0, refuseQuery("X-Amz-Expires must be non-negative")
	case n == 0:
		return 0, refuseQuery("X-Amz-Expires must be at least one second")
	case n > maxExpires:
		return 0, refuseQuery("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	return time.Duration(n) * time.Second, nil
}

// presignedHash is the payload hash of a presigned URL's canonical request. A
// header that the signer did not know of does not match the signature, which is
// the safe side: a body is framed as the signer said, or not at all.
func presignedHash(header []string, query *string) (string, error) {
	switch {
	case len(header) > 1 || len(header) == 1 && query != nil && header[0] != *query:
		return "", errPayloadHash
	case query != nil:
		return *query, nil
	case len(header) == 1:
		return header[0], nil
	}
	return unsignedPayload, nil
}

// sessionToken is the token of temporary credentials. If it is given in both
// places, the two must agree.
func sessionToken(header []string, query *string) (secret.Text, error) {
	switch {
	case len(header) > 1 || len(header) == 1 && query != nil && header[0] != *query:
		return secret.Text{}, s3err.InvalidToken
	case query != nil:
		return secret.NewText(*query), nil
	case len(header) == 1:
		return secret.NewText(header[0]), nil
	}
	return secret.Text{}, nil
}
