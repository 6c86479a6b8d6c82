package copier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"osp/go/names"
	"osp/go/payload"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

// source is the object that is read, open.
type source struct {
	header   http.Header
	version  string // that the store named; empty: it has none
	etag     string
	modified time.Time        // zero: nobody knows
	length   int64            // of what is copied
	known    payload.Checksum // of that, as the store keeps it

	body   io.Closer
	from   io.Reader          // the body, or what it is read through
	cancel context.CancelFunc // ends a read that waits

	mu     sync.Mutex // an upload may still read when its store has answered
	closed bool
}

// open sends the GET. before is what an earlier one has shown: this one must show the
// same object.
func (c *Copy) open(ctx context.Context, before *source) (*source, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := c.get(ctx, before)
	if err != nil {
		cancel()
		return nil, err
	}
	s.cancel = cancel
	if c.Through != nil {
		s.from = c.Through(ctx, s.from)
	}
	return s, nil
}

func (c *Copy) get(ctx context.Context, before *source) (*source, error) {
	call, err := c.sourceCall("", c.VersionID)
	if err != nil {
		return nil, err
	}
	call.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
	if c.asks.ranged {
		call.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", c.asks.first, c.asks.last))
	}
	if before != nil {
		call.Header.Set("If-Match", before.etag)
	}
	resp, err := c.send(ctx, call)
	if err != nil {
		return nil, err
	}
	s, err := c.readHead(resp, before != nil)
	if err != nil {
		_ = resp.Body.Close() // it is of no use
		return nil, err
	}
	if before != nil && (s.etag != before.etag || s.length != before.length) { // If-Match may be unknown there
		_ = resp.Body.Close()
		return nil, errChanged
	}
	return s, nil
}

// errChanged is for a source that became another object between two attempts.
var errChanged = s3err.ServiceUnavailable.Msg("The copy source changed while it was copied.")

// sourceCall is a GET of the source, or of a part of what is known of it.
func (c *Copy) sourceCall(selector, version string) (*upstream.Call, error) {
	key, err := names.Key(c.Source.Bucket, c.Source.Key)
	if err != nil {
		return nil, err
	}
	call := &upstream.Call{
		Bucket: c.Source.Bucket, Method: http.MethodGet, Key: key, Header: c.asks.sourceHeader.Clone(), PayloadHash: upstream.EmptyPayload,
	}
	if selector != "" {
		call.Query = append(call.Query, s3op.Param{Name: selector})
	}
	if version != "" {
		call.Query = append(call.Query, s3op.Param{Name: "versionId", Value: version})
	}
	return call, nil
}

// readHead reads what the head of the response says about the object.
// conditional says that it was asked for if it has the ETag of an earlier attempt.
func (c *Copy) readHead(resp *http.Response, conditional bool) (*source, error) {
	h := resp.Header
	switch status := resp.StatusCode; {
	case status == http.StatusOK, status == http.StatusPartialContent:
	case conditional && (status == http.StatusNotModified || status == http.StatusPreconditionFailed):
		return nil, errChanged
	default:
		if c.VersionID != "" && resp.StatusCode == http.StatusMethodNotAllowed && h.Get("X-Amz-Delete-Marker") == "true" {
			return nil, s3err.InvalidRequest.Msg("The source of a copy request may not specifically refer to a delete marker by version id.")
		}
		return nil, refusal(resp, c.Source)
	}
	s := &source{header: h, version: h.Get("X-Amz-Version-Id"), etag: h.Get("Etag"), length: resp.ContentLength, body: resp.Body, from: resp.Body}
	s.modified, _ = http.ParseTime(h.Get("Last-Modified")) // only conditions need it
	if s.etag == "" || s.length < 0 {
		return nil, s3err.BadGateway.Because(errors.New("the copy source came without a length or an ETag"))
	}
	if h.Get("X-Amz-Missing-Meta") > "0" && !c.asks.replaces {
		return nil, s3err.InvalidRequest.Msg("The copy source has metadata that its store does not tell.")
	}
	if c.asks.ranged {
		return s, c.checkRange(resp)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, s3err.BadGateway.Because(errors.New("a part of the copy source came that nobody asked for"))
	}
	s.known = payload.Stored(h)
	return s, nil
}

// checkRange checks that exactly the bytes that were asked for come. Of a range that
// ends behind the object a store sends what there is.
func (c *Copy) checkRange(resp *http.Response) error {
	text := resp.Header.Get("Content-Range")
	if resp.StatusCode != http.StatusPartialContent {
		return s3err.BadGateway.Because(errors.New("the copy source's store does not know ranges"))
	}
	if _, size, _ := strings.Cut(text, "/"); tooShort(size, c.asks.last) {
		return s3err.InvalidArgument.Msg("Range specified is not valid for source object of size: " + size)
	}
	if !strings.HasPrefix(text, fmt.Sprintf("bytes %d-%d/", c.asks.first, c.asks.last)) || resp.ContentLength != c.asks.last-c.asks.first+1 {
		return s3err.BadGateway.Because(errors.New("another range came than the one that was asked for"))
	}
	return nil
}

func tooShort(size string, last int64) bool {
	n, err := strconv.ParseInt(size, 10, 64)
	return err == nil && last >= n
}

// Read implements io.Reader. Its errors say whose fault they are.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

// close gives the connection back, or breaks it off if there is more to read.
func (s *source) close() {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		_ = s.body.Close() // what it could say is of no use any more
	}
}

// sourceError is why the source could not be read to its end.
type sourceError struct{ cause error }

func (e *sourceError) Error() string { return "reading the copy source: " + e.cause.Error() }
func (e *sourceError) Unwrap() error { return e.cause }
