package access

import (
	"time"

	"osp/go/session"
	"osp/go/sigv4"
)

// Principal is who wants something, and how that was found out. It is a plain
// value and proves nothing by itself: the gate makes it of a verified request;
// who asks in somebody's name, without a request, makes it of what is known.
type Principal struct {
	AccessKey string           // empty: nobody signed
	Session   *session.Session // of a temporary key that this proxy has issued; nil: it is none
	Temporary bool             // it has a key for a while
	Expires   time.Time        // of that; zero: it does not say so, or is none
	Region    string           // of the credential scope
	Mechanism sigv4.Mechanism
	Pair      string // stands for the key pair, where a session may be made for it: see creds.PairOf
}

// PrincipalOf is who has signed a request, in a session or, if that is nil, by himself.
func PrincipalOf(r *sigv4.VerifiedRequest, in *session.Session) Principal {
	until, temporary := r.Temporary()
	return Principal{AccessKey: r.AccessKey(), Session: in, Temporary: temporary, Expires: until, Region: r.Region(), Mechanism: r.Mechanism()}
}

// Token is as whom the callbacks see the principal: its access key, or what its
// session says.
func (p *Principal) Token() string {
	if p.Session != nil {
		return p.Session.Token
	}
	return p.AccessKey
}
