package copier

import (
	"encoding/xml"
	"io"
	"net/http"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/wire"
)

// refusal is a store's refusal in the client's names: its code, and our own words.
func refusal(resp *http.Response, about names.Place) *s3err.Error {
	var said struct{ Code string }
	body, err := io.ReadAll(io.LimitReader(resp.Body, wire.LongestError))
	if err != nil || xml.Unmarshal(body, &said) != nil || !names.IsCode(said.Code) {
		return s3err.ForStatus(resp.StatusCode).With("BucketName", about.Bucket.Name).With("Key", about.Key)
	}
	return s3err.New(resp.StatusCode, said.Code, s3err.Message(said.Code)).With("BucketName", about.Bucket.Name).With("Key", about.Key)
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
