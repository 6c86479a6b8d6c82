package sigv4

import (
	"slices"
	"strings"

	"osp/go/s3err"
)

var (
	errTwoBearers   = s3err.InvalidArgument.Msg("Only one Authorization header with a bearer token is allowed, and nothing else that authenticates.")
	errBearerChunks = s3err.InvalidRequest.Msg("A request with a bearer token has no chunk signatures.")
)

// BearerToken returns the bearer token that a request claims to have, empty if there is
// none. It is found in the Authorization header and nowhere else: what is in a URL is in
// histories and logs.
func BearerToken(r *Request) string {
	for _, value := range scanHeaders(r.Header).authorization {
		if kind, token, _ := strings.Cut(strings.Trim(value, " \t"), " "); strings.EqualFold(kind, "Bearer") {
			return strings.Trim(token, " \t")
		}
	}
	return ""
}

// Bearer lets a request pass whose bearer token proves who sent it, for a caller who has
// verified that token. Nothing is signed, so all that came counts as sent: the connection
// is to see to that. The result has no access key, and its Verified is false. Errors are
// *s3err.Error values.
func Bearer(r *Request) (*VerifiedRequest, error) {
	query, err := parseQuery(r.RawQuery)
	if err != nil {
		return nil, err
	}
	headers := scanHeaders(r.Header)
	if len(headers.authorization) != 1 || claimIn(query) != nil || headers.token != nil {
		return nil, errTwoBearers
	}
	s := &SignedRequest{mechanism: InBearer, payload: Payload{Kind: Unsigned}}
	switch len(headers.payloadHash) {
	case 0:
	case 1:
		if s.payload, err = parsePayload(headers.payloadHash[0]); err != nil {
			return nil, err
		}
	default:
		return nil, errPayloadHash
	}
	if s.payload.Kind == StreamingSigned || s.payload.Kind == StreamingSignedTrailer {
		return nil, errBearerChunks
	}
	for name := range r.Header {
		s.signed = append(s.signed, strings.ToLower(name))
	}
	slices.Sort(s.signed)
	if repeated := len(s.signed); len(slices.Compact(s.signed)) != repeated {
		return nil, errSpeltTwice
	}
	return &VerifiedRequest{signed: s}, nil
}
