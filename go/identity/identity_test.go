package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"osp/go/identity/identitytest"
)

// clock is one that tests set.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

// scene is a Verifier that knows one issuer.
type scene struct {
	*testing.T
	*identitytest.Issuer
	*Verifier
	clock *clock
}

func newScene(t *testing.T) *scene {
	issuer := identitytest.New(t)
	at := &clock{time.Now()}
	return &scene{t, issuer, New([]Issuer{{URL: issuer.URL, Audiences: []string{"s3", "other"}}}, Options{Now: at.now}), at}
}

// claims are good ones, with changes; a nil takes one away.
func (s *scene) claims(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": s.URL, "sub": "alice", "aud": "s3",
		"iat": s.clock.Unix(), "exp": s.clock.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// want verifies a token and compares the error; nil: none.
func (s *scene) want(name, raw string, want error) *Identity {
	s.Helper()
	got, err := s.Verify(s.Context(), raw)
	switch {
	case !errors.Is(err, want), err != nil && got != nil, err == nil && got == nil:
		s.Errorf("%s: got %v, %v, want %v", name, got, err, want)
	case err != nil && len(raw) > 40 && strings.Contains(err.Error(), raw[10:40]):
		s.Errorf("%s: the error quotes the token", name)
	}
	return got
}

func TestATokenProvesWhatItsIssuerSays(t *testing.T) {
	s := newScene(t)
	got := s.want("good", s.Token(t, s.claims(map[string]any{"aud": []string{"elsewhere", "other"}, "groups": []string{"a"}})), nil)
	if got.Issuer != s.URL || got.Subject != "alice" || len(got.Audiences) != 2 || got.Claims["groups"].([]any)[0] != "a" {
		t.Errorf("got %+v", got)
	}
	if got.Audience != "other" { // the one of ours, not the first
		t.Errorf("it is for %q", got.Audience)
	}
	if got.Expires.Unix() != s.clock.Add(time.Hour).Unix() || got.Issued.Unix() != s.clock.Unix() {
		t.Errorf("from %v to %v", got.Issued, got.Expires)
	}
}

func TestClaimsThatAreNotForUsAreRefused(t *testing.T) {
	s := newScene(t)
	in := func(d time.Duration) int64 { return s.clock.Add(d).Unix() }
	for _, c := range []struct {
		name    string
		changes map[string]any
		want    error
	}{
		{"another audience", map[string]any{"aud": "elsewhere"}, ErrInvalid},
		{"an audience in another case", map[string]any{"aud": "S3"}, ErrInvalid},
		{"no audience", map[string]any{"aud": nil}, ErrInvalid},
		{"an empty list of audiences", map[string]any{"aud": []string{}}, ErrInvalid},
		{"a number among the audiences", map[string]any{"aud": []any{"s3", 1}}, ErrInvalid},
		{"an issuer with a slash more", map[string]any{"iss": s.URL + "/"}, ErrInvalid},
		{"an issuer that is not configured", map[string]any{"iss": "https://elsewhere.example"}, ErrInvalid},
		{"no issuer", map[string]any{"iss": nil}, ErrInvalid},
		{"no subject", map[string]any{"sub": nil}, ErrRejected},
		{"a subject that is a number", map[string]any{"sub": 7}, ErrInvalid},
		{"a subject with a line end", map[string]any{"sub": "alice\nbob"}, ErrRejected},
		{"a long subject", map[string]any{"sub": strings.Repeat("a", maxSubject+1)}, ErrRejected},
		{"no end", map[string]any{"exp": nil}, ErrInvalid},
		{"an end that is a text", map[string]any{"exp": "9999999999"}, ErrInvalid},
		{"an end without end", map[string]any{"exp": json.Number("1e300")}, ErrInvalid},
		{"a negative end", map[string]any{"exp": -1}, ErrInvalid},
		{"an end within the leeway", map[string]any{"exp": in(-59 * time.Second)}, nil},
		{"an end before the leeway", map[string]any{"exp": in(-61 * time.Second)}, ErrExpired},
		{"a beginning within the leeway", map[string]any{"nbf": in(59 * time.Second)}, nil},
		{"a beginning after the leeway", map[string]any{"nbf": in(62 * time.Second)}, ErrRejected},
		{"issued within the leeway", map[string]any{"iat": in(59 * time.Second)}, nil},
		{"issued in the future", map[string]any{"iat": in(62 * time.Second)}, ErrRejected},
		{"one that tells of events", map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, ErrInvalid},
		{"bound to a key", map[string]any{"cnf": map[string]any{"jkt": "x"}}, ErrRejected},
	} {
		s.want(c.name, s.Token(t, s.claims(c.changes)), c.want)
	}
}

func TestEveryAlgorithmThatProvesSomethingIsTaken(t *testing.T) {
	s := newScene(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.Publish(jose.JSONWebKey{Key: private, KeyID: "rsa"}, jose.JSONWebKey{Key: edwards, KeyID: "edwards"})
	for _, algorithm := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		s.want(algorithm, identitytest.Sign(t, jose.JSONWebKey{Key: private, KeyID: "rsa", Algorithm: algorithm}, s.claims(nil)), nil)
	}
	s.want("EdDSA", identitytest.Sign(t, jose.JSONWebKey{Key: edwards, KeyID: "edwards", Algorithm: "EdDSA"}, s.claims(nil)), nil)
	s.want("without a key id", identitytest.Sign(t, jose.JSONWebKey{Key: edwards, Algorithm: "EdDSA"}, s.claims(nil)), nil)
}

func TestAKeyIsForItsOwnAlgorithm(t *testing.T) {
	s := newScene(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s.Publish(jose.JSONWebKey{Key: private, KeyID: "rsa", Algorithm: "RS256"})
	s.want("RS256", identitytest.Sign(t, jose.JSONWebKey{Key: private, KeyID: "rsa", Algorithm: "RS256"}, s.claims(nil)), nil)
	s.want("PS256", identitytest.Sign(t, jose.JSONWebKey{Key: private, KeyID: "rsa", Algorithm: "PS256"}, s.claims(nil)), ErrInvalid)
}

// A public key is no secret: who signs with it by HMAC proves nothing.
func TestNoAlgorithmTurnsAPublicKeyIntoASecret(t *testing.T) {
	s := newScene(t)
	public, err := s.Issuer.PublicKeys()[0].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
		key := jose.JSONWebKey{Key: append(public, public...), KeyID: "first", Algorithm: algorithm}
		s.want(algorithm, identitytest.Sign(t, key, s.claims(nil)), ErrInvalid)
	}
	payload := strings.Split(s.Token(t, s.claims(nil)), ".")[1]
	for _, algorithm := range []string{"none", "None", "NONE", "", "ES256"} {
		head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + algorithm + `","kid":"first"}`))
		s.want("alg "+algorithm, head+"."+payload+".", ErrInvalid)
		s.want("alg "+algorithm+" and a signature", head+"."+payload+".AAAA", ErrInvalid)
	}
	if s.Asked.Load() > 2 {
		t.Errorf("the issuer was asked %d times", s.Asked.Load())
	}
}

