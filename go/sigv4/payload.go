package sigv4

import (
	"strings"

	"osp/go/wire"
)

// PayloadKind says how the body is bound to the signature. The zero kind is
// that of no request.
type PayloadKind uint8

// The values of x-amz-content-sha256.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-auth-using-authorization-header.html
const (
	Hashed                   PayloadKind = iota + 1 // the body has a given SHA-256
	Unsigned                                        // UNSIGNED-PAYLOAD
	StreamingSigned                                 // aws-chunked, each chunk signed
	StreamingSignedTrailer                          // the same, with a signed trailer
	StreamingUnsignedTrailer                        // aws-chunked with a trailer, neither signed
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// Payload is the verified promise about the body. Verifying the body itself
// against it is up to the reader of the body.
type Payload struct {
	Kind   PayloadKind
	SHA256 string // lower-case hex, for Hashed only
}

// Streaming reports whether the body is framed as aws-chunked.
func (p Payload) Streaming() bool { return p.Kind >= StreamingSigned }

func parsePayload(s string) (Payload, error) {
	switch s {
	case unsignedPayload:
		return Payload{Kind: Unsigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
		return Payload{Kind: StreamingSigned}, nil
	case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
		return Payload{Kind: StreamingSignedTrailer}, nil
	case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		return Payload{Kind: StreamingUnsignedTrailer}, nil
	case "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER":
		return Payload{}, errSigV4A
	}
	if !wire.IsSHA256(s) {
		return Payload{}, errPayloadHash
	}
	return Payload{Kind: Hashed, SHA256: strings.ToLower(s)}, nil
}
