package s3err

import (
	"maps"
	"net/http"
)

// messages are AWS's texts for codes that stores return and the proxy itself
// does not
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
var messages = map[string]string{
	"AccountProblem":                                 "There is a problem with your AWS account that prevents the operation from completing successfully.",
	"AllAccessDisabled":                              "All access to this Amazon S3 resource has been disabled.",
	"BucketAlreadyExists":                            "The requested bucket name is not available. Select a different name and try again.",
	"BucketAlreadyOwnedByYou":                        "The bucket that you tried to create already exists, and you own it.",
	"BucketNotEmpty":                                 "The bucket that you tried to delete is not empty.",
	"ConditionalRequestConflict":                     "The conditional request cannot succeed due to a conflicting operation against this resource.",
	"IdempotencyParameterMismatch":                   "The request uses the same client token as a previous, but non-identical request.",
	"IllegalLocationConstraintException":             "The location constraint is not valid for the region that the request was sent to.",
	"InvalidEncryptionAlgorithmError":                "The encryption request that you specified is not valid. The valid value is AES256.",
	"InvalidObjectState":                             "The operation is not valid for the current state of the object.",
	"InvalidPartOrder":                               "The list of parts was not in ascending order. Parts list must be specified in order by part number.",
	"InvalidRange":                                   "The requested range is not satisfiable.",
	"InvalidStorageClass":                            "The storage class that you specified is not valid.",
	"InvalidTag":                                     "Your request contains tag input that is not valid.",
	"MetadataTooLarge":                               "Your metadata headers exceed the maximum allowed metadata size.",
	"NoSuchBucketPolicy":                             "The specified bucket does not have a bucket policy.",
	"NoSuchCORSConfiguration":                        "The specified bucket does not have a CORS configuration.",
	"NoSuchKey":                                      "The specified key does not exist.",
	"NoSuchLifecycleConfiguration":                   "The specified lifecycle configuration does not exist.",
	"NoSuchObjectLockConfiguration":                  "The specified object does not have an ObjectLock configuration.",
	"NoSuchTagSet":                                   "There is no tag set associated with the object or bucket.",
	"NoSuchVersion":                                  "The version ID that you specified does not match an existing version.",
	"NoSuchWebsiteConfiguration":                     "The specified bucket does not have a website configuration.",
	"ObjectLockConfigurationNotFoundError":           "The Object Lock configuration does not exist for this bucket.",
	"OperationAborted":                               "A conflicting conditional operation is currently in progress against this resource. Try again.",
	"OwnershipControlsNotFoundError":                 "The bucket ownership controls were not found.",
	"PermanentRedirect":                              "The bucket that you are attempting to access must be addressed using another endpoint.",
	"PreconditionFailed":                             "At least one of the pre-conditions you specified did not hold.",
	"QuotaExceeded":                                  "The quota of the bucket is used up.",
	"ReplicationConfigurationNotFoundError":          "The replication configuration was not found.",
	"RestoreAlreadyInProgress":                       "The object restore is already in progress.",
	"ServerSideEncryptionConfigurationNotFoundError": "The server-side encryption configuration was not found.",
	"TemporaryRedirect":                              "You are being redirected to the bucket while the Domain Name System server is being updated.",
	"TooManyParts":                                   "The upload has too many parts.",
}

// byStatus are the codes for refusals of which only the status is known.
var byStatus = map[int]string{
	http.StatusMovedPermanently: "PermanentRedirect", http.StatusTemporaryRedirect: "TemporaryRedirect",
	http.StatusUnauthorized: "AccessDenied", http.StatusForbidden: "AccessDenied",
	http.StatusNotFound:         "NotFound", // a bucket, a key, a version
	http.StatusMethodNotAllowed: "MethodNotAllowed", http.StatusConflict: "OperationAborted", http.StatusLengthRequired: "MissingContentLength",
	http.StatusPreconditionFailed: "PreconditionFailed", http.StatusRequestedRangeNotSatisfiable: "InvalidRange",
	http.StatusTooManyRequests: "SlowDown", http.StatusNotImplemented: "NotImplemented", http.StatusServiceUnavailable: "ServiceUnavailable",
}

// own are the errors of this package that stores return too.
var own = []*Error{
	AccessDenied, AuthorizationHeaderMalformed, AuthorizationQueryError, BadDigest, ContentSHA256Mismatch, EntityTooLarge,
	EntityTooSmall, ExpiredToken, IncompleteBody, InternalError, InvalidAccessKeyID, InvalidArgument, InvalidBucketName,
	InvalidDigest, InvalidPart, InvalidPolicyDocument, InvalidRequest, InvalidToken, InvalidURI, KeyTooLong, MalformedPOSTRequest,
	MalformedTrailer, MalformedXML, MaxMessageLengthExceeded, MethodNotAllowed, MissingContentLength, NoSuchBucket, NoSuchUpload,
	NotImplemented, RequestTimeTooSkewed, RequestTimeout, ServiceUnavailable, SignatureDoesNotMatch, SlowDown,
}

var known = wordings()

func wordings() map[string]string {
	all := maps.Clone(messages)
	for _, e := range own {
		all[e.Code] = e.Message
	}
	return all
}

// Message returns what a store's code means, in our own words.
func Message(code string) string {
	if message, ok := known[code]; ok {
		return message
	}
	return "The object store refused the request."
}

// ForStatus returns an error for a store's refusal of which only the status is
// known.
func ForStatus(status int) *Error {
	code, ok := byStatus[status]
	switch {
	case ok:
	case status >= http.StatusInternalServerError:
		code = InternalError.Code
	default:
		code = InvalidRequest.Code
	}
	return New(status, code, Message(code))
}
