// Package payload verifies a request body while it streams: its exact length,
// the aws-chunked framing with the signature of every chunk, the payload hash,
// Content-MD5 and the checksums in headers and trailers. What comes out is the
// object's bytes, and the last of them only after everything was verified, so
// that an upload upstream with the decoded length as its Content-Length can
// not end cleanly unless the client's body was right. Reframe packs the bytes
// into aws-chunked again for a store that takes checksum trailers.
//
// It never computes a signature (ChunkSignatures does), never holds more of a
// body than a framing line, and never sees an HTTP request as a whole.
//
// The framing is AWS's "Transferring Payload in Multiple Chunks" and
// "Including Trailing Headers" (sigv4-streaming.html and
// sigv4-streaming-trailers.html of the S3 API reference). Two rules differ:
//
//   - AWS refuses chunks under 8 KiB other than the last (InvalidChunkSizeError).
//     They are accepted here. The rule saves AWS work; here the work per byte on
//     the wire stays bounded, and SDKs that frame short reads as they come
//     (botocore and the JavaScript SDK over pipes) keep working.
//   - AWS ignores what follows the framing and lets the final empty line be
//     missing. Both are refused: a body ends where its framing ends.
package payload

import (
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"osp/go/s3err"
)

// Kind says how x-amz-content-sha256 (or its absence in a presigned URL)
// protects the body. The zero value is none of them and is refused.
type Kind int

// The kinds of body, each with the value of x-amz-content-sha256 behind it.
const (
	Unsigned                 Kind = iota + 1 // UNSIGNED-PAYLOAD, or a presigned URL
	Hashed                                   // the payload's SHA-256 in hexadecimal
	StreamingSigned                          // STREAMING-AWS4-HMAC-SHA256-PAYLOAD
	StreamingSignedTrailer                   // STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
	StreamingUnsignedTrailer                 // STREAMING-UNSIGNED-PAYLOAD-TRAILER
)

// Streaming reports whether bodies of this kind are framed as aws-chunked.
func (k Kind) Streaming() bool {
	return k == StreamingSigned || k == StreamingSignedTrailer || k == StreamingUnsignedTrailer
}

// signed reports whether every chunk carries a signature.
func (k Kind) signed() bool { return k == StreamingSigned || k == StreamingSignedTrailer }

// Declaration is what a request says about its body before the body arrives.
type Declaration struct {
	Header http.Header
	// ContentLength counts the bytes on the wire, framing included; -1 if the
	// request does not tell (HTTP chunking).
	ContentLength int64
	Kind          Kind
	// SHA256 is the payload hash in hexadecimal of either case, for Hashed only.
	SHA256 string
	// ObjectChecksum says that x-amz-checksum-* describe an object assembled
	// from parts and not this body: CompleteMultipartUpload, whose values may be
	// composite ("base64-parts"). They are then left to the store.
	ObjectChecksum bool
}

// Spec is a validated Declaration: what a Reader has to verify. It is not
// changed after Parse and may be shared.
type Spec struct {
	kind    Kind
	length  int64
	trailer Algorithm
	want    []expectation
	// computes says that no trailer follows the body: it is made here.
	computes bool
}

// Kind returns the kind of body.
func (s *Spec) Kind() Kind { return s.kind }

// Len returns the length of the decoded body in bytes.
func (s *Spec) Len() int64 { return s.length }

// Trailer returns the algorithm of the checksum that x-amz-trailer announces,
// or None.
func (s *Spec) Trailer() Algorithm { return s.trailer }

// Header names that describe the body, in the canonical form of http.Header.
const (
	headerDecodedLength = "X-Amz-Decoded-Content-Length"
	headerTrailer       = "X-Amz-Trailer"
	headerSDKAlgorithm  = "X-Amz-Sdk-Checksum-Algorithm"
	headerContentSHA256 = "X-Amz-Content-Sha256"
	headerEncoding      = "Content-Encoding"
	headerMD5           = "Content-Md5"
)

