package pipeline

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"strconv"
	"time"

	"osp/go/access"
	"osp/go/limits"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/shared"
)

var errNoSuchClass = errors.New("the validator chose limits that the configuration does not have")

// lastWord is how long a stop takes at most to tell the fleet what has been used up.
const lastWord = time.Second

func limitsOptions(fleet *shared.State) limits.Options {
	if fleet == nil {
		return limits.Options{}
	}
	return limits.Options{Fleet: fleet}
}

// admit takes of the client's own share, before anybody is asked about the request:
// after its signature, so that nobody uses up the share of somebody else.
func (p *Pipeline) admit(x *exchange) error {
	var ofEntry *limits.EntryRules
	if x.bucket != nil {
		ofEntry = x.bucket.Limits
	}
	if x.stores.Limits == nil && ofEntry == nil {
		return nil
	}
	who := limits.Subject{Operation: x.req.Class(), Size: x.proposedSize()}
	if x.bucket != nil {
		who.Entry = x.bucket.Entry().Name
	}
	who.Token = x.owner()
	if who.Token == "" {
		who.Address = network(p.hosts.client(x.r))
	}
	x.limits = p.limits.Begin(x.stores.Limits, ofEntry, who)
	return x.limited(x.limits.AdmitOwn())
}

// owner is whose share and whose turn it is: the client as the callbacks see it, so that
// new temporary keys bring no new share. Empty: nobody has signed.
func (x *exchange) owner() string {
	if token := x.who.Token(); token != "" {
		return token
	}
	return x.who.AccessKey
}

// paceBody has the client's body keep to its rates, if there are any. It may have been
// begun before they were known, as those of forms and of lists to delete are.
func (x *exchange) paceBody() {
	if x.body != nil && x.limits.Limited(limits.In) {
		x.body.limits = x.limits
	}
}

// admitAuthorised takes of the shares that the client has in common with others, once
// the request may go on.
func (x *exchange) admitAuthorised() error {
	known, err := x.limits.AdmitCommon(x.class)
	if !known {
		return s3err.AccessDenied.Because(errNoSuchClass)
	}
	x.paceBody()
	return x.limited(err)
}

// admitReading looks whether a copy may read its source's entry. The request itself has
// been admitted, to the target's.
func (p *Pipeline) admitReading(x *exchange) (err error) {
	from := x.copiedFrom()
	who := limits.Subject{Token: x.owner(), Entry: from.Entry().Name, Operation: s3op.Read}
	if who.Token == "" {
		who.Address = network(p.hosts.client(x.r))
	}
	x.reading, err = p.limits.BeginReading(x.stores.Limits, from.Limits, who, x.class)
	return x.limited(err)
}

// paceCopy has the bytes of a copy between two stores keep to the rates of both entries:
// they are bytes out of the source's, and bytes in of the target's.
func (x *exchange) paceCopy(ctx context.Context, body io.Reader) io.Reader {
	return crossing{x, ctx, body}
}

// crossing is the body of a copy's source on its way to the target.
type crossing struct {
	x    *exchange
	ctx  context.Context
	from io.Reader
}

// Read implements io.Reader.
func (c crossing) Read(b []byte) (int, error) {
	n, err := c.from.Read(b[:c.x.reading.Chunk(limits.Out, c.x.limits.Chunk(limits.In, len(b)))])
	c.x.crossed.Add(int64(n))
	paused := c.x.reading.Move(c.ctx, limits.Out, n)
	if paused == nil {
		paused = c.x.limits.Move(c.ctx, limits.In, n)
	}
	if paused != nil && err == nil {
		return n, paused
	}
	return n, err
}

// chosen notes which limits the validator chose. The first that names some counts.
func (x *exchange) chosen(d access.Decision) {
	if d.Allowed && x.class == "" {
		x.class = d.Limits
	}
}

// limited says in S3's words that a limit is reached.
func (x *exchange) limited(err error) error {
	if err == nil {
		return nil
	}
	var r *limits.Refusal
	if !errors.As(err, &r) {
		return err
	}
	x.record.limit = r
	switch r.Measure {
	case limits.LargestObject:
		return s3err.EntityTooLarge.With("ProposedSize", strconv.FormatInt(r.Proposed, 10)).
			With("MaxSizeAllowed", strconv.FormatInt(r.Limit, 10)).Because(r)
	case limits.RequestsPerDay, limits.BytesPerDay:
		return s3err.QuotaExceeded.Because(r)
	}
	return s3err.SlowDown.After(r.Wait).Because(r)
}

// limitBroken is what observers are told of it.
func (x *exchange) limitBroken() observe.Limit {
	if x.record.limit == nil {
		return observe.Limit{}
	}
	return observe.Limit{Rule: x.record.limit.Rule, Measure: x.record.limit.Measure.String()}
}

// proposedSize is how long the object, or the part of one, would be that the request
// stores, as it declares; its body is held to that.
func (x *exchange) proposedSize() int64 {
	switch op := x.req.Operation; {
	case op == s3op.PostObject:
		return x.form.length
	case op == s3op.PutObject, op == s3op.UploadPart:
	case x.req.Unlisted != nil, x.req.Fallback == s3op.PutObject: // a store that lacks it may well take it for one of these
	default:
		return 0
	}
	size := max(0, x.length()) // of a document that tells none it is looked at again: see readDocument
	if x.verified.Payload().Streaming() {
		size = counted(x.r.Header.Get("X-Amz-Decoded-Content-Length"))
	}
	return size + counted(x.r.Header.Get("X-Amz-Write-Offset-Bytes")) // of what is there already
}

// counted reads a number of bytes in a header that is checked elsewhere.
func counted(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 62)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// network is what one client has of addresses: of IPv6 it is a network of 64 bits.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Is4() || ip.Is4In6() {
		return address
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// out is where a response goes that is written rather than read.
func (x *exchange) out() io.Writer {
	if x.limits.Limited(limits.Out) {
		return meteredWriter{x}
	}
	return x.w
}

// meteredWriter is the client, who is sent as much as its limits allow.
type meteredWriter struct{ x *exchange }

// Write implements io.Writer.
func (m meteredWriter) Write(b []byte) (written int, err error) {
	for len(b) > 0 && err == nil {
		piece := b[:m.x.limits.Chunk(limits.Out, len(b))]
		if err = m.x.limits.Move(m.x.r.Context(), limits.Out, len(piece)); err != nil {
			break
		}
		var n int
		n, err = m.x.w.Write(piece)
		written, b = written+n, b[n:]
	}
	return written, err
}

// metered is a body that goes to the client as fast as its limits allow.
type metered struct {
	x    *exchange
	from io.Reader
}

// Read implements io.Reader.
func (m metered) Read(b []byte) (int, error) {
	n, err := m.from.Read(b[:m.x.limits.Chunk(limits.Out, len(b))])
	if paused := m.x.limits.Move(m.x.r.Context(), limits.Out, n); paused != nil && err == nil {
		return n, paused
	}
	return n, err
}
