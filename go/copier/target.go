package copier

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"osp/go/names"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

// target is how the bytes are sent to their store.
type target struct {
	header  http.Header
	said    payload.Checksum  // is sent before the bytes; none: there is none
	trailer payload.Algorithm // is sent after them; None: there is none
	// compares says that the store gets no checksum: the ETag that it returns is
	// compared with the MD5 of what was sent.
	compares bool
}

// describe decides what the target's store is told beside the bytes.
func (c *Copy) describe(ctx context.Context) (target, error) {
	t := target{header: c.asks.targetHeader.Clone()}
	wanted, err := c.wantedChecksum(ctx)
	if err != nil {
		return t, err
	}
	if c.Operation == s3op.CopyObject && !c.asks.replaces {
		if err := copyMetadata(t.header, c.source.header); err != nil {
			return t, err
		}
	}
	if c.tags != "" {
		t.header.Set(taggingHeader, c.tags)
	}
	md5 := ""
	if !c.asks.ranged && c.source.known.Algorithm == payload.None {
		md5 = plainMD5(c.source.etag, c.source.header)
	}
	if md5 != "" {
		t.header.Set("Content-Md5", md5)
	}
	switch {
	case wanted == payload.None:
		t.compares = md5 == ""
	case c.source.length == 0:
		t.said = wanted.Empty()
	case wanted == c.source.known.Algorithm:
		t.said = c.source.known
	default:
		t.trailer = wanted
	}
	return t, nil
}

// copyMetadata takes along what a client could have sent to the target itself. What a
// store would read as an instruction of its own is refused, as it is from clients:
// whoever could write to the source must not order anything of the target's store.
func copyMetadata(to, source http.Header) error {
	for name, values := range source {
		switch {
		case !isMetadata(name):
			continue
		case s3op.Foreign(name):
			return s3err.NotImplemented.Msg("The copy source has metadata that stores take for an instruction.")
		case len(values) > 1:
			return s3err.BadGateway.Because(errors.New("the copy source says the same of its metadata twice"))
		}
		to[name] = values
	}
	if coding := payload.StripAWSChunked(to["Content-Encoding"]); len(coding) == 0 {
		delete(to, "Content-Encoding")
	}
	return nil
}

// wantedChecksum is the algorithm of the checksum that the target gets: the one that
// the client wants, that of the source, or the one that S3 gives every object.
// Parts have that of their upload, or none.
func (c *Copy) wantedChecksum(ctx context.Context) (payload.Algorithm, error) {
	switch {
	case !c.Checksums:
		return payload.None, nil
	case c.Operation == s3op.UploadPartCopy:
		return c.uploadAlgorithm(ctx)
	case c.asks.algorithm != payload.None:
		return c.asks.algorithm, nil
	}
	if a := payload.StoredAlgorithm(c.source.header); a != payload.None {
		return a, nil
	}
	return payload.CRC64NVME, nil
}

// targetCall is a call about the target.
func (c *Copy) targetCall(method string) (*upstream.Call, error) {
	key, err := names.Key(c.Target.Bucket, c.Target.Key)
	if err != nil {
		return nil, err
	}
	call := &upstream.Call{Bucket: c.Target.Bucket, Method: method, Key: key, Header: http.Header{}, PayloadHash: upstream.EmptyPayload}
	copyNotes(call.Header, c.Header)
	if owner := c.asks.targetHeader["X-Amz-Expected-Bucket-Owner"]; len(owner) > 0 {
		call.Header["X-Amz-Expected-Bucket-Owner"] = owner
	}
	return call, nil
}

