package access

import "osp/go/sigv4"

// Principal is who wants something, and how that was found out. It is a plain
// value and proves nothing by itself: the gate makes it of a verified request;
// who asks in somebody's name, without a request, makes it of what is known.
type Principal struct {
	AccessKey string // empty: nobody signed
	Session   bool   // the key is a temporary one, and its session token was given
	Region    string // of the credential scope
	Mechanism sigv4.Mechanism
}

// PrincipalOf is who has signed a request.
func PrincipalOf(r *sigv4.VerifiedRequest) Principal {
	return Principal{AccessKey: r.AccessKey(), Session: r.Session(), Region: r.Region(), Mechanism: r.Mechanism()}
}
