package sigv4

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/wire"
)

// Options tune a Verifier. The zero Options are suitable for production.
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Regions that credential scopes may name; none means any, because the
	// proxy serves stores of many regions.
	Regions []string
	// CachedKeys bounds the cache of signing keys; 0 means 1024.
	CachedKeys int
}

// Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	now     func() time.Time
	regions []string
	keys    keyCache
	decoy   secret.Text
}

// New makes a Verifier.
func New(o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CachedKeys <= 0 {
		o.CachedKeys = 1024
	}
	return &Verifier{
		now:     o.Now,
		regions: slices.Clone(o.Regions),
		keys:    newKeyCache(o.CachedKeys),
		decoy:   secret.NewText(rand.Text()),
	}
}

// Verify checks that s was signed with sec, in time and in an allowed region,
// and that a form satisfies its policy. An empty secret verifies nothing.
//
// Errors are *s3err.Error: SignatureDoesNotMatch, RequestTimeTooSkewed,
// AccessDenied (expired, not yet valid, against the policy), ExpiredToken,
// InvalidToken, InvalidAccessKeyId, InvalidPolicyDocument, or what is wrong
// with the region.
func (v *Verifier) Verify(s *SignedRequest, sec callbacks.Secret) (*VerifiedRequest, error) {
	if sec.Key.Empty() {
		return nil, v.Reject(s)
	}
	if s == nil || s.mechanism == 0 {
		return nil, s3err.AccessDenied
	}
	// The signature is computed before anything else may refuse, so that a
	// refusal takes as long for a known key as for an unknown one.
	key := v.keys.get(sec.Key, s.cred)
	matches := s.signedWith(key)
	now := v.now()
	if s.mechanism == InForm && !matches {
		return nil, s.mismatch()
	}
	if err := s.policy.read(); err != nil {
		return nil, err
	}
	if err := v.checkClaims(s, now); err != nil {
		return nil, err
	}
	if !matches {
		return nil, s.mismatch()
	}
	if err := checkToken(s.token, sec.SessionToken); err != nil {
		return nil, err
	}
	if !sec.Expires.IsZero() && !now.Before(sec.Expires) {
		return nil, s3err.ExpiredToken
	}
	if err := s.policy.check(); err != nil {
		return nil, err
	}
	r := &VerifiedRequest{signed: s, verified: true, by: sec}
	if k := s.payload.Kind; k == StreamingSigned || k == StreamingSignedTrailer {
		r.chunks = newChunkVerifier(key, s)
	}
	return r, nil
}

// Reject is Verify for an unknown access key. It does the same work and returns
// InvalidAccessKeyId, so that the time taken does not reveal which keys exist.
func (v *Verifier) Reject(s *SignedRequest) error {
	if s == nil || s.mechanism == 0 {
		return s3err.AccessDenied
	}
	s.signedWith(v.keys.get(v.decoy, s.cred))
	return s3err.InvalidAccessKeyID
}

// Trust lets s pass without checking its signature, only for
// skip_signature_validation: the access key is then a mere claim, to be judged
// by whoever authorises it. Time, region and policy are still checked. The
// result's Verified is false, and it can't check chunk signatures.
func (v *Verifier) Trust(s *SignedRequest) (*VerifiedRequest, error) {
	if s == nil || s.mechanism == 0 {
		return nil, s3err.AccessDenied
	}
	if err := s.policy.read(); err != nil {
		return nil, err
	}
	if err := v.checkClaims(s, v.now()); err != nil {
		return nil, err
	}
	if err := s.policy.check(); err != nil {
		return nil, err
	}
	return &VerifiedRequest{signed: s}, nil
}

// checkClaims checks region and time against what the proxy accepts.
func (v *Verifier) checkClaims(s *SignedRequest, now time.Time) error {
	if len(v.regions) > 0 && !slices.Contains(v.regions, s.cred.region) {
		return s.mechanism.refuse()("the region " + quote(s.cred.region) + " is wrong; expecting " + quote(v.regions[0]))
	}
	return s.checkTime(now)
}

func (m Mechanism) refuse() refuse {
	switch m {
	case InQuery:
		return refuseQueryCredential
	case InForm:
		return refuseForm
	default:
		return refuseHeader
	}
}

// checkToken compares session tokens. To AWS, temporary keys without their
// token are unknown; a token that does not belong to the key is invalid.
func checkToken(got, want secret.Text) error {
	switch {
	case got.Empty() && want.Empty():
		return nil
	case got.Empty():
		return s3err.InvalidAccessKeyID
	case !want.Equal(got):
		return s3err.InvalidToken
	}
	return nil
}

// signedWith compares in constant time. How many hosts it tries depends on
// which one matches, which the client knows anyway.
func (s *SignedRequest) signedWith(key *signingKey) bool {
	if s.mechanism == InForm {
		return s.equals(key.sign([]byte(s.policy.encoded)))
	}
	if s.equals(s.signature4(key, s.canonical)) {
		return true
	}
	for _, host := range hostSpellings(s.hosts)[1:] {
		if s.equals(s.signature4(key, s.forHost(host))) {
			return true
		}
	}
	return false
}

func (s *SignedRequest) equals(sum digest) bool {
	var digits [2 * len(sum)]byte
	hex.Encode(digits[:], sum[:])
	return subtle.ConstantTimeCompare(digits[:], []byte(s.signature)) == 1
}

// signature4 signs a canonical request by means of the string to sign.
func (s *SignedRequest) signature4(key *signingKey, canonical []byte) digest {
	var room [256]byte
	return key.sign(s.appendToSign(room[:0], canonical))
}

func (s *SignedRequest) appendToSign(b, canonical []byte) []byte {
	sum := sha256.Sum256(canonical)
	b = append(b, algorithm+"\n"...)
	b = append(b, s.timestamp...)
	b = append(b, '\n')
	b = append(b, s.cred.scope...)
	b = append(b, '\n')
	return hex.AppendEncode(b, sum[:])
}

// mismatch shows the client what was verified, as AWS does: it reveals which
// hop rewrote what. All of it is the client's own, but a session token stays out, because
// errors get into others' logs; so does the policy of a form that has one.
func (s *SignedRequest) mismatch() *s3err.Error {
	err := s3err.SignatureDoesNotMatch.With("AWSAccessKeyId", s.cred.accessKey)
	switch {
	case s.mechanism == InForm && s.token.Empty():
		return err.With("StringToSign", s.policy.encoded).With("SignatureProvided", s.signature)
	case s.mechanism == InForm:
		return err.With("SignatureProvided", s.signature)
	}
	canonical := s.canonical
	if len(s.hosts) > 1 { // the first is what a forwarder made of it, and is not shown
		canonical = s.forHost(s.hosts[1])
	}
	return err.With("StringToSign", string(s.appendToSign(nil, canonical))).With("SignatureProvided", s.signature).
		With("CanonicalRequest", s.withoutToken(string(canonical)))
}

// withoutToken is a canonical request in which the session token is not to be read, as a
// header and as a parameter of the query.
func (s *SignedRequest) withoutToken(canonical string) string {
	if s.token.Empty() {
		return canonical
	}
	const instead = "SESSION-TOKEN"
	token := s.token.Reveal()
	return strings.NewReplacer(token, instead, wire.Encode(token, wire.InQuery), instead).Replace(canonical)
}
