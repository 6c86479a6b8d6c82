package pipeline

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

// handle is the only place that writes errors, and the firewall that keeps a
// panic within its request.
func (p *Pipeline) handle(scheme string, w http.ResponseWriter, r *http.Request) {
	p.inFlight.Add(1)
	defer p.inFlight.Done()
	x := &exchange{w: newResponseWriter(w), r: r, clientScheme: p.hosts.scheme(r, scheme), requestID: newRequestID(), stores: p.stores.Load()}
	if p.recorder.on() {
		p.recorder.begin(x)
		defer p.recorder.end(x) // also when the connection is broken off
	}
	defer x.release()
	w.Header()["Server"] = p.serverHeader
	if err := p.guarded(x, func() error { return p.serve(x) }); err != nil {
		p.refuse(x, err)
	}
}

// guarded turns a panic into an InternalError.
func (p *Pipeline) guarded(x *exchange, f func() error) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			p.log.Error("panic in a request", "request_id", x.requestID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = s3err.InternalError
		}
	}()
	return f()
}

// serve is the way of a request, one direction. Nothing before the last two
// steps touches the body, so that `100 Continue` is sent to authorised clients
// only; but forms, lists of keys to delete and requests for temporary keys say
// in their bodies what they are about.
func (p *Pipeline) serve(x *exchange) error {
	if err := p.parse(x); err != nil {
		return err
	}
	if x.protocol != nil {
		return x.protocol.serve(p, x)
	}
	if x.isPreflight() {
		return p.preflight(x)
	}
	if err := p.authenticate(x); err != nil {
		return err
	}
	if err := checkConnection(x.r.Header, x.verified.SignedHeaders()); err != nil {
		return err
	}
	// Not before the signature: what entries take is nobody else's business.
	if x.req.Unlisted != nil && (x.bucket == nil || !x.bucket.UnknownOperations) {
		return x.req.Unlisted
	}
	x.tellOwner()
	if err := p.admit(x); err != nil {
		return err
	}
	if x.req.Operation == s3op.ListBuckets {
		return p.listBuckets(x)
	}
	if x.bucket == nil {
		return s3err.NoSuchBucket
	}
	if err := p.authorize(x); err != nil {
		return err
	}
	if x.allRefused() {
		return x.respondRefused()
	}
	if crosses, err := p.crossesStores(x); crosses || err != nil {
		if err != nil {
			return err
		}
		return p.copyBetweenStores(x)
	}
	call, err := p.prepare(x)
	if err != nil {
		return err
	}
	if err := p.takePlace(x); err != nil {
		return err
	}
	if err := p.checkSum(x, call); err != nil {
		return err
	}
	resp, err := p.send(x.r.Context(), x, call)
	if errors.Is(err, errApart) {
		return p.copyApart(x)
	}
	if err != nil {
		return err
	}
	if x.form != nil && resp.StatusCode == http.StatusOK {
		return x.respondToForm(resp)
	}
	return x.respond(resp)
}

// parse finds out what the request asks for.
func (p *Pipeline) parse(x *exchange) error {
	var virtual string
	virtual, x.hosts = p.hosts.of(x.r)
	if x.protocol = protocolOf(x.r, virtual); x.protocol != nil {
		return nil
	}
	x.asSigned, x.r.Header = x.r.Header, upstream.Canonical(x.r.Header)
	err := checkNamed(x.asSigned)
	if err != nil {
		return err
	}
	if x.req, err = s3op.Parse(x.r.Method, x.r.RequestURI, virtual, x.r.Header); err != nil {
		return err
	}
	x.bucket = x.stores.Buckets.Find(x.req.Bucket)
	return nil
}
