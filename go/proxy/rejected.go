package proxy

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"

	"osp/go/s3err"
)

// maxErrorBody bounds how much of a store's refusal is read to learn its code.
const maxErrorBody = 64 << 10

// rejectedKeys looks at a store's 400, 401 or 403. If it is about the
// credentials that the proxy used, the client gets an error of the proxy's
// instead: the store's answer names the store's access key, and would make the
// client look for the mistake in its own. Every other refusal passes, whole.
func (h *handler) rejectedKeys(x *exchange, resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
	default:
		return nil
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return s3err.BadGateway.Because(err)
	}
	var refusal struct{ Code string }
	if xml.Unmarshal(head, &refusal) == nil && aboutCredentials(refusal.Code) {
		return s3err.AccessDenied.
			Msg("The object store refused the credentials that this endpoint holds for the bucket.").
			Because(fmt.Errorf("store %s answered %d %s", x.bucket.Host, resp.StatusCode, refusal.Code))
	}
	if resp.StatusCode == http.StatusUnauthorized && x.bucket.AccessKey == "" && len(head) == 0 {
		return s3err.AccessDenied.Because(errors.New("the store answered 401 without a body"))
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), resp.Body), resp.Body}
	return nil
}

func aboutCredentials(code string) bool {
	switch code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"RequestTimeTooSkewed", "RequestExpired", "AuthorizationHeaderMalformed", "InvalidSecurity":
		return true
	}
	return false
}
