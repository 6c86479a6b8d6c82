package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// ClaimsSignature reports whether a request claims a signature of any kind. A
// malformed, outdated or doubled one is a claim as well.
func ClaimsSignature(r *Request) bool {
	query, err := parseQuery(r.RawQuery)
	return err != nil || claimIn(query) != nil || scanHeaders(r.Header).authorization != nil
}

// anonymousHeaders are the x-amz-* fields that a read without a signature may
// have: they say how to respond, and grant nothing.
var anonymousHeaders = []string{
	"x-amz-checksum-mode", "x-amz-content-sha256", "x-amz-date", "x-amz-expected-bucket-owner", "x-amz-max-parts",
	"x-amz-object-attributes", "x-amz-optional-object-attributes", "x-amz-part-number-marker", "x-amz-request-payer",
	"x-amz-server-side-encryption-customer-algorithm", "x-amz-server-side-encryption-customer-key",
	"x-amz-server-side-encryption-customer-key-md5", "x-amz-user-agent",
}

// Anonymous lets a GET or HEAD without a signature pass, for a caller that has
// decided that this bucket may be read like that. The result has no access key,
// its Verified is false, and it may have no body. Errors are *s3err.Error
// values.
func Anonymous(r *Request) (*VerifiedRequest, error) {
	if ClaimsSignature(r) || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, notSigned(r.Method)
	}
	s := &SignedRequest{mechanism: Nowhere}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if !strings.HasPrefix(lower, "x-amz-") {
			continue
		}
		if !slices.Contains(anonymousHeaders, lower) {
			return nil, notSigned(name)
		}
		s.signed = append(s.signed, lower)
	}
	slices.Sort(s.signed)
	nothing := sha256.Sum256(nil)
	s.payload = Payload{Kind: Hashed, SHA256: hex.EncodeToString(nothing[:])}
	return &VerifiedRequest{signed: s}, nil
}
