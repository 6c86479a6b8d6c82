package pipeline

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strings"
	"time"

	"osp/go/copier"
	"osp/go/creds"
	"osp/go/names"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/stores"
	"osp/go/upstream"
)

// copySilence is how long a client of a copy hears nothing. S3 sends spaces then, too.
const copySilence = 10 * time.Second

// crossesStores reports whether a request is a copy that no store can make by itself:
// its objects are at two stores, or one set of credentials does not open both.
func (p *Pipeline) crossesStores(x *exchange) (bool, error) {
	if x.req.CopySource == nil {
		return false, nil
	}
	from, to := x.copiedFrom(), x.bucket
	switch {
	case from.Host != to.Host || from.Port != to.Port:
		return true, nil
	case from.Name == to.Name:
		return false, nil
	}
	reads, err := p.credentials(x.r.Context(), x, from)
	if err != nil {
		return false, err
	}
	writes, err := p.credentials(x.r.Context(), x, to)
	return !reads.Same(writes), err
}

// copiedFrom is the entry of the source of a copy.
func (x *exchange) copiedFrom() *stores.Bucket { return x.stores.Buckets.Find(x.req.CopySource.Bucket) }

// copyBetweenStores makes a copy that no store can make by itself.
func (p *Pipeline) copyBetweenStores(x *exchange) error {
	if _, _, err := x.verifiedBody(); err != nil { // which has no meaning, but a hash
		return err
	}
	request, err := p.copyRequest(x)
	if err != nil {
		return err
	}
	if err := p.admitReading(x); err != nil {
		x.limits.Withdraw() // no store has been asked
		return err
	}
	if err := p.takePlace(x); err != nil {
		return err
	}
	return p.makeCopy(x, request)
}

// errApart says that credentials which opened both sides of a copy were renewed, and
// that none do any more.
var errApart = errors.New("each side of the copy has credentials of its own by now")

// renewSource renews the credentials of the source of a copy that its store makes,
// after those of the target were: the store reads the source with the credentials of
// the request, which must be those of the source's entry.
func (p *Pipeline) renewSource(ctx context.Context, x *exchange, used, fresh creds.Credentials, certain bool) error {
	from := x.copiedFrom()
	if from.Name == x.bucket.Name {
		return nil
	}
	reads, _, err := p.creds.Renew(ctx, from, x.who.Token(), used, certain)
	if err != nil {
		return err
	}
	x.keepSide(from, reads)
	x.keepSide(x.bucket, fresh)
	if !reads.Same(fresh) {
		return errApart
	}
	return nil
}

// copyApart makes a copy that its store was asked for and can't make any more. The
// request's body is verified, and its place taken.
func (p *Pipeline) copyApart(x *exchange) error {
	request, err := p.copyRequest(x)
	if err != nil {
		return err
	}
	if err := p.admitReading(x); err != nil {
		return err
	}
	return p.makeCopy(x, request)
}

// makeCopy makes a copy and responds. What is known before the bytes move has its
// real status.
func (p *Pipeline) makeCopy(x *exchange, request copier.Request) error {
	x.record.copies = true
	ctx, cancel := context.WithCancel(x.r.Context())
	defer cancel()
	c, err := copier.Begin(ctx, request, p.senderFor(x))
	if err != nil {
		return err
	}
	defer c.Close()
	if err := x.limits.CheckSize(c.Size()); err != nil {
		return x.limited(err)
	}
	made := make(chan madeCopy, 1)
	go func() {
		var m madeCopy
		m.err = p.guarded(x, func() (err error) {
			m.result, err = c.Transfer(ctx)
			return err
		})
		made <- m
	}()
	m := x.whileCopying(made, cancel, p.copySilence)
	x.record.copied = c.Moved()
	if m.err != nil {
		return p.copyFailed(x, m.err)
	}
	return x.respondCopied(m.result)
}

type madeCopy struct {
	result *copier.Result
	err    error
}

