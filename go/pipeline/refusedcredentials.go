package pipeline

import (
	"encoding/xml"
	"fmt"
	"net/http"

	"osp/go/s3err"
	"osp/go/upstream"
	"osp/go/wire"
)

// refusedCredentials is a store's refusal that is, or may be, about the
// credentials that the proxy used.
type refusedCredentials struct {
	certain bool // it says so; otherwise it says nothing at all
	store   string
	status  int
	code    string
}

// error is what the client gets instead of the store's refusal: that one names
// the store's access key, and would make the client look for the mistake in
// its own.
func (c *refusedCredentials) error() error {
	return s3err.AccessDenied.
		Msg("The object store refused the credentials that this endpoint holds for the bucket.").
		Because(fmt.Errorf("store %s responded with %d %s", c.store, c.status, c.code))
}

// credentialsRefusedBy looks at a store's 400, 401 or 403 and leaves it whole. Nil
// means that it is about something else. Refusals of all kinds are legible then.
func (x *exchange) credentialsRefusedBy(call *upstream.Call, resp *http.Response) (*refusedCredentials, error) {
	legible, err := x.decodeRefusal(resp)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return nil, nil
	}
	c := &refusedCredentials{store: call.Bucket.Host, status: resp.StatusCode}
	if call.Method == http.MethodHead || !legible { // it has no body that could tell
		return c, nil
	}
	head, err := wire.Peek(&resp.Body, wire.LongestError)
	if err != nil {
		_ = resp.Body.Close() // it is broken off
		return nil, s3err.BadGateway.Because(err)
	}
	var refusal struct{ Code string }
	if xml.Unmarshal(head, &refusal) == nil {
		c.code = refusal.Code
	}
	// IBM's gateways answer to a token that has ended by the status alone.
	c.certain = aboutCredentials(c.code) || resp.StatusCode == http.StatusUnauthorized && len(head) == 0
	if !c.certain {
		return nil, nil
	}
	return c, nil
}

func aboutCredentials(code string) bool {
	switch code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidTokenId", "TokenRefreshRequired",
		"RequestTimeTooSkewed", "RequestExpired", "AuthorizationHeaderMalformed", "InvalidSecurity":
		return true
	}
	return false
}
