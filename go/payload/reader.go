package payload

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"osp/go/s3err"
)

// ChunkSignatures checks the chain of chunk signatures of one request. Its
// errors are *s3err.Error values and go to the client as they are.
type ChunkSignatures interface {
	// Chunk checks the signature of the next chunk, whose data has this SHA-256.
	// The zero chunk counts.
	Chunk(sum [32]byte, signature string) error
	// Trailer checks x-amz-trailer-signature. sum is the SHA-256 of the canonical
	// trailers: "name:value\n" each, the name in lower case.
	Trailer(sum [32]byte, signature string) error
}

// SourceError wraps an error of the reader that delivers the body: the client
// has left, a deadline has passed, a limit was exceeded. It says nothing about
// what was sent. errors.Is and errors.As find the cause.
type SourceError struct{ Err error }

// Error implements error.
func (e *SourceError) Error() string { return "reading the request body: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// framing extracts the object's bytes from a body.
type framing interface {
	// read reads payload bytes, of which left (> 0) are still to come.
	read(p []byte, left int64) (int, error)
	// finish verifies everything that follows the last payload byte, up to the
	// end of the source, and returns the value of the announced trailer.
	finish() (trailer string, err error)
}

// Reader delivers the verified bytes of a body. The Read that would deliver the
// last byte first verifies everything that follows; if anything is wrong, it
// returns no bytes and the error. Errors are sticky and are either *s3err.Error
// (the client's body is wrong) or *SourceError (it could not be read).
//
// There is no WriteTo: Go's transport reads a body of known length through an
// io.LimitedReader, which would hide it.
type Reader struct {
	spec    *Spec
	source  source
	body    framing
	digests digests
	left    int64
	err     error
	trailer http.Header
}

// NewReader reads a body from its source. sigs checks the chunk signatures of
// the signed streaming kinds; with nil they are parsed but not checked
// (skip_signature_validation). It is not used for other kinds. Nothing is
// read before the first Read or VerifyEmpty.
func NewReader(body io.Reader, spec *Spec, sigs ChunkSignatures) *Reader {
	r := &Reader{spec: spec, source: source{r: body}, left: spec.length}
	if spec.kind.Streaming() {
		r.body = newChunks(&r.source, spec, sigs)
	} else {
		r.body = plain{&r.source}
	}
	if r.digests.nothing = spec.length == 0; r.digests.nothing {
		return r
	}
	for _, w := range spec.want {
		r.digests.add(w.alg)
	}
	if spec.trailer != None {
		r.digests.add(spec.trailer)
	}
	return r
}

// Len returns the length of the decoded body in bytes, even before it is read.
func (r *Reader) Len() int64 { return r.spec.length }

// Trailer returns the trailing headers of an aws-chunked body once it has been
// verified to its end, and nil before that or when there are none.
func (r *Reader) Trailer() http.Header { return r.trailer }

// VerifyEmpty verifies a body that decodes to nothing. There is no byte to hold
// back then, so it must be called before the request upstream begins. For other
// bodies it does nothing.
func (r *Reader) VerifyEmpty() error {
	if r.spec.length > 0 {
		return nil
	}
	if _, err := r.Read(nil); err != io.EOF {
		return err
	}
	return nil
}

// Read implements io.Reader.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := 0, error(nil)
	if r.left > 0 {
		if len(p) == 0 {
			return 0, nil
		}
		n, err = r.body.read(p, r.left)
		r.digests.write(p[:n])
		r.left -= int64(n)
	}
	if err == nil && r.left == 0 {
		err = r.finish()
	}
	if err == nil {
		return n, nil
	}
	r.err = err
	if err == io.EOF && n > 0 {
		return n, nil
	}
	return 0, err
}

// finish returns io.EOF if the whole body is right.
func (r *Reader) finish() error {
	value, err := r.body.finish()
	if err != nil {
		return err
	}
	for _, w := range r.spec.want {
		if err := r.digests.check(w); err != nil {
			return err
		}
	}
	if r.spec.computes {
		r.trailer = r.digests.trailer(r.spec.trailer)
		return io.EOF
	}
	if alg := r.spec.trailer; alg != None {
		sum, ok := alg.decode(value)
		if !ok {
			return s3err.InvalidRequest.Msg("Value for " + alg.Header() + " trailing header is invalid.")
		}
		if err := r.digests.check(expectation{alg, sum, alg.mismatch()}); err != nil {
			return err
		}
		r.trailer = http.Header{}
		r.trailer.Set(alg.Header(), value)
	}
	return io.EOF
}

// plain is a body without framing.
type plain struct{ in *source }

func (b plain) read(p []byte, left int64) (int, error) {
	n, err := b.in.Read(p[:min(int64(len(p)), left)])
	if err == io.EOF {
		return n, s3err.IncompleteBody
	}
	return n, err
}

func (b plain) finish() (string, error) {
	_, err := io.ReadFull(b.in, b.in.beyond[:])
	return "", expectEnd(err)
}

// expectEnd interprets the result of an attempt to read beyond the end.
func expectEnd(err error) error {
	switch err {
	case io.EOF:
		return nil
	case nil:
		return s3err.InvalidRequest.Msg("The request body continues after its declared end.")
	default:
		return err
	}
}

// incomplete is AWS's error for framing that is broken or cut off. The reason
// is for the log.
func incomplete(reason string) error {
	return s3err.IncompleteBody.Msg("The request body terminated unexpectedly").Because(errors.New(reason))
}

// source makes the errors of a body's reader sticky and distinguishes them from
// errors about the body. net/http returns io.ErrUnexpectedEOF when a client
// hangs up before it has sent what Content-Length promised.
type source struct {
	r      io.Reader
	err    error
	beyond [1]byte // room for a byte that must not arrive
}

func (s *source) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		s.err = io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.err = s3err.IncompleteBody.Because(fmt.Errorf("the connection ended: %w", err))
	default:
		s.err = &SourceError{err}
	}
	if n > 0 {
		return n, nil
	}
	return 0, s.err
}