// put sends the source's bytes to the target's store.
func (c *Copy) put(ctx context.Context) (*Result, error) {
	call, err := c.targetCall(http.MethodPut)
	if err != nil {
		return nil, err
	}
	call.Header, call.Query = c.target.header.Clone(), partOf(c.Query)
	s := c.attach(call)
	if err := s.sums.VerifyEmpty(); err != nil {
		return nil, broken(ctx, err)
	}
	resp, err := c.send(ctx, call)
	if err != nil {
		return nil, broken(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, targetRefusal(refusal(resp, c.Target))
	}
	if s.left.Load() > 0 {
		_ = resp.Body.Close() // breaks off the rest
		return nil, c.discard(ctx, resp.Header, errEarly)
	}
	if resp.Header.Get("Etag") == "" { // of an object it would have one; some say in the body what went wrong
		return nil, targetRefusal(refusal(resp, c.Target))
	}
	c.moved = c.source.length
	sum := c.sent(s)
	if c.target.compares && differs(sum, resp.Header) {
		return nil, c.discard(ctx, resp.Header, errDiffers)
	}
	return c.result(resp.Header, sum), nil
}

// attach gives the call its body.
func (c *Copy) attach(call *upstream.Call) *stream {
	made := c.target.trailer
	if c.target.compares {
		made = payload.MD5
	}
	s := newStream(c.source, made)
	call.PayloadHash = upstream.UnsignedPayload
	if said := c.target.said; said.Algorithm != payload.None {
		call.Header.Set(said.Algorithm.Header(), said.Value)
	}
	if s.length == 0 {
		call.PayloadHash = upstream.EmptyPayload
		return s
	}
	if c.target.trailer != payload.None {
		s.frame().Describe(call.Header)
		// That there are chunks is said by the hash. Some stores (versitygw) would keep
		// aws-chunked as a coding of the object.
		delete(call.Header, "Content-Encoding")
		if own := c.target.header["Content-Encoding"]; len(own) > 0 {
			call.Header["Content-Encoding"] = own
		}
		call.Header.Set("X-Amz-Sdk-Checksum-Algorithm", c.target.trailer.String())
		call.PayloadHash = call.Header.Get("X-Amz-Content-Sha256")
	}
	call.Body, call.Length = s, s.left.Load()
	return s
}

// sent is the checksum of what was sent: the one that was said, or made.
func (c *Copy) sent(s *stream) payload.Checksum {
	if c.target.said.Algorithm != payload.None {
		return c.target.said
	}
	return s.made()
}

// partOf is what the query of a copied part has in common with an uploaded one.
func partOf(q s3op.Query) (part s3op.Query) {
	for _, p := range q {
		if p.Name == "partNumber" || p.Name == "uploadId" {
			part = append(part, p)
		}
	}
	return part
}

// errEarly is for a store that says it has all before all was sent.
var errEarly = s3err.BadGateway.Msg("The object store took the copy for complete before it was.")

var errDiffers = s3err.BadGateway.Msg("What the object store keeps is not what was copied to it.")

// differs reports whether a store's ETag is the MD5 of something else.
func differs(sum payload.Checksum, h http.Header) bool {
	md5 := plainMD5(h.Get("Etag"), h)
	return md5 != "" && sum.Algorithm == payload.MD5 && md5 != sum.Value
}

// plainMD5 is an ETag as Content-MD5 has it, if it is the MD5 of the bytes: not one
// of parts, nor of an object that is encrypted with a key of somebody's own.
func plainMD5(etag string, h http.Header) string {
	sum, err := hex.DecodeString(bare(etag))
	kind := h.Get("X-Amz-Server-Side-Encryption")
	if err != nil || len(sum) != payload.MD5.Size() || strings.HasPrefix(kind, "aws:kms") ||
		h.Get("X-Amz-"+customerPrefix+"Algorithm") != "" || h.Get("Ibm-Sse-Kp-Enabled") == "true" {
		return ""
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// broken says whose fault it is that the bytes did not arrive.
func broken(ctx context.Context, err error) error {
	var atSource *sourceError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &atSource), errors.Is(err, s3err.IncompleteBody), errors.Is(err, s3err.BadDigest):
		return errSource.Because(err)
	}
	return err
}

var errSource = s3err.BadGateway.Msg("The object store of the copy source broke off its response, or sent other bytes than it keeps.")
