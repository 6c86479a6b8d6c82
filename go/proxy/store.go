package proxy

import (
	"net/http"

	"osp/go/names"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
	"osp/go/wire"
)

// prepare makes the store's request out of the client's.
func (h *handler) prepare(x *exchange) (*upstream.Call, error) {
	call, err := translate(x)
	if err != nil {
		return nil, err
	}
	begun := h.watch.clock()
	call.Creds, err = h.creds.For(x.r.Context(), x.bucket, x.verified.AccessKey())
	h.watch.callback(x, begun)
	if err != nil {
		return nil, err
	}
	switch {
	case x.form != nil:
		return call, h.prepareForm(x, call)
	case x.deletions != nil:
		return call, attachDeletions(x, call)
	case x.req.Operation == s3op.RestoreObject:
		return call, h.attachRestore(x, call)
	}
	return call, h.attachBody(x, call)
}

// translate says what the client asks for in the names of the store.
func translate(x *exchange) (*upstream.Call, error) {
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
		call.Header.Set("X-Amz-Copy-Source", copied)
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
func (h *handler) send(x *exchange, call *upstream.Call) (*http.Response, error) {
	acceptEncoding(x, call)
	resp, err := h.do(x, call)
	if err != nil {
		return nil, err
	}
	complaint, err := complaintOf(x, resp)
	if err != nil {
		return nil, err
	}
	if complaint == nil {
		return resp, nil
	}
	if complaint.certain {
		x.seen.StoreError = observe.CredentialsRefused
	}
	fresh, renewed, err := h.creds.Renew(x.r.Context(), x.bucket, x.verified.AccessKey(), call.Creds)
	switch {
	case err != nil:
		_ = resp.Body.Close() // its answer is of no use
		return nil, err
	case !renewed && complaint.certain:
		_ = resp.Body.Close()
		return nil, complaint.error()
	case !renewed:
		return resp, nil
	}
	_ = resp.Body.Close()
	if !call.Repeatable() {
		// The client holds the body, and the next attempt will do.
		return nil, s3err.ServiceUnavailable.Because(complaint.error())
	}
	call.Creds = fresh
	if resp, err = h.do(x, call); err != nil {
		return nil, err
	}
	if complaint, err = complaintOf(x, resp); err != nil {
		return nil, err
	}
	if complaint != nil && complaint.certain {
		_ = resp.Body.Close()
		return nil, complaint.error()
	}
	return resp, nil
}

// do sends a call to its store. What is timed ends with the head of the answer.
func (h *handler) do(x *exchange, call *upstream.Call) (*http.Response, error) {
	ctx := x.r.Context()
	if !h.watch.on() {
		return h.upstream.Do(ctx, call)
	}
	end := func(int, error) {}
	if t := h.watch.tracer; t != nil {
		ctx, end = t.Upstream(ctx, call.Method, call.Bucket.Host, call.Bucket.Port, call.Header)
	}
	begun := h.watch.clock()
	resp, err := h.upstream.Do(ctx, call)
	x.seen.Asked = true
	x.seen.Upstream += h.watch.clock() - begun
	status := 0
	if err == nil {
		status = resp.StatusCode
	}
	if status >= http.StatusInternalServerError {
		x.seen.StoreError = observe.ServerError
	}
	end(status, err)
	return resp, err
}
