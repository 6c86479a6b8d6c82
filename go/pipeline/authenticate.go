package pipeline

import (
	"errors"

	"osp/go/access"
	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/session"
	"osp/go/sigv4"
)

var (
	errRoleGone = errors.New("the session's role is not there any more")
	errKeyGone  = errors.New("the key is not there any more that has signed for the session")
)

// authenticate finds out who asks.
func (p *Pipeline) authenticate(x *exchange) error {
	verified, in, err := p.verify(x)
	if err != nil {
		x.record.badSignature = true
		return err
	}
	x.verified, x.who = verified, access.PrincipalOf(verified, in)
	return nil
}

// verify is the gate: it returns a VerifiedRequest or an error, for every mode; and the
// session of a temporary key, nil if it is none of ours.
func (p *Pipeline) verify(x *exchange) (*sigv4.VerifiedRequest, *session.Session, error) {
	if raw := x.bearer(); raw != "" {
		return p.verifyBearer(x, raw)
	}
	if x.bucket != nil && x.bucket.Anonymous && !x.req.Writes() {
		if r := x.signable(); !sigv4.ClaimsSignature(r) {
			verified, err := sigv4.Anonymous(r)
			return verified, nil, err
		}
	}
	if x.req.Operation == s3op.PostObject {
		release, err := p.forms.acquire(network(p.hosts.client(x.r)))
		if err != nil {
			return nil, nil, err
		}
		defer release()
	}
	signed, err := x.parseSignature()
	if err != nil {
		return nil, nil, err
	}
	x.record.accessKey, x.record.presigned = signed.AccessKey(), signed.Presigned()
	return p.verifySigned(x, signed)
}

// verifySigned verifies what claims a signature, by whatever secret its access key has.
func (p *Pipeline) verifySigned(x *exchange, signed *sigv4.SignedRequest) (*sigv4.VerifiedRequest, *session.Session, error) {
	if session.Ours(signed.SessionToken().Reveal()) {
		return p.verifyInSession(x, signed)
	}
	verified, err := p.verifyByKey(x, signed)
	return verified, nil, err
}

// verifyByKey verifies with the secret that the owner knows for an access key.
func (p *Pipeline) verifyByKey(x *exchange, signed *sigv4.SignedRequest) (*sigv4.VerifiedRequest, error) {
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

// verifyInSession verifies with the secret that follows from a session token. Nobody
// else is asked about a token that has our form, whatever is wrong with it.
func (p *Pipeline) verifyInSession(x *exchange, signed *sigv4.SignedRequest) (*sigv4.VerifiedRequest, *session.Session, error) {
	token := signed.SessionToken()
	in, key, err := p.sessions.Open(signed.AccessKey(), token.Reveal())
	switch {
	case errors.Is(err, session.ErrExpired):
		return nil, nil, s3err.ExpiredToken.Because(err)
	case err != nil:
		return nil, nil, s3err.InvalidToken.Because(err)
	}
	var verified *sigv4.VerifiedRequest
	if p.cfg.SkipSignature { // the session is real, but anybody may use it
		verified, err = p.verifier.Trust(signed)
	} else {
		verified, err = p.verifier.Verify(signed, callbacks.Secret{Key: key, SessionToken: token, Expires: in.Expires})
	}
	if err != nil {
		return nil, nil, err
	}
	x.record.session = in
	return verified, in, p.inForce(x, in)
}

// inForce refuses a session that is over though its time is not.
func (p *Pipeline) inForce(x *exchange, in *session.Session) error {
	if err := p.going.Check(x.r.Context(), in); err != nil {
		return err
	}
	_, there := x.stores.Roles[in.Role] // which says what bounds it
	switch err := p.roles.Stands(in); {
	case err != nil:
		return s3err.ExpiredToken.Because(err)
	case in.Configured && !there:
		return s3err.ExpiredToken.Because(errRoleGone)
	case in.Caller != "" && !p.clients.MayKnow(x.stores.Keystore, in.Caller, in.Pair):
		return s3err.ExpiredToken.Because(errKeyGone)
	}
	return nil
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
		Hosts: x.hosts, Header: x.asSigned, ContentLength: x.r.ContentLength, TransferEncoding: x.r.TransferEncoding,
	}
}
