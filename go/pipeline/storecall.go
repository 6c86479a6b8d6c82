package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"osp/go/creds"
	"osp/go/names"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/stores"
	"osp/go/upstream"
	"osp/go/wire"
)

// copySource is the field by which a call names what its store is to copy.
const copySource = "X-Amz-Copy-Source"

// prepare makes the store's request out of the client's.
func (p *Pipeline) prepare(x *exchange) (*upstream.Call, error) {
	call, err := x.translate()
	if err != nil {
		return nil, err
	}
	if call.Creds, err = p.credentials(x.r.Context(), x, x.bucket); err != nil {
		return nil, err
	}
	switch {
	case x.form != nil:
		return call, x.prepareForm(call)
	case x.deletions != nil:
		return call, x.attachDeletions(call)
	case x.req.Operation == s3op.RestoreObject:
		return call, x.attachRestore(call)
	}
	return call, x.attachBody(call)
}

// credentials are those for a bucket's store. For a copy they are asked for once for each side.
func (p *Pipeline) credentials(ctx context.Context, x *exchange, b *stores.Bucket) (creds.Credentials, error) {
	if known, ok := x.sides[b.Name]; ok {
		return known, nil
	}
	begun := p.recorder.clock()
	defer p.recorder.waited(x, begun)
	found, err := p.creds.For(ctx, b, x.who.Token())
	if err == nil && x.req.CopySource != nil {
		x.keepSide(b, found)
	}
	return found, err
}

// translate says what the client asks for in the names of the store.
func (x *exchange) translate() (*upstream.Call, error) {
	if err := names.Check(x.bucket, x.req); err != nil {
		return nil, err
	}
	call := &upstream.Call{
		Bucket: x.bucket, Method: x.r.Method, Header: storeHeader(x.r.Header, x.verified.SignedHeaders(), x.bucket.IBM),
	}
	switch x.req.Operation {
	case s3op.CompleteMultipartUpload, s3op.CopyObject, s3op.UploadPartCopy:
		call.Patient = true
	}
	var err error
	if call.Key, err = names.Key(x.bucket, x.req.Key); err != nil {
		return nil, err
	}
	if x.req.Operation == s3op.Preflight {
		return call, nil // its query is that of another request
	}
	if call.Query, err = names.Query(x.bucket, x.req.Operation, x.req.Query.ForStore()); err != nil {
		return nil, err
	}
	if source := x.req.CopySource; source != nil {
		copied, err := names.CopySource(x.stores.Buckets.Find(source.Bucket), source)
		if err != nil {
			return nil, err
		}
		call.Header.Set(copySource, copied)
	}
	if key := x.req.RenameSource; key != "" {
		renamed, err := names.Key(x.bucket, key)
		if err != nil {
			return nil, err
		}
		call.Header.Set("X-Amz-Rename-Source", wire.Encode(renamed, wire.InPath))
	}
	return call, nil
}

// send sends a call. When the store does not take the credentials, they are
// renewed, and the call is sent once more if its body allows that.
func (p *Pipeline) send(ctx context.Context, x *exchange, call *upstream.Call) (*http.Response, error) {
	x.acceptEncoding(call)
	resp, err := p.do(ctx, x, call)
	if err != nil {
		return nil, err
	}
	refused, err := x.credentialsRefusedBy(call, resp)
	if err != nil {
		return nil, err
	}
	if refused == nil {
		return resp, nil
	}
	if refused.certain {
		x.record.storeError = observe.CredentialsRefused
	}
	fresh, renewed, err := p.renew(ctx, x, call, refused.certain)
	switch {
	case errors.Is(err, errApart):
		_ = resp.Body.Close() // it was about credentials that nobody uses any more
		return nil, err
	case err != nil && !refused.certain && x.r.Context().Err() == nil: // it may be the client's mistake
		return resp, nil
	case err != nil:
		_ = resp.Body.Close() // its response is of no use
		return nil, err
	case !renewed && refused.certain:
		_ = resp.Body.Close()
		return nil, refused.error()
	case !renewed:
		return resp, nil
	}
	_ = resp.Body.Close()
	call.Creds = fresh
	if !call.Repeatable() {
		// Somebody else holds the body, and the next attempt will do.
		return nil, s3err.ServiceUnavailable.Because(fmt.Errorf("%w: %w", refused.error(), upstream.ErrUnrepeatable))
	}
	if resp, err = p.do(ctx, x, call); err != nil {
		return nil, err
	}
	if refused, err = x.credentialsRefusedBy(call, resp); err != nil {
		return nil, err
	}
	if refused != nil && refused.certain {
		_ = resp.Body.Close()
		return nil, refused.error()
	}
	return resp, nil
}

// renew asks for other credentials in place of those that a store has refused, perhaps,
// and reports whether they differ. A call that names a source has them for both sides.
func (p *Pipeline) renew(ctx context.Context, x *exchange, call *upstream.Call, certain bool) (creds.Credentials, bool, error) {
	fresh, renewed, err := p.creds.Renew(ctx, call.Bucket, x.who.Token(), call.Creds, certain)
	if err == nil && renewed && call.Header.Get(copySource) != "" {
		err = p.renewSource(ctx, x, call.Creds, fresh, certain)
	}
	return fresh, renewed, err
}

// do sends a call to its store. What is timed ends with the head of the response.
func (p *Pipeline) do(ctx context.Context, x *exchange, call *upstream.Call) (*http.Response, error) {
	if !p.recorder.on() {
		return p.upstream.Do(ctx, call)
	}
	end := func(int, error) {}
	if t := p.recorder.tracer; t != nil {
		ctx, end = t.Upstream(ctx, call.Method, call.Bucket.Host, call.Bucket.Port, call.Header)
	}
	begun := p.recorder.clock()
	resp, err := p.upstream.Do(ctx, call)
	x.record.asked = true
	x.record.upstream += p.recorder.clock() - begun
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	if status >= http.StatusInternalServerError {
		x.record.storeError = observe.ServerError
	}
	end(status, err)
	return resp, err
}
