package roles

import "osp/go/session"

// Stands returns nil if the configuration still gives a session to whoever holds it, as
// far as the session tells: its issuer, subject and access key. The rest was looked at
// when it was given.
func (r *Roles) Stands(in *session.Session) error {
	now := r.current.Load()
	if in.Issuer != "" && !now.verifier.Trusts(in.Issuer) {
		return refusal("its issuer is not there any more")
	}
	role := now.Roles[in.Role]
	switch {
	case !in.Configured && role != nil: // which may say other things about it
		return refusal("its role was not the configuration's when it was given")
	case !in.Configured:
		return nil
	case role == nil:
		return refusal("its role is not there any more")
	case in.Issuer != "":
		return role.admitSubject(in.Issuer, in.Subject)
	case in.Caller != "":
		return role.admitKey(in.Caller)
	}
	return nil
}
