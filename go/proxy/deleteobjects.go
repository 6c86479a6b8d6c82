package proxy

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"

	"osp/go/access"
	"osp/go/hooks"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/upstream"
	"osp/go/view"
)

// maxDeleteList bounds the body of DeleteObjects: S3 takes 1,000 keys of 1,024
// bytes, and XML may spell a byte with up to six characters.
const maxDeleteList = 8 << 20

// authorizeDeletions reads the list of keys and asks about each. What is
// refused leaves the list and goes into the answer.
func (h *handler) authorizeDeletions(x *exchange, question *hooks.Request) error {
	reader, _, err := h.verifiedBody(x)
	if err != nil {
		return err
	}
	if reader.Len() > maxDeleteList {
		return s3err.MaxMessageLengthExceeded
	}
	body, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	if x.deletions, err = view.ParseDeletions(body); err != nil {
		return err
	}
	questions := make([]access.Question, len(x.deletions.Objects))
	for i, object := range x.deletions.Objects {
		questions[i] = access.Question{Request: deletionOf(question, object), TTL: x.bucket.TTL}
	}
	refusals, err := h.access.CheckAll(x.r.Context(), questions)
	if err != nil {
		return err
	}
	var allowed, stay []view.Deletion
	var why []*s3err.Error
	for i, object := range x.deletions.Objects {
		if refusals[i] == nil {
			allowed = append(allowed, object)
			continue
		}
		stay, why = append(stay, object), append(why, s3err.From(refusals[i]))
		h.logRefusal(x, why[len(why)-1])
	}
	x.deletions.Objects, x.refused = allowed, view.Refusals(stay, why)
	return nil
}

// attachDeletions makes the store's list. It is written anew, so that the store
// reads what was authorised and nothing else; the checksums of the client's
// list, which was verified, give way to those of this one. MinIO and others
// demand Content-MD5, which newer SDKs no longer send.
func attachDeletions(x *exchange, call *upstream.Call) error {
	list, err := x.deletions.Render(x.bucket)
	if err != nil {
		return err
	}
	payload.Unframe(call.Header)
	dropChecksums(call.Header)
	md5Sum, sha256Sum := md5.Sum(list), sha256.Sum256(list)
	call.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(md5Sum[:]))
	call.PayloadHash = hex.EncodeToString(sha256Sum[:])
	call.Body, call.Length = bytes.NewReader(list), int64(len(list))
	return nil
}

// answerRefusals answers when no key of the list may be deleted.
func answerRefusals(x *exchange) error {
	return writeXML(x, http.StatusOK, struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
		Errors  []byte   `xml:",innerxml"`
	}{Errors: x.refused})
}
