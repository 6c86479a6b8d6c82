package s3err

import "net/http"

// The errors that the proxy itself returns, with AWS's own wording where AWS
// documents it.
var (
	AccessDenied                 = New(http.StatusForbidden, "AccessDenied", "Access Denied")
	AuthorizationHeaderMalformed = New(http.StatusBadRequest, "AuthorizationHeaderMalformed", "The authorization header you provided is malformed.")
	AuthorizationQueryError      = New(http.StatusBadRequest, "AuthorizationQueryParametersError", "The authorization query parameters you provided are malformed.")
	BadDigest                    = New(http.StatusBadRequest, "BadDigest", "The Content-MD5 or checksum value that you specified did not match what the server received.")
	EntityTooLarge               = New(http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
	EntityTooSmall               = New(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
	ExpiredToken                 = New(http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	IncompleteBody               = New(http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header.")
	InternalError                = New(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
	InvalidAccessKeyID           = New(http.StatusForbidden, "InvalidAccessKeyId", "The AWS access key ID that you provided does not exist in our records.")
	InvalidArgument              = New(http.StatusBadRequest, "InvalidArgument", "Invalid Argument")
	InvalidBucketName            = New(http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid.")
	InvalidDigest                = New(http.StatusBadRequest, "InvalidDigest", "The Content-MD5 or checksum value that you specified is not valid.")
	InvalidPolicyDocument        = New(http.StatusBadRequest, "InvalidPolicyDocument", "The content of the form does not meet the conditions specified in the policy document.")
	InvalidRequest               = New(http.StatusBadRequest, "InvalidRequest", "Invalid Request")
	InvalidToken                 = New(http.StatusBadRequest, "InvalidToken", "The provided token is malformed or otherwise not valid.")
	InvalidURI                   = New(http.StatusBadRequest, "InvalidURI", "The specified URI couldn't be parsed.")
	KeyTooLong                   = New(http.StatusBadRequest, "KeyTooLongError", "Your key is too long.")
	MalformedPOSTRequest         = New(http.StatusBadRequest, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	MalformedTrailer             = New(http.StatusBadRequest, "MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	InvalidPart                  = New(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag.")
	MalformedXML                 = New(http.StatusBadRequest, "MalformedXML", "The XML that you provided was not well formed or did not validate against our published schema.")
	MaxMessageLengthExceeded     = New(http.StatusBadRequest, "MaxMessageLengthExceeded", "Your request was too large.")
	MethodNotAllowed             = New(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
	MissingContentLength         = New(http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	NoSuchBucket                 = New(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist.")
	NoSuchUpload                 = New(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	NotImplemented               = New(http.StatusNotImplemented, "NotImplemented", "A header or query parameter that you provided implies functionality that is not implemented.")
	HeaderSectionTooLarge        = New(http.StatusRequestHeaderFieldsTooLarge, "RequestHeaderSectionTooLarge", "Your request header section exceeds the maximum allowed size.")
	QuotaExceeded                = New(http.StatusForbidden, "QuotaExceeded", "You have used up what you are allowed in a day.")
	RequestTimeTooSkewed         = New(http.StatusForbidden, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large.")
	RequestTimeout               = New(http.StatusBadRequest, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period.")
	ServiceUnavailable           = New(http.StatusServiceUnavailable, "ServiceUnavailable", "Service is unable to handle request.")
	SignatureDoesNotMatch        = New(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature that we calculated does not match the signature that you provided. Check your AWS secret access key and signing method.")
	SlowDown                     = New(http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	ContentSHA256Mismatch        = New(http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")

	// BadGateway and GatewayTimeout say that the store, not the proxy, failed.
	// S3 has no code of its own for them; SDKs retry on the status.
	BadGateway     = New(http.StatusBadGateway, "BadGateway", "The object store behind this endpoint could not be reached or broke off its response.")
	GatewayTimeout = New(http.StatusGatewayTimeout, "GatewayTimeout", "The object store behind this endpoint did not respond in time.")
)