// What a token says about keys is what whoever wrote it says.
func TestKeysInATokenAreNotLookedAt(t *testing.T) {
	s := newScene(t)
	theirs := identitytest.Key(t, "first")
	elsewhere := identitytest.New(t)
	elsewhere.Publish(theirs)
	payload, _ := json.Marshal(s.claims(nil))
	for name, header := range map[string]map[jose.HeaderKey]any{
		"none":     nil,
		"jwk":      {"jwk": theirs.Public()},
		"jku":      {"jku": elsewhere.URL + "/keys"},
		"x5u":      {"x5u": elsewhere.URL + "/keys"},
		"critical": {"crit": []string{"exp"}},
	} {
		s.want(name, identitytest.SignBytes(t, theirs, payload, header), ErrInvalid)
	}
	if elsewhere.Asked.Load() != 0 {
		t.Error("the address in a token was asked")
	}
	ours := s.Issuer.PrivateKeys()[0]
	s.want("an address beside a good signature", identitytest.SignBytes(t, ours, payload, map[jose.HeaderKey]any{"jku": elsewhere.URL}), nil)
	s.want("critical, with a good signature", identitytest.SignBytes(t, ours, payload, map[jose.HeaderKey]any{"crit": []string{"exp"}}), ErrInvalid)
	s.want("critical, and understood by go-jose", identitytest.SignBytes(t, ours, payload, map[jose.HeaderKey]any{"b64": true, "crit": []string{"b64"}}), ErrInvalid)
	s.want("a token that ends a session", identitytest.SignBytes(t, ours, payload, map[jose.HeaderKey]any{"typ": "logout+jwt"}), ErrInvalid)
	s.want("an access token", identitytest.SignBytes(t, ours, payload, map[jose.HeaderKey]any{"typ": "at+JWT"}), nil)
}

