package payload

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"strings"

	"osp/go/s3err"
	"osp/go/wire"
)

// Limits of the framing. A chunk header is at most 16 digits, a name and a
// signature; the longest trailer is a SHA-512.
const (
	maxLine       = 512
	maxSizeDigits = 16
)

const (
	signatureExtension = "chunk-signature="
	signatureTrailer   = "x-amz-trailer-signature"
)

// chunks decodes aws-chunked:
//
//	size[;chunk-signature=hex] CRLF data CRLF ... 0[;chunk-signature=hex] CRLF [trailers] CRLF
type chunks struct {
	in      window
	signed  bool
	trailer Algorithm
	sigs    ChunkSignatures

	first     bool      // no chunk has begun yet
	left      int64     // bytes still to come of the chunk that is being read
	signature string    // of that chunk
	hash      hash.Hash // of its data so far; nil if signatures are not checked
	sum       [sha256.Size]byte
}

func newChunks(in io.Reader, spec *Spec, sigs ChunkSignatures) *chunks {
	c := &chunks{in: window{source: in}, signed: spec.kind.signed(), trailer: spec.trailer, first: true}
	if c.signed && sigs != nil {
		c.sigs, c.hash = sigs, sha256.New()
	}
	return c
}

// read implements framing. The signature of a chunk is verified before its last
// byte is delivered.
func (c *chunks) read(p []byte, left int64) (int, error) {
	c.in.lend(p, left+2+maxLine)
	defer c.in.keep()
	n := 0
	for n < len(p) && int64(n) < left {
		if c.left == 0 {
			if n > 0 && !c.atHeader() {
				return n, nil
			}
			if err := c.begin(left - int64(n)); err != nil {
				return 0, err
			}
			if c.left == 0 {
				return 0, incomplete("the last chunk came before x-amz-decoded-content-length bytes")
			}
		}
		if len(c.in.rest) == 0 {
			if n > 0 {
				return n, nil
			}
			if err := c.more(); err != nil {
				return 0, err
			}
		}
		m, err := c.data(p[n:])
		if err != nil {
			return 0, err
		}
		n += m
	}
	return n, nil
}

// data moves data of the open chunk to its place.
func (c *chunks) data(p []byte) (int, error) {
	n := int(min(int64(min(len(p), len(c.in.rest))), c.left))
	p = p[:copy(p, c.in.take(n))]
	if c.hash != nil {
		c.hash.Write(p) // never fails
	}
	if c.left -= int64(n); c.left > 0 {
		return n, nil
	}
	return n, c.verify()
}

// finish implements framing: it reads the zero chunk, the trailers and the end.
func (c *chunks) finish() (trailer string, err error) {
	if err := c.begin(0); err != nil {
		return "", err
	}
	if err := c.verify(); err != nil {
		return "", err
	}
	if trailer, err = c.trailers(); err != nil {
		return "", err
	}
	if len(c.in.rest) == 0 {
		err = c.in.more()
	}
	return trailer, expectEnd(err)
}

// begin reads the header of the next chunk, which may have at most left bytes.
func (c *chunks) begin(left int64) error {
	if !c.first {
		if err := c.expectCRLF(); err != nil {
			return err
		}
	}
	c.first = false
	line, err := c.line()
	if err == errLongLine {
		return s3err.MaxMessageLengthExceeded.Msg("A chunk header of the request body is too long.").Because(err)
	}
	if err != nil {
		return err
	}
	head, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return incomplete("a chunk header does not end in CRLF")
	}
	digits, extension, extended := bytes.Cut(head, []byte(";"))
	if c.left, ok = parseSize(digits); !ok {
		return incomplete("a chunk size is not a hexadecimal number")
	}
	if c.left > left {
		return incomplete("the chunks hold more than x-amz-decoded-content-length bytes")
	}
	if !c.signed {
		if extended {
			return incomplete("an unsigned chunk has an extension")
		}
		return nil
	}
	return c.parseSignature(extension)
}

// parseSize reads a chunk size. Only digits are accepted: no sign, space or
// prefix.
func parseSize(digits []byte) (int64, bool) {
	if len(digits) == 0 || len(digits) > maxSizeDigits {
		return 0, false
	}
	var n uint64
	for _, b := range digits {
		d, ok := wire.Unhex(b)
		if !ok {
			return 0, false
		}
		n = n<<4 | uint64(d)
	}
	return int64(n), int64(n) >= 0
}

