package pipeline

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"osp/go/creds"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/sigv4"
	"osp/go/stores"
	"osp/go/upstream"
)

var payloadKinds = map[sigv4.PayloadKind]payload.Kind{
	sigv4.Unsigned:                 payload.Unsigned,
	sigv4.Hashed:                   payload.Hashed,
	sigv4.StreamingSigned:          payload.StreamingSigned,
	sigv4.StreamingSignedTrailer:   payload.StreamingSignedTrailer,
	sigv4.StreamingUnsignedTrailer: payload.StreamingUnsignedTrailer,
}

// bodySpec reads what the request declares about its body. A kind that this
// table lacks becomes the zero Kind, which payload refuses.
func (x *exchange) bodySpec() (*payload.Spec, error) {
	signed := x.verified.Payload()
	return payload.Parse(payload.Declaration{
		Header:         x.r.Header,
		ContentLength:  x.length(),
		Kind:           payloadKinds[signed.Kind],
		SHA256:         signed.SHA256,
		ObjectChecksum: x.req.Operation == s3op.CompleteMultipartUpload,
	})
}

// maxDocument bounds a body that tells no length, and is read whole. It is that
// of the longest document that S3 takes: DeleteObjects takes 1,000 keys of 1,024
// bytes, and XML may spell a byte with up to six characters.
const maxDocument = 8 << 20

// length is that of the body, -1 if nobody knows it.
func (x *exchange) length() int64 {
	if x.document != nil {
		return x.document.Size()
	}
	return x.r.ContentLength
}

// readDocument takes a document that comes in chunks of HTTP, without a length.
// A store wants to know it beforehand, and so do limits, which have been asked without.
func (x *exchange) readDocument() error {
	if x.r.ContentLength >= 0 || x.document != nil || !x.req.IsDocument() || x.verified.Payload().Streaming() {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(newClientBody(x), maxDocument+1))
	if err != nil {
		return err
	}
	if len(body) > maxDocument {
		return s3err.MaxMessageLengthExceeded
	}
	x.document = bytes.NewReader(body)
	return x.limited(x.limits.CheckSize(x.proposedSize()))
}

// verifiedBody is the client's body behind the reader that verifies it.
func (x *exchange) verifiedBody() (*payload.Reader, *payload.Spec, error) {
	if err := x.readDocument(); err != nil {
		return nil, nil, err
	}
	spec, err := x.bodySpec()
	if err != nil {
		return nil, nil, err
	}
	var signatures payload.ChunkSignatures
	if chunks := x.verified.Chunks(); chunks != nil {
		signatures = chunks
	}
	var body io.Reader = http.NoBody
	switch {
	case x.document != nil:
		body = x.document
	case x.r.Body != http.NoBody:
		body = newClientBody(x)
	}
	reader := payload.NewReader(body, spec, signatures)
	return reader, spec, reader.VerifyEmpty()
}

// wholeBody reads a body that the proxy has to understand, and verifies it.
func (x *exchange) wholeBody(most int64) ([]byte, error) {
	reader, _, err := x.verifiedBody()
	if err != nil {
		return nil, err
	}
	if reader.Len() > most {
		return nil, s3err.MaxMessageLengthExceeded
	}
	return io.ReadAll(reader)
}

// attachWhole lets a call send a body that is here already. The checksums of
// the client's, which was verified, give way to those of this one: MinIO and
// others demand Content-MD5, which newer SDKs no longer send.
func attachWhole(call *upstream.Call, body []byte) {
	payload.Unframe(call.Header)
	dropChecksums(call.Header)
	md5Sum, sha256Sum := md5.Sum(body), sha256.Sum256(body)
	call.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(md5Sum[:]))
	call.PayloadHash = hex.EncodeToString(sha256Sum[:])
	call.Whole = body
}

// attachBody puts the verifying reader between client and store. A body that
// the operation does not have ends here: to a store it might mean something.
func (x *exchange) attachBody(call *upstream.Call) error {
	reader, spec, err := x.verifiedBody()
	if err != nil {
		return err
	}
	if !x.req.HasBody() {
		payload.Unframe(call.Header)
		call.PayloadHash = upstream.EmptyPayload
		return nil
	}
	if x.sumsParts() {
		return x.attachParts(reader, call)
	}
	x.attachVerified(reader, spec, call)
	return nil
}

// attachVerified lets a call send what the reader releases, framed and
// described as the store takes it.
func (x *exchange) attachVerified(reader *payload.Reader, spec *payload.Spec, call *upstream.Call) {
	takes := takesChecksums(x.bucket, call.Creds)
	if spec.Trailer() != payload.None && takes {
		framed := payload.Reframe(reader)
		framed.Describe(call.Header)
		call.Body, call.Length, call.PayloadHash = framed, framed.Len(), call.Header.Get("X-Amz-Content-Sha256")
		return
	}
	payload.Unframe(call.Header)
	if !takes {
		dropChecksums(call.Header)
	}
	call.Body, call.Length, call.PayloadHash = reader, reader.Len(), upstream.UnsignedPayload
	if spec.Kind() == payload.Hashed {
		call.PayloadHash = x.verified.Payload().SHA256
	}
}

// takesChecksums reports whether a bucket's store takes checksums, also as trailers.
// IBM's does not.
func takesChecksums(b *stores.Bucket, c creds.Credentials) bool {
	return !b.VerifyChecksums && c.Bearer.Empty()
}

// dropChecksums removes the checksums that were verified here, for stores that
// refuse to know them.
func dropChecksums(h http.Header) {
	for name := range h {
		if strings.HasPrefix(name, "X-Amz-Checksum-") && name != "X-Amz-Checksum-Mode" || name == "X-Amz-Sdk-Checksum-Algorithm" {
			delete(h, name)
		}
	}
}