// copyRequest says in the copier's words what the client asks for.
func (p *Pipeline) copyRequest(x *exchange) (copier.Request, error) {
	if x.req.Unlisted != nil { // what S3 does not have can't be done here
		return copier.Request{}, x.req.Unlisted
	}
	creds, err := p.credentials(x.r.Context(), x, x.bucket)
	if err != nil {
		return copier.Request{}, err
	}
	query, err := names.Query(x.bucket, x.req.Operation, x.req.Query.ForStore())
	if err != nil {
		return copier.Request{}, err
	}
	header := storeHeader(x.r.Header, x.verified.SignedHeaders(), x.bucket.IBM)
	for _, param := range x.req.Query {
		if name := param.Field(); name != "" {
			header[name] = []string{param.Value}
		}
	}
	return copier.Request{
		Operation: x.req.Operation, Source: *x.source(), VersionID: x.req.CopySource.VersionID, Target: x.place(),
		Query: query, Header: header, Checksums: takesChecksums(x.bucket, creds), Uploads: p.uploads,
		Through: x.paceCopy,
	}, nil
}

// senderFor sends the calls of a copy, each with the credentials for its store.
func (p *Pipeline) senderFor(x *exchange) copier.Send {
	return func(ctx context.Context, call *upstream.Call) (*http.Response, error) {
		var err error
		if call.Creds, err = p.credentials(ctx, x, call.Bucket); err != nil {
			return nil, err
		}
		defer func() { x.keepSide(call.Bucket, call.Creds) }() // they may have been renewed
		return p.send(ctx, x, call)
	}
}

// keepSide remembers the credentials of one side of a copy.
func (x *exchange) keepSide(b *stores.Bucket, c creds.Credentials) {
	if x.sides == nil {
		x.sides = make(map[string]creds.Credentials, 2)
	}
	x.sides[b.Name] = c
}

// whileCopying waits for a copy, and from time to time lets the client know that it
// is still under way. A client that does not listen ends it.
func (x *exchange) whileCopying(made <-chan madeCopy, cancel context.CancelFunc, silence time.Duration) madeCopy {
	tick := time.NewTicker(silence)
	defer tick.Stop()
	for {
		select {
		case m := <-made:
			return m
		case <-tick.C:
			if err := x.sendSpace(); err != nil {
				cancel()
				<-made
				return madeCopy{err: clientLeft.Because(err)}
			}
		}
	}
}

// sendSpace sends what may precede any document.
func (x *exchange) sendSpace() error {
	text := " "
	if !x.w.begun {
		header := x.w.Header()
		header.Set("Content-Type", "application/xml")
		header.Set("X-Amz-Request-Id", x.requestID)
		x.w.WriteHeader(http.StatusOK)
		text = xml.Header
	}
	if _, err := x.w.Write([]byte(text)); err != nil {
		return err
	}
	return x.w.conn.Flush()
}

// copyFailed passes an error on, or into a response that has begun: clients of these
// operations look for one there.
func (p *Pipeline) copyFailed(x *exchange, err error) error {
	if !x.w.begun || errors.Is(err, context.Canceled) || errors.Is(err, clientLeft) {
		return err
	}
	e := s3err.From(err)
	x.record.code, x.record.status = e.Code, e.Status
	p.logRefusal(x, e)
	document := strings.TrimPrefix(string(e.XML(x.r.URL.Path, x.requestID)), xml.Header)
	_, _ = x.w.Write([]byte(document)) // the client may have left; there is nobody to tell
	return nil
}

func (x *exchange) respondCopied(result *copier.Result) error {
	if x.w.begun {
		_, err := x.w.Write(result.Document)
		return err
	}
	header := x.w.Header()
	for name, values := range result.Header {
		header[name] = values
	}
	header.Set("Content-Type", "application/xml")
	header.Set("X-Amz-Request-Id", x.requestID)
	return x.write(http.StatusOK, append([]byte(xml.Header), result.Document...))
}

// copyOutcome is how a copy between two stores ended.
func copyOutcome(code string, status int) string {
	switch {
	case code == "":
		return observe.Copied
	case code == clientLeft.Code:
		return observe.Abandoned
	case status < http.StatusInternalServerError:
		return observe.Refused
	}
	return observe.Failed
}