// parseSignature accepts exactly one extension, as AWS does. What can't be a
// signature is as wrong as any other wrong one.
func (c *chunks) parseSignature(extension []byte) error {
	sig, ok := bytes.CutPrefix(extension, []byte(signatureExtension))
	if !ok || len(sig) == 0 || bytes.IndexByte(sig, ';') >= 0 {
		return incomplete("a chunk header does not hold one chunk-signature")
	}
	c.signature = string(sig)
	return checkShape(c.signature)
}

// checkShape refuses anything but 64 hexadecimal digits, even if signatures are
// not compared.
func checkShape(signature string) error {
	if !wire.IsSHA256(signature) {
		return s3err.SignatureDoesNotMatch
	}
	return nil
}

// verify checks the signature of the chunk that was just read.
func (c *chunks) verify() error {
	if c.hash == nil {
		return nil
	}
	c.hash.Sum(c.sum[:0])
	c.hash.Reset()
	return c.sigs.Chunk(c.sum, c.signature)
}

// trailers reads what follows the zero chunk: the announced checksum, the
// signature over it if chunks are signed, and the empty line.
func (c *chunks) trailers() (value string, err error) {
	if c.trailer != None {
		name, v, err := c.trailerLine()
		if err != nil {
			return "", err
		}
		if !strings.EqualFold(name, c.trailer.Header()) {
			return "", malformedTrailer("the trailer is not the announced one")
		}
		value = v
		if c.signed {
			if err := c.trailerSignature(value); err != nil {
				return "", err
			}
		}
	}
	name, _, err := c.trailerLine()
	if err == nil && name != "" {
		err = malformedTrailer("a trailer that was not announced")
	}
	return value, err
}

func (c *chunks) trailerSignature(value string) error {
	name, signature, err := c.trailerLine()
	switch {
	case err != nil:
		return err
	case name == "":
		return incomplete("x-amz-trailer-signature is missing")
	case !strings.EqualFold(name, signatureTrailer):
		return malformedTrailer("a trailer that was not announced")
	}
	if err := checkShape(signature); err != nil || c.sigs == nil {
		return err
	}
	return c.sigs.Trailer(sha256.Sum256([]byte(c.trailer.Header()+":"+value+"\n")), signature)
}

// trailerLine reads "name:value" or, with an empty name, the empty line. A line
// ends in CRLF. minio-go keeps the LF of the canonical form and puts the CRLF
// after it; nothing else may follow a bare LF.
func (c *chunks) trailerLine() (name, value string, err error) {
	line, err := c.line()
	if err == errLongLine {
		return "", "", malformedTrailer("a trailer is too long")
	}
	if err != nil {
		return "", "", err
	}
	text, crlf := strings.CutSuffix(string(line), "\r\n")
	if !crlf {
		text = strings.TrimSuffix(text, "\n")
		if err := c.expectCRLF(); err != nil {
			return "", "", err
		}
	} else if text == "" {
		return "", "", nil
	}
	name, value, ok := strings.Cut(text, ":")
	if !ok || name == "" {
		return "", "", malformedTrailer("a trailer line is not name:value")
	}
	return name, strings.Trim(value, " \t"), nil
}

func malformedTrailer(reason string) error {
	return s3err.MalformedTrailer.Because(errors.New(reason))
}

// atHeader reports whether everything that begin reads is available. What
// follows a chunk and is not a header is shorter than CRLF and a line.
func (c *chunks) atHeader() bool {
	rest := c.in.rest
	return len(rest) >= 2+maxLine || len(rest) > 2 && lineLength(rest[2:]) > 0
}

// more reads data of the open chunk and what follows it.
func (c *chunks) more() error {
	err := c.in.more()
	if err == io.EOF {
		return incomplete("the body ended inside a chunk")
	}
	return err
}

// line reads a line with its LF, valid until the next read.
func (c *chunks) line() ([]byte, error) {
	line, err := c.in.line()
	if err == io.EOF {
		return nil, incomplete("the body ended inside the framing")
	}
	return line, err
}

func (c *chunks) expectCRLF() error {
	for len(c.in.rest) < 2 {
		switch err := c.in.more(); {
		case err == io.EOF:
			return incomplete("the body ended inside the framing")
		case err != nil:
			return err
		}
	}
	if string(c.in.take(2)) != "\r\n" {
		return incomplete("CRLF is missing in the framing")
	}
	return nil
}
