package sigv4

import (
	"time"

	"osp/go/callbacks"
)

// VerifiedRequest says what a signature was found to cover. Only a Verifier
// makes a usable one; the zero value and nil are not usable, and their
// accessors return zero values.
type VerifiedRequest struct {
	signed   *SignedRequest
	verified bool
	by       callbacks.Secret // the zero Secret: nothing that ends
	chunks   *ChunkVerifier
}

// unsigned stands in for the parts that a zero VerifiedRequest lacks.
var unsigned = &SignedRequest{}

func (r *VerifiedRequest) parts() *SignedRequest {
	if r == nil || r.signed == nil {
		return unsigned
	}
	return r.signed
}

// Usable reports whether a Verifier made r. A handler that has a request for
// which this is false has to refuse it.
func (r *VerifiedRequest) Usable() bool { return r.parts().mechanism != 0 }

// Verified reports whether the signature was checked and matched. It is false
// for a request that Trust let through.
func (r *VerifiedRequest) Verified() bool { return r.Usable() && r.verified }

// Temporary reports whether the access key is one for a while, and until when; the zero
// time is for one that does not say so.
func (r *VerifiedRequest) Temporary() (until time.Time, temporary bool) {
	if r == nil {
		return until, false
	}
	return r.by.Expires, !r.by.Expires.IsZero() || !r.by.SessionToken.Empty()
}

// AccessKey is the access key id that signed the request.
func (r *VerifiedRequest) AccessKey() string { return r.parts().cred.accessKey }

// Region is the region of the credential scope.
func (r *VerifiedRequest) Region() string { return r.parts().cred.region }

// Presigned reports whether this was a presigned URL.
func (r *VerifiedRequest) Presigned() bool { return r.parts().Presigned() }

// Mechanism says how it was signed. It is zero for what is not Usable.
func (r *VerifiedRequest) Mechanism() Mechanism { return r.parts().mechanism }

// Signature is the request's signature, 64 lower-case hex digits. It has one
// spelling, whatever the order of the query, so it identifies a presigned URL.
func (r *VerifiedRequest) Signature() string { return r.parts().signature }

// ExpiresAt is when a presigned URL or a form's policy expires, otherwise the
// zero time.
func (r *VerifiedRequest) ExpiresAt() time.Time {
	switch s := r.parts(); s.mechanism {
	case InQuery:
		return s.time.Add(s.expires)
	case InForm:
		return s.policy.expiration
	default:
		return time.Time{}
	}
}

// Payload says how the body is bound to the signature.
func (r *VerifiedRequest) Payload() Payload { return r.parts().payload }

// Chunks is the signature chain of an aws-chunked body; nil if chunks carry no
// signature, or none that can be checked because the request was trusted. Every
// call returns the same chain.
func (r *VerifiedRequest) Chunks() *ChunkVerifier {
	if !r.Verified() {
		return nil
	}
	return r.chunks
}

// SignedHeaders are the lower-case names that the signature covers, sorted. It
// is empty for a form, which signs its fields instead. The slice is the
// request's own: to be read, not changed.
func (r *VerifiedRequest) SignedHeaders() []string { return r.parts().signed }

// ContentLengthRange is how many bytes a form's policy lets its file have, both
// ends included; false if nothing limits it.
func (r *VerifiedRequest) ContentLengthRange() (least, most int64, limited bool) {
	p := r.parts().policy
	if p == nil || !p.limited {
		return 0, 0, false
	}
	return p.least, p.most, true
}
