package pipeline

import (
	"strings"

	"osp/go/peers"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/session"
	"osp/go/sigv4"
)

var (
	errBearerInClear = s3err.AccessDenied.Msg("Bearer tokens are taken over https only: this one may have been read by others.")
	errOtherBearer   = s3err.AccessDenied.Msg("The bucket of the copy source does not take this bearer token.")
)

// bearer is the token that stands in for a signature, empty if there is none, or the
// bucket's entry takes none. A form carries a signature in any case.
func (x *exchange) bearer() string {
	if x.bucket == nil || x.bucket.Bearer == "" || x.req.Operation == s3op.PostObject {
		return ""
	}
	return sigv4.BearerToken(x.signable())
}

// verifyBearer verifies an identity token for the role that the bucket's entry names.
func (p *Pipeline) verifyBearer(x *exchange, raw string) (*sigv4.VerifiedRequest, *session.Session, error) {
	if x.inClear() {
		return nil, nil, errBearerInClear
	}
	verified, err := sigv4.Bearer(x.signable())
	if err != nil {
		return nil, nil, err
	}
	begun := p.recorder.clock()
	in, err := p.roles.Bearer(x.r.Context(), raw, x.bucket.Bearer, p.hosts.client(x.r))
	p.recorder.waited(x, begun)
	if err != nil {
		return nil, nil, err
	}
	x.record.session = in
	return verified, in, p.inForce(x, in)
}

// inClear reports whether others may have read what the client has sent.
func (x *exchange) inClear() bool { return x.clientScheme != "https" && !x.isLocal() }

// tellsOfForwarder reports whether a field says that a forwarder has passed the request
// on. Whoever sends one without being a forwarder only loses by it.
func tellsOfForwarder(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" || name == "Via" || name == "X-Real-Ip"
}

// isLocal reports whether the request did not leave this machine, as far as it and the
// connection tell: nobody has passed it on, and who is at the other end is known.
func (x *exchange) isLocal() bool {
	for name := range x.r.Header {
		if tellsOfForwarder(name) {
			return false
		}
	}
	peer := x.r.RemoteAddr
	return peer == peers.Unix || peers.AddrOf(peer).IsLoopback() && !peers.IsAnnounced(peer)
}