func TestATokenHasOneSpelling(t *testing.T) {
	s := newScene(t)
	good := s.Token(t, s.claims(nil))
	s.want("good", good, nil)
	parts := strings.Split(good, ".")
	asJSON, _ := json.Marshal(map[string]string{"protected": parts[0], "payload": parts[1], "signature": parts[2]})
	for name, raw := range map[string]string{
		"empty": "", "dots": "..", "two parts": parts[0] + "." + parts[1], "four parts": good + ".", "JSON": string(asJSON),
		"a line end behind": good + "\n", "a line end within": parts[0] + "\n." + parts[1] + "." + parts[2], "a blank before": " " + good,
		"padding": parts[0] + "=." + parts[1] + "." + parts[2], "no signature": parts[0] + "." + parts[1] + ".",
		"a changed signature": parts[0] + "." + parts[1] + "." + strings.Map(func(r rune) rune {
			if r == 'A' {
				return 'B'
			}
			return 'A'
		}, parts[2]),
		"huge": good + strings.Repeat("A", maxToken),
	} {
		s.want(name, raw, ErrInvalid)
	}
}

func TestTwoReadersSeeTheSameClaims(t *testing.T) {
	s := newScene(t)
	key := s.Issuer.PrivateKeys()[0]
	good, _ := json.Marshal(s.claims(nil))
	inner := strings.TrimSuffix(string(good), "}")
	for name, payload := range map[string]string{
		"a claim twice":          inner + `,"sub":"bob"}`,
		"a claim twice, escaped": inner + `,"s\u0075b":"bob"}`,
		"a claim twice, deeper":  inner + `,"a":{"b":1,"b":2}}`,
		"two objects":            string(good) + "{}",
		"a list":                 "[" + string(good) + "]",
		"no JSON":                inner,
		"bytes that are no text": inner + ",\"a\":\"\xff\"}",
		"too deep":               inner + `,"a":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + "}",
	} {
		s.want(name, identitytest.SignBytes(t, key, []byte(payload), nil), ErrInvalid)
	}
}

func BenchmarkVerifyByAKnownKey(b *testing.B) {
	issuer := identitytest.New(b)
	v := New([]Issuer{{URL: issuer.URL, Audiences: []string{"s3"}}}, Options{})
	raw := issuer.Token(b, map[string]any{"iss": issuer.URL, "sub": "alice", "aud": "s3", "exp": time.Now().Add(time.Hour).Unix()})
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	issuer := identitytest.New(f)
	v := New([]Issuer{{URL: issuer.URL, Audiences: []string{"s3"}}}, Options{})
	claims := map[string]any{"iss": issuer.URL, "sub": "alice", "aud": "s3", "exp": time.Now().Add(time.Hour).Unix()}
	good := issuer.Token(f, claims)
	f.Add(good)
	f.Add(strings.Replace(good, ".", "..", 1))
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, raw string) {
		if got, err := v.Verify(t.Context(), raw); (err == nil) != (raw == good) || (got == nil) == (err == nil) {
			t.Errorf("%q: %v, %v", raw, got, err)
		}
	})
}
