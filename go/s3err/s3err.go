// Package s3err names the errors that the proxy returns: S3 error codes, their
// HTTP status and their XML. Every stage of a request returns such a value;
// only package pipeline writes it.
//
// Codes and statuses are those of AWS's "Error responses" reference
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
package s3err

import (
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"time"
)

// Error is a response with an S3 error code. The message goes to the client, so
// it never contains a secret; the cause goes only to the log.
type Error struct {
	Code    string
	Status  int
	Message string

	details []detail
	cause   error
	wait    time.Duration
}

// detail is an element of the response in addition to those that every error
// has.
type detail struct{ name, value string }

// New makes an error value for the tables of a package. Requests derive their
// own copies from it by Msg and Because.
func New(status int, code, message string) *Error {
	return &Error{Code: code, Status: status, Message: message}
}

// Error implements error: code, message and cause, for logs.
func (e *Error) Error() string {
	s := e.Code + ": " + e.Message
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors.Is compare by code, so that a derived copy still matches
// the value it was made from.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Msg returns a copy with another message for the client.
func (e *Error) Msg(message string) *Error {
	c := *e
	c.Message = message
	return &c
}

// With returns a copy whose XML has one more element. Like the message it goes
// to the client, and to no log.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.details = append(slices.Clip(c.details), detail{name, value})
	return &c
}

// Because returns a copy that carries a cause for the log.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// After returns a copy that says how long to wait before another attempt.
func (e *Error) After(wait time.Duration) *Error {
	c := *e
	c.wait = wait
	return &c
}

// Wait is how long to wait before another attempt; 0: nobody knows.
func (e *Error) Wait() time.Duration { return e.wait }

// From finds the Error in err's chain. Anything else is an InternalError that
// tells the client nothing about its cause.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return InternalError.Because(err)
}

// maxText bounds each text in a response, in bytes. Most are the client's own:
// escaping long ones would make a response several times as long as its
// request.
const maxText = 4 << 10

// XML renders the body of the response. Resource is the path as the client sent
// it. Texts that are too long are cut off.
func (e *Error) XML(resource, requestID string) []byte {
	var b strings.Builder
	b.WriteString(xml.Header)
	b.WriteString("<Error>")
	element(&b, "Code", e.Code)
	element(&b, "Message", e.Message)
	for _, d := range e.details {
		element(&b, d.name, d.value)
	}
	element(&b, "Resource", resource)
	element(&b, "RequestId", requestID)
	b.WriteString("</Error>")
	return []byte(b.String())
}

func element(b *strings.Builder, name, value string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(value[:min(len(value), maxText)])) // a strings.Builder never fails
	b.WriteString("</" + name + ">")
}
