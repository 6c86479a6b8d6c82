package sts

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"

	"osp/go/identity"
	"osp/go/s3err"
	"osp/go/session"
)

// The errors of STS, with its own wording where that is documented
// (https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html and the pages of
// the actions).
var (
	ExpiredToken               = s3err.New(http.StatusBadRequest, "ExpiredTokenException", "The web identity token that was passed is expired.")
	IDPCommunicationError      = s3err.New(http.StatusBadRequest, "IDPCommunicationError", "The identity provider could not be reached to verify the identity token.")
	IDPRejectedClaim           = s3err.New(http.StatusForbidden, "IDPRejectedClaim", "A claim of the identity token was rejected.")
	InsufficientLifetime       = s3err.New(http.StatusBadRequest, "InsufficientSessionLifetime", "DurationSeconds is longer than the calling session lasts.")
	InvalidAction              = s3err.New(http.StatusBadRequest, "InvalidAction", "The action or operation requested is invalid.")
	InvalidIdentityToken       = s3err.New(http.StatusBadRequest, "InvalidIdentityToken", "The web identity token that was passed could not be validated.")
	InvalidSubjectCredentials  = s3err.New(http.StatusBadRequest, "InvalidSubjectCredentials", "The request has to be signed with temporary keys that were issued here.")
	MalformedPolicyDocument    = s3err.New(http.StatusBadRequest, "MalformedPolicyDocument", "The policy document was malformed.")
	MalformedQueryString       = s3err.New(http.StatusBadRequest, "MalformedQueryString", "The query or the form contains a syntax error.")
	MissingAction              = s3err.New(http.StatusBadRequest, "MissingAction", "The request is missing an action or a required parameter.")
	MissingAuthenticationToken = s3err.New(http.StatusForbidden, "MissingAuthenticationToken", "The request must be signed.")
	MissingParameter           = s3err.New(http.StatusBadRequest, "MissingParameter", "A required parameter is missing.")
	PackedPolicyTooLarge       = s3err.New(http.StatusBadRequest, "PackedPolicyTooLarge", "The policies and tags of the session are larger than a session token has room for.")
	ValidationError            = s3err.New(http.StatusBadRequest, "ValidationError", "The input fails to satisfy the constraints specified by the service.")
)

// foreign are S3's codes for what happens at both, and STS's.
var foreign = map[string]*s3err.Error{
	s3err.AuthorizationHeaderMalformed.Code: s3err.New(http.StatusBadRequest, "IncompleteSignature", ""),
	s3err.AuthorizationQueryError.Code:      s3err.New(http.StatusBadRequest, "IncompleteSignature", ""),
	s3err.ExpiredToken.Code:                 s3err.New(http.StatusForbidden, "ExpiredToken", ""),
	s3err.IncompleteBody.Code:               s3err.New(http.StatusBadRequest, "ValidationError", ""),
	s3err.InternalError.Code:                s3err.New(http.StatusInternalServerError, "InternalFailure", ""),
	s3err.InvalidAccessKeyID.Code:           s3err.New(http.StatusForbidden, "InvalidClientTokenId", ""),
	s3err.InvalidArgument.Code:              s3err.New(http.StatusBadRequest, "IncompleteSignature", ""),
	s3err.InvalidRequest.Code:               s3err.New(http.StatusBadRequest, "IncompleteSignature", ""),
	s3err.InvalidToken.Code:                 s3err.New(http.StatusForbidden, "InvalidClientTokenId", ""),
	s3err.InvalidURI.Code:                   s3err.New(http.StatusBadRequest, "MalformedQueryString", ""),
	s3err.MaxMessageLengthExceeded.Code:     s3err.New(http.StatusBadRequest, "ValidationError", ""),
	s3err.NotImplemented.Code:               s3err.New(http.StatusBadRequest, "IncompleteSignature", ""),
	s3err.RequestTimeTooSkewed.Code:         s3err.New(http.StatusBadRequest, "RequestExpired", ""),
	s3err.SlowDown.Code:                     s3err.New(http.StatusBadRequest, "Throttling", ""),
}

// Translate returns an error with STS's code for what S3 and STS name differently. Its
// details, which belong to S3's form of an error, are lost.
func Translate(e *s3err.Error) *s3err.Error {
	code, status := e.Code, e.Status
	if f := foreign[e.Code]; f != nil {
		code, status = f.Code, f.Status
	}
	return s3err.New(status, code, e.Message).Because(errors.Unwrap(e))
}

// ErrorXML is the body of the response to what was refused.
func ErrorXML(e *s3err.Error, requestID string) []byte {
	type failure struct {
		Type, Code, Message string
	}
	kind := "Sender"
	if e.Status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	return document(struct {
		XMLName   xml.Name
		Error     failure
		RequestID string `xml:"RequestId"`
	}{xml.Name{Space: namespace, Local: "ErrorResponse"}, failure{kind, e.Code, e.Message}, requestID})
}

// ErrorJSON is the same in the protocol of container credentials.
func ErrorJSON(e *s3err.Error, _ string) []byte {
	body, err := json.Marshal(struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{e.Code, e.Message})
	if err != nil {
		panic(err) // two texts can't fail
	}
	return body
}

// refusedToken is the error for an identity token that proves nothing. What package
// identity says quotes none of it.
func refusedToken(err error) error {
	for sentinel, e := range map[error]*s3err.Error{
		identity.ErrInvalid: InvalidIdentityToken, identity.ErrExpired: ExpiredToken,
		identity.ErrRejected: IDPRejectedClaim, identity.ErrAway: IDPCommunicationError,
	} {
		if errors.Is(err, sentinel) {
			return e.Msg(err.Error()).Because(err)
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return IDPCommunicationError.Because(err)
	}
	return err
}

// refusedSession is the error for a session that can't be issued.
func refusedSession(err error) error {
	if errors.Is(err, session.ErrTooLarge) {
		return PackedPolicyTooLarge.Because(err)
	}
	return err
}
