package pipeline

import (
	"errors"

	"osp/go/callbacks"
	"osp/go/s3op"
	"osp/go/sigv4"
)

// authenticate finds out who asks.
func (p *Pipeline) authenticate(x *exchange) (err error) {
	if x.verified, err = p.verify(x); err != nil {
		x.record.badSignature = true
	}
	return err
}

// verify is the gate: it returns a VerifiedRequest or an error, for every mode.
func (p *Pipeline) verify(x *exchange) (*sigv4.VerifiedRequest, error) {
	if x.bucket != nil && x.bucket.Anonymous && !x.req.Writes() {
		if r := x.signable(); !sigv4.ClaimsSignature(r) {
			return sigv4.Anonymous(r)
		}
	}
	if x.req.Operation == s3op.PostObject {
		release, err := p.forms.acquire()
		if err != nil {
			return nil, err
		}
		defer release()
	}
	signed, err := x.parseSignature()
	if err != nil {
		return nil, err
	}
	x.record.accessKey, x.record.presigned = signed.AccessKey(), signed.Presigned()
	if p.cfg.SkipSignature {
		return p.verifier.Trust(signed)
	}
	begun := p.recorder.clock()
	key, err := p.clients.Secret(x.r.Context(), x.stores.Keystore, signed.AccessKey())
	p.recorder.waited(x, begun)
	if errors.Is(err, callbacks.ErrUnknownKey) {
		return nil, p.verifier.Reject(signed)
	}
	if err != nil {
		return nil, err
	}
	verified, err := p.verifier.Verify(signed, key)
	if err == nil {
		p.clients.Verified(x.stores.Keystore, signed.AccessKey())
	}
	return verified, err
}

// parseSignature finds the signature where this kind of request carries it.
func (x *exchange) parseSignature() (*sigv4.SignedRequest, error) {
	if x.req.Operation == s3op.PostObject {
		return x.parseForm()
	}
	return sigv4.Parse(x.signable())
}

// signable is the part of a request that a signature covers.
func (x *exchange) signable() *sigv4.Request {
	return &sigv4.Request{
		Method: x.r.Method, RawPath: x.req.RawPath, RawQuery: x.req.RawQuery,
		Hosts: x.hosts, Header: x.r.Header, ContentLength: x.r.ContentLength, TransferEncoding: x.r.TransferEncoding,
	}
}
