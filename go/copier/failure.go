package copier

import (
	"encoding/xml"
	"io"
	"net/http"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/wire"
)

// refusal is a store's refusal in the client's names: its code, and our own words. A
// status that is neither the one that was needed nor an error's says nothing that a
// client could rely on.
func refusal(resp *http.Response, about names.Place) *s3err.Error {
	status, unsaid := resp.StatusCode, s3err.ForStatus(resp.StatusCode)
	if status < http.StatusBadRequest || status > 599 {
		status, unsaid = s3err.BadGateway.Status, s3err.BadGateway
	}
	var said struct{ Code string }
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.LongestError))
	if err != nil || xml.Unmarshal(body, &said) != nil || !names.IsCode(said.Code) {
		return unsaid.With("BucketName", about.Bucket.Name).With("Key", about.Key)
	}
	return s3err.New(status, said.Code, s3err.Message(said.Code)).With("BucketName", about.Bucket.Name).With("Key", about.Key)
}

// targetRefusal is what the client is told when the target's store refuses the
// bytes. It has not sent them, so it can't be what is wrong with them.
func targetRefusal(e *s3err.Error) error {
	switch e.Code {
	case s3err.BadDigest.Code, s3err.ContentSHA256Mismatch.Code, "InvalidDigest", "XAmzContentChecksumMismatch":
		return errSource.Because(e)
	}
	return e
}
