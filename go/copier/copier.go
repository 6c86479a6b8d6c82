// Package copier copies an object, or a range of one, from one store to another
// while it streams: what CopyObject and UploadPartCopy mean, where no store can do
// it by itself. It reads the source once and writes the target once, with the exact
// length and a checksum, so that what ends early or differs is not stored. It holds
// no more of an object than the buffer of a connection.
//
// It authorises nobody and has no credentials: its caller has done the one and
// sends the calls. It never sees an HTTP request, and speaks of objects by the
// client's names only.
package copier

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

// Request is one copy to make.
type Request struct {
	Operation s3op.Operation // CopyObject or UploadPartCopy
	Source    names.Place
	VersionID string // of the source; empty: the current one
	Target    names.Place
	Query     s3op.Query  // of UploadPartCopy, by the target's store's names
	Header    http.Header // what the client asks for, by canonical names

	// Checksums says that the target's store takes them, also as trailers.
	Checksums bool
	Uploads   *Uploads // of all copies

	// Through is what the source's bytes are read through, until ctx is done; nil: nothing.
	Through func(ctx context.Context, body io.Reader) io.Reader
}

// Send sends a call to a store, with credentials that the store accepts. The
// errors are those of upstream.Client, or about credentials.
type Send func(ctx context.Context, call *upstream.Call) (*http.Response, error)

// Copy is one copy under way. It serves one caller; Close ends it.
type Copy struct {
	Request
	send   Send
	asks   directives
	source *source
	target target
	tags   string // for x-amz-tagging
	moved  int64
}

// Begin finds out whether the copy can be made: it opens the source, judges the
// conditions, and learns what else there is to copy. Its errors are *s3err.Error
// values that name nothing but what the client named, or ctx's own.
func Begin(ctx context.Context, r Request, send Send) (*Copy, error) {
	c := &Copy{Request: r, send: send}
	var err error
	if c.asks, err = readDirectives(&c.Request); err != nil {
		return nil, err
	}
	if c.source, err = c.open(ctx, nil); err != nil {
		return nil, ended(ctx, err)
	}
	if err := c.prepare(ctx); err != nil {
		c.Close()
		return nil, ended(ctx, err)
	}
	return c, nil
}

// ended is that ctx has ended, if it has. Then its connections are closed one after the
// other, and what they say of each other is not why.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// prepare learns what is not in the head of the source.
func (c *Copy) prepare(ctx context.Context) (err error) {
	if err = c.asks.conditions.check(c.source.etag, c.source.modified); err != nil {
		return err
	}
	if c.source.length > largest {
		return errTooLarge
	}
	if c.asks.copiesTags {
		if c.tags, err = c.readTags(ctx); err != nil {
			return err
		}
	}
	c.target, err = c.describe(ctx)
	return err
}

// Transfer moves the bytes, which may take as long as they are many. When the
// target's store refuses them for what is mended by now, they are read once more, if
// they are the same; nothing else is sent twice.
func (c *Copy) Transfer(ctx context.Context) (*Result, error) {
	result, err := c.put(ctx)
	if !errors.Is(err, upstream.ErrUnrepeatable) {
		return result, err
	}
	c.Close()
	again, err := c.open(ctx, c.source)
	if err != nil {
		return nil, ended(ctx, err)
	}
	c.source = again
	return c.put(ctx)
}

// Size is how many bytes there are to copy.
func (c *Copy) Size() int64 { return c.source.length }

// Moved is how many bytes of the object the target's store has stored.
func (c *Copy) Moved() int64 { return c.moved }

// Close gives the source's connection back. Nobody reads from it afterwards.
func (c *Copy) Close() { c.source.close() }

// Result is what a copy that was made came to.
type Result struct {
	Header   http.Header
	Document []byte // without an XML declaration
}

// largest is S3's limit for what one request copies.
const largest = 5 << 30

var errTooLarge = s3err.InvalidRequest.Msg("The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")

// storeTime is when a store did something, by its own clock.
func storeTime(h http.Header) time.Time {
	if t, err := http.ParseTime(h.Get("Date")); err == nil {
		return t
	}
	return time.Now()
}
