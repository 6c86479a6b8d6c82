package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"

	"osp/go/s3err"
)

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// ChunkVerifier checks the signatures of an aws-chunked body, each of which
// covers the one before it, the first that of the request itself. After the
// first mismatch, and after the trailer, every call fails. It is not safe for
// concurrent use.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type ChunkVerifier struct {
	mac      hash.Hash
	stamp    string // timestamp and scope, a line each
	previous [2 * sha256.Size]byte
	closed   bool

	message []byte // room for what is signed
	want    digest
}

func newChunkVerifier(key *signingKey, s *SignedRequest) *ChunkVerifier {
	c := &ChunkVerifier{
		mac:   hmac.New(sha256.New, key.digest[:]),
		stamp: s.timestamp + "\n" + s.cred.scope + "\n",
	}
	copy(c.previous[:], s.signature)
	return c
}

// Chunk checks the signature of the next chunk, whose data has the given
// SHA-256. The last chunk, of no data, is checked like any other. The error is
// SignatureDoesNotMatch.
func (c *ChunkVerifier) Chunk(sum [sha256.Size]byte, signature string) error {
	return c.next("AWS4-HMAC-SHA256-PAYLOAD\n", emptySHA256+"\n", sum, signature)
}

// Trailer checks the signature of the trailer and ends the chain. The sum is
// the SHA-256 of the trailing headers in canonical form: each as
// name:value\n, names in lower case, in the order of the wire, without
// x-amz-trailer-signature. The error is SignatureDoesNotMatch.
func (c *ChunkVerifier) Trailer(sum [sha256.Size]byte, signature string) error {
	err := c.next("AWS4-HMAC-SHA256-TRAILER\n", "", sum, signature)
	c.closed = true
	return err
}

func (c *ChunkVerifier) next(kind, fixed string, sum [sha256.Size]byte, signature string) error {
	b := append(c.message[:0], kind...)
	b = append(b, c.stamp...)
	b = append(b, c.previous[:]...)
	b = append(b, '\n')
	b = append(b, fixed...)
	b = hex.AppendEncode(b, sum[:])
	c.mac.Reset()
	c.mac.Write(b)
	c.message = b
	c.mac.Sum(c.want[:0])
	hex.Encode(c.previous[:], c.want[:])
	if c.closed || subtle.ConstantTimeCompare(c.previous[:], []byte(signature)) != 1 {
		c.closed = true
		return s3err.SignatureDoesNotMatch
	}
	return nil
}
