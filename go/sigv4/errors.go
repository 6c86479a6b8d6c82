package sigv4

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"osp/go/s3err"
)

// The wording is AWS's own where S3 is known to use it.
var (
	errTwoMechanisms = s3err.InvalidArgument.Msg("Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	errOldMechanism  = s3err.InvalidRequest.Msg("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	errOneSpace      = s3err.InvalidArgument.Msg("Authorization header is invalid -- one and only one ' ' (space) required.")
	errUnknownType   = s3err.InvalidArgument.Msg("Unsupported Authorization Type")
	errSigV4A        = s3err.NotImplemented.Msg("AWS4-ECDSA-P256-SHA256 (SigV4A) signatures are not supported. Please use AWS4-HMAC-SHA256.")

	errNoDate        = s3err.AccessDenied.Msg("AWS authentication requires a valid Date or x-amz-date header")
	errNotYetValid   = s3err.AccessDenied.Msg("Request is not yet valid")
	errExpired       = s3err.AccessDenied.Msg("Request has expired")
	errPayloadHash   = s3err.InvalidArgument.Msg("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")
	errSpeltTwice    = s3err.InvalidRequest.Msg("A header is present in more than one spelling.")
	errPolicyExpired = s3err.AccessDenied.Msg("Invalid according to Policy: Policy expired.")
	errQueryParts    = s3err.AuthorizationQueryError.Msg("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
)

// refuse puts a detail into the error code of the place where it was found.
type refuse func(detail string) *s3err.Error

func refuseHeader(detail string) *s3err.Error {
	return s3err.AuthorizationHeaderMalformed.Msg("The authorization header is malformed; " + detail)
}

func refuseQuery(detail string) *s3err.Error { return s3err.AuthorizationQueryError.Msg(detail) }

func refuseQueryCredential(detail string) *s3err.Error {
	return refuseQuery("Error parsing the X-Amz-Credential parameter; " + detail)
}

func refuseForm(detail string) *s3err.Error { return s3err.InvalidArgument.Msg(detail) }

func missingHeader(name string) *s3err.Error {
	return s3err.InvalidRequest.Msg("Missing required header for this request: " + name)
}

func notSigned(names ...string) *s3err.Error {
	for i, name := range names {
		names[i] = strings.ToLower(name)
	}
	slices.Sort(names)
	list := strings.Join(names, ", ")
	return s3err.AccessDenied.Msg("There were headers present in the request which were not signed").
		With("HeadersNotSigned", list).Because(errors.New("not signed: " + quote(list)))
}

// quote makes a client's text safe for a message: escaped, and of bounded
// length.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}