// Parse validates what a request declares about its body. Its errors are
// *s3err.Error values with AWS's codes: MissingContentLength, EntityTooLarge,
// InvalidArgument, InvalidDigest, InvalidRequest, IncompleteBody,
// MalformedTrailerError.
//
// A streaming kind does not need aws-chunked in Content-Encoding: version 1 of
// the Java SDK leaves it out, and AWS goes by x-amz-content-sha256 alone. The
// opposite holds too: a body with a hash of its own is what was hashed, and
// Unframe removes the label. Without a hash that label is refused unless the
// body is empty: nobody could tell whether the body is framed, and a store
// behind the proxy might unframe it.
func Parse(d Declaration) (*Spec, error) {
	s := &Spec{kind: d.Kind}
	for _, step := range []func(*Spec, Declaration) error{
		parseLength, parseHash, parseMD5, parseChecksums,
	} {
		if err := step(s, d); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// maxLength bounds a body, in bytes. It is more than any store accepts, and
// small enough that adding the framing to a length never overflows.
const maxLength = 1 << 50

func parseLength(s *Spec, d Declaration) error {
	var err error
	switch {
	case d.Kind.Streaming():
		err = parseDecodedLength(s, d.Header)
	case d.Kind == Unsigned, d.Kind == Hashed:
		err = parsePlainLength(s, d)
	default:
		err = s3err.InternalError.Because(errors.New("payload: unknown kind of body " + strconv.Itoa(int(d.Kind))))
	}
	if err == nil && s.length > maxLength {
		err = s3err.EntityTooLarge
	}
	return err
}

// parseDecodedLength returns MissingContentLength for a malformed value too, as
// AWS does.
func parseDecodedLength(s *Spec, h http.Header) error {
	v, ok := single(h, headerDecodedLength)
	if !ok {
		return s3err.MissingContentLength
	}
	n, err := strconv.ParseUint(v, 10, 63) // accepts no sign, no space
	if err != nil {
		return s3err.MissingContentLength.Because(err)
	}
	s.length = int64(n)
	return nil
}

func parsePlainLength(s *Spec, d Declaration) error {
	if d.ContentLength < 0 {
		return s3err.MissingContentLength
	}
	s.length = d.ContentLength
	if s.length > 0 && d.Kind == Unsigned && hasAWSChunked(d.Header[headerEncoding]) {
		return s3err.InvalidRequest.Msg("Content-Encoding aws-chunked requires an x-amz-content-sha256 value of STREAMING-*.")
	}
	// A store that went by this header would store something other than was
	// verified.
	if v := d.Header[headerDecodedLength]; len(v) > 0 && (len(v) > 1 || v[0] != strconv.FormatInt(s.length, 10)) {
		return s3err.InvalidRequest.Msg("x-amz-decoded-content-length does not match the Content-Length of a body that is not aws-chunked.")
	}
	return nil
}

func parseHash(s *Spec, d Declaration) error {
	if d.Kind != Hashed {
		return nil
	}
	sum, err := hex.DecodeString(d.SHA256)
	if err != nil || len(sum) != SHA256.Size() {
		return s3err.InvalidArgument.Msg("x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, " +
			"STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value.")
	}
	s.want = append(s.want, expectation{SHA256, sum, s3err.ContentSHA256Mismatch})
	return nil
}

// parseMD5 reads Content-MD5, which covers the decoded body.
func parseMD5(s *Spec, d Declaration) error {
	if len(d.Header[headerMD5]) == 0 {
		return nil
	}
	v, _ := single(d.Header, headerMD5)
	sum, ok := MD5.decode(v)
	if !ok {
		return s3err.InvalidDigest.Msg("The Content-MD5 you specified was invalid.")
	}
	s.want = append(s.want, expectation{MD5, sum,
		s3err.BadDigest.Msg("The Content-MD5 you specified did not match what we received.")})
	return nil
}

// single returns the value of a header that may occur only once; false if it is
// missing or repeated.
func single(h http.Header, name string) (string, bool) {
	if v := h[name]; len(v) == 1 {
		return strings.Trim(v[0], " \t"), true
	}
	return "", false
}
