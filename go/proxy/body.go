package proxy

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3req"
	"osp/go/sigv4"
	"osp/go/upstream"
)

// emptyHash is the SHA-256 of no bytes.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

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

// verifiedBody is the client's body behind the reader that verifies it.
func (h *handler) verifiedBody(x *exchange) (*payload.Reader, *payload.Spec, error) {
	spec, err := h.bodySpec(x)
	if err != nil {
		return nil, nil, err
	}
	var signatures payload.ChunkSignatures
	if chunks := x.verified.Chunks(); chunks != nil {
		signatures = chunks
	}
	var body io.Reader = http.NoBody
	if x.r.Body != http.NoBody {
		body = newPacedBody(x)
	}
	reader := payload.NewReader(body, spec, signatures)
	return reader, spec, reader.VerifyEmpty()
}

// wholeBody reads a body that the proxy has to understand, and verifies it.
func (h *handler) wholeBody(x *exchange, most int64) ([]byte, error) {
	reader, _, err := h.verifiedBody(x)
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
func (h *handler) attachBody(x *exchange, call *upstream.Call) error {
	reader, spec, err := h.verifiedBody(x)
	if err != nil {
		return err
	}
	if !x.req.HasBody() {
		payload.Unframe(call.Header)
		call.PayloadHash = emptyHash
		return nil
	}
	attachVerified(x, reader, spec, call)
	return nil
}

// attachVerified lets a call send what the reader releases, framed and
// described as the store takes it.
func attachVerified(x *exchange, reader *payload.Reader, spec *payload.Spec, call *upstream.Call) {
	withoutChecksums := x.bucket.VerifyChecksums || !call.Creds.Bearer.Empty()
	if spec.Trailer() != payload.None && !withoutChecksums {
		framed := payload.Reframe(reader)
		framed.Describe(call.Header)
		call.Body, call.Length, call.PayloadHash = framed, framed.Len(), call.Header.Get("X-Amz-Content-Sha256")
		return
	}
	payload.Unframe(call.Header)
	if withoutChecksums {
		dropChecksums(call.Header)
	}
	call.Body, call.Length, call.PayloadHash = reader, reader.Len(), upstream.UnsignedPayload
	if spec.Kind() == payload.Hashed {
		call.PayloadHash = x.verified.Payload().SHA256
	}
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
