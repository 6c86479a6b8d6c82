// Package identity verifies identity tokens: JWTs that an issuer of OpenID Connect has
// signed for us. It asks configured issuers for their keys, nobody else, and never waits
// for one on behalf of a token whose key is known. It gives no rights: who may what is
// package roles' matter.
//
// Signatures are go-oidc's matter. What stands here is stricter than it has to be for
// browsers: one spelling of a token, no name twice, an audience that is ours.
package identity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// Why a token is not accepted. No error quotes a token.
var (
	ErrInvalid  = errors.New("the identity token is not valid")                 // nobody we know signed it for us
	ErrExpired  = errors.New("the identity token has expired")                  // it was valid
	ErrRejected = errors.New("a claim of the identity token is refused")        // well signed, but it can't be used
	ErrAway     = errors.New("the issuer of the identity token can't be asked") // for its keys, at this moment
)

// algorithms are those that prove something to whoever has the public key alone.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512,
	jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// rules are what go-oidc checks: the signature and the issuer.
var rules = &oidc.Config{
	SupportedSigningAlgs: names(algorithms),
	SkipClientIDCheck:    true, // it knows one audience, and we several
	SkipExpiryCheck:      true, // it has no leeway for the one bound, and five minutes for the other
}

func names(algorithms []jose.SignatureAlgorithm) []string {
	out := make([]string, len(algorithms))
	for i, a := range algorithms {
		out[i] = string(a)
	}
	return out
}

// leeway is how far an issuer's clock may be from ours.
const leeway = time.Minute

// Issuer is one whose tokens are accepted.
type Issuer struct {
	URL       string         // as it stands in the claim iss, to the byte
	Audiences []string       // of which a token has to name one
	JWKS      string         // URL of its keys; empty: its discovery document says it
	CAs       *x509.CertPool // for its certificate; nil: the system's
	TokenFile string         // whose text it is shown, read each time; empty: none
}

// Same reports whether two are told apart by nothing.
func (i *Issuer) Same(j *Issuer) bool {
	pools := i.CAs == j.CAs || i.CAs != nil && j.CAs != nil && i.CAs.Equal(j.CAs)
	return pools && i.URL == j.URL && i.JWKS == j.JWKS && i.TokenFile == j.TokenFile && slices.Equal(i.Audiences, j.Audiences)
}

// Identity is what a token proves.
type Identity struct {
	Issuer, Subject string
	Audiences       []string
	Audience        string         // the first of them that is accepted
	Claims          map[string]any // all of them, as encoding/json makes them, with json.Number
	// Issued is by our clock: as old as the token may be, if the issuer's is ahead. It is
	// zero in a token that doesn't say.
	Issued, Expires time.Time
}

// Options of a Verifier. The zero value is suitable for production.
type Options struct {
	Now func() time.Time // nil: time.Now
}

// Verifier knows issuers and their keys. It is safe for concurrent use. Make it with New.
type Verifier struct {
	issuers map[string]*trusted
	now     func() time.Time
}

// trusted is an issuer with its keys.
type trusted struct {
	Issuer
	keys  *keySet
	ahead *ahead
}

// New makes a Verifier. It asks nobody yet.
func New(issuers []Issuer, o Options) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Verifier{issuers: make(map[string]*trusted, len(issuers)), now: o.Now}
	for _, issuer := range issuers {
		v.issuers[issuer.URL] = &trusted{issuer, newKeySet(issuer, o.Now), new(ahead)}
	}
	return v
}

// With returns a Verifier for other issuers. Those that stay the same keep their keys, and
// all that stay what is known of their clocks.
func (v *Verifier) With(issuers []Issuer) *Verifier {
	next := &Verifier{issuers: make(map[string]*trusted, len(issuers)), now: v.now}
	for _, issuer := range issuers {
		known := v.issuers[issuer.URL]
		switch {
		case known == nil:
			known = &trusted{issuer, newKeySet(issuer, v.now), new(ahead)}
		case !known.Same(&issuer):
			known = &trusted{issuer, newKeySet(issuer, v.now), known.ahead}
		}
		next.issuers[issuer.URL] = known
	}
	return next
}

// Trusts reports whether tokens of an issuer are accepted.
func (v *Verifier) Trusts(issuer string) bool { return v.issuers[issuer] != nil }

// Verify returns what a token proves, or an error that wraps one of those above. It may
// wait for the issuer's keys, if the token is the first that needs them, but no longer
// than ctx lasts.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Identity, error) {
	came := v.now()
	unproven, err := readToken(raw)
	if err != nil {
		return nil, err
	}
	issuer := v.issuers[unproven.Issuer]
	if issuer == nil {
		return nil, fmt.Errorf("%w: its issuer is not configured", ErrInvalid)
	}
	// What is cheap comes first: nobody is asked for keys on behalf of what could not be used.
	if !unproven.isFor(issuer.Audiences) {
		return nil, fmt.Errorf("%w: none of its audiences is accepted", ErrInvalid)
	}
	if !came.Before(unproven.Expires.Add(leeway)) {
		return nil, ErrExpired
	}
	if err := issuer.prove(ctx, raw); err != nil {
		return nil, err
	}
	if err := unproven.acceptable(came); err != nil {
		return nil, err
	}
	unproven.Issued = issuer.ahead.correct(unproven.Issued, came)
	return &unproven.Identity, nil // it is proven now
}

// prove verifies the signature. What go-oidc says about it is not shown: it may quote
// the token.
func (t *trusted) prove(ctx context.Context, raw string) error {
	asked := &asked{keys: t.keys}
	_, err := oidc.NewVerifier(t.URL, asked, rules).Verify(ctx, raw)
	switch {
	case asked.err != nil:
		return asked.err
	case err != nil:
		return fmt.Errorf("%w: it is not a token of its issuer", ErrInvalid)
	}
	return nil
}

// asked implements oidc.KeySet for one token. It keeps the error, of which go-oidc leaves
// no more than the text.
type asked struct {
	keys *keySet
	err  error
}

// VerifySignature implements oidc.KeySet.
func (a *asked) VerifySignature(ctx context.Context, raw string) (payload []byte, err error) {
	payload, a.err = a.keys.verify(ctx, raw)
	return payload, a.err
}
