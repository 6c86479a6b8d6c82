package proxy

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"strings"

	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3req"
	"osp/go/sigv4"
	"osp/go/upstream"
)

// maxDeleteList bounds the body of DeleteObjects: S3 takes 1,000 keys of 1,024
// bytes, and XML may spell a byte with up to six characters.
const maxDeleteList = 8 << 20

var payloadKinds = map[sigv4.PayloadKind]payload.Kind{
	sigv4.Unsigned:                 payload.Unsigned,
	sigv4.Hashed:                   payload.Hashed,
	sigv4.StreamingSigned:          payload.StreamingSigned,
	sigv4.StreamingSignedTrailer:   payload.StreamingSignedTrailer,
	sigv4.StreamingUnsignedTrailer: payload.StreamingUnsignedTrailer,
}

// bodySpec reads what the request declares about its body. A kind that this
// table lacks becomes the zero Kind, which payload refuses.
func (h *handler) bodySpec(x *exchange) (*payload.Spec, error) {
	signed := x.verified.Payload()
	return payload.Parse(payload.Declaration{
		Header:         x.r.Header,
		ContentLength:  x.r.ContentLength,
		Kind:           payloadKinds[signed.Kind],
		SHA256:         signed.SHA256,
		ObjectChecksum: x.req.Operation == s3req.CompleteMultipartUpload,
	})
}

// attachBody puts the verifying reader between client and store.
func (h *handler) attachBody(x *exchange, call *upstream.Call) error {
	spec, err := h.bodySpec(x)
	if err != nil {
		return err
	}
	var signatures payload.ChunkSignatures
	if chunks := x.verified.Chunks(); chunks != nil {
		signatures = chunks
	}
	reader := payload.NewReader(&pacedBody{body: x.r.Body, conn: x.w.conn}, spec, signatures)
	return h.attachVerified(x, reader, spec, call)
}

// attachVerified lets a call send what the reader releases, framed and
// described as the store takes it.
func (h *handler) attachVerified(x *exchange, reader *payload.Reader, spec *payload.Spec, call *upstream.Call) error {
	if err := reader.VerifyEmpty(); err != nil {
		return err
	}
	withoutChecksums := x.bucket.VerifyChecksums || !call.Creds.Bearer.Empty()
	if spec.Trailer() != payload.None && !withoutChecksums {
		framed := payload.Reframe(reader)
		framed.Describe(call.Header)
		call.Body, call.Length, call.PayloadHash = framed, framed.Len(), call.Header.Get("X-Amz-Content-Sha256")
		return nil
	}
	payload.Unframe(call.Header)
	if withoutChecksums {
		dropChecksums(call.Header)
	}
	call.Body, call.Length, call.PayloadHash = reader, reader.Len(), upstream.UnsignedPayload
	if spec.Kind() == payload.Hashed {
		call.PayloadHash = x.verified.Payload().SHA256
	}
	if x.req.Operation == s3req.DeleteObjects {
		return addMD5(call)
	}
	return nil
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

// addMD5 gives DeleteObjects the Content-MD5 that MinIO and others demand and
// newer SDKs no longer send.
func addMD5(call *upstream.Call) error {
	if call.Length > maxDeleteList {
		return s3err.MaxMessageLengthExceeded
	}
	list, err := io.ReadAll(call.Body)
	if err != nil {
		return err
	}
	call.Body = bytes.NewReader(list)
	sum := md5.Sum(list)
	call.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
	return nil
}
