package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"hash/maphash"
	"strings"
	"time"

	"osp/go/lru"
	"osp/go/seal"
	"osp/go/secret"
)

const (
	// purpose is what a keyring derives the keys for.
	purpose = "osp-sts-v1"
	// form begins every session token of ours. What follows is the version, and
	// what Box.Seal makes, in base64.
	form    = "osp-session."
	version = "1."
	// longest is how many characters a session token may have: it travels in
	// headers, of which all together often have 8 KB, and in presigned URLs.
	longest = 4096
	// remembered is how many sessions an Issuer keeps open, each with up to some
	// 16 KB.
	remembered = 4096

	keyPrefix = "ASIA" // as AWS names temporary keys
	keyRandom = 10     // bytes, which are 16 characters of base32
	secretLen = 30     // bytes, which are 40 characters of base64
)

// The errors of an Issuer. None of them quotes anything of a token.
var (
	ErrTooLarge = errors.New("the session is too large for a session token")
	ErrInvalid  = errors.New("the session token is invalid, or belongs to another access key")
	ErrExpired  = errors.New("the session has expired")

	errPolicies = errors.New("a session has at most 3 policies")
	errNoToken  = errors.New("a session needs a token")
	errNoTime   = errors.New("a session has to expire in the future")
)

// coding has only one way to write each token, in characters that no URL escapes.
var coding = base64.RawURLEncoding.Strict()

// Keys are what a client signs with.
type Keys struct {
	AccessKey     string
	Secret, Token secret.Text
	Expires       time.Time
}

// Issuer makes and opens session tokens. It is safe for concurrent use. Make it with
// New.
type Issuer struct {
	box  *seal.Box
	mint *seal.Minter
	now  func() time.Time
	open *lru.Map[given, *opened]
}

// given is what a client has given. Who knows of it how much of a token was right could
// still not sign with it, so that it may be compared in any time.
type given struct{ accessKey, token string }

func hashOf(seed maphash.Seed, g given) uint64 { return maphash.String(seed, g.token) }

// opened is a token that was opened before.
type opened struct {
	session *Session
	secret  secret.Text
}

// New makes an Issuer. Without a keyring it has a key of its own: what it issues ends
// with the process. now is its clock; nil: time.Now.
func New(ring seal.Keyring, now func() time.Time) *Issuer {
	if ring.Empty() {
		ring = seal.RandomKeyring()
	}
	if now == nil {
		now = time.Now
	}
	return &Issuer{
		box: ring.Box(purpose), mint: ring.Minter(purpose), now: now,
		open: lru.New[given, *opened](remembered, hashOf, nil),
	}
}

// Ours reports whether a session token has the form of ours, of any version. It says
// nothing about whether it is valid; but nobody else's has it.
func Ours(token string) bool { return strings.HasPrefix(token, form) }

// Issue makes the keys of a session. It chooses their access key, sets Issued, and Since
// to no later moment. The second result is how much of a session token's room it takes, in percent. Its error
// is ErrTooLarge, or says what the caller has to set.
func (i *Issuer) Issue(s Session) (Keys, int, error) {
	s.Issued, s.Expires = i.now().UTC().Truncate(time.Microsecond), s.Expires.UTC().Truncate(time.Microsecond)
	if s.Since = s.Since.UTC().Truncate(time.Microsecond); s.Since.IsZero() || s.Since.After(s.Issued) {
		s.Since = s.Issued
	}
	switch {
	case len(s.Policies) > MostPolicies:
		return Keys{}, 0, errPolicies
	case s.Token == "":
		return Keys{}, 0, errNoToken
	case !s.Expires.After(s.Issued):
		return Keys{}, 0, errNoTime
	case size(s.Policies) > longestPolicies:
		return Keys{}, 0, ErrTooLarge
	}
	s.AccessKey = newAccessKey()
	sealed := i.box.Seal(s.AccessKey, s.appendFields(nil))
	token := form + version + coding.EncodeToString(sealed)
	if len(token) > longest {
		return Keys{}, 0, ErrTooLarge
	}
	key, _ := i.secret(sealed, s.AccessKey, token) // the box has just sealed by that key
	percent := (100*len(token) + longest - 1) / longest
	return Keys{AccessKey: s.AccessKey, Secret: key, Token: secret.NewText(token), Expires: s.Expires}, percent, nil
}

func newAccessKey() string {
	var raw [keyRandom]byte
	if _, err := rand.Read(raw[:]); err != nil {
		panic(err) // crypto/rand never fails
	}
	return keyPrefix + base32.StdEncoding.EncodeToString(raw[:])
}

func size(texts []string) (n int) {
	for _, text := range texts {
		n += len(text)
	}
	return n
}

// Open returns the session of a token, and the secret with which its requests are to
// be signed. Its error is ErrInvalid for what nobody has issued, or not for this
// access key, and ErrExpired for what is over. The session is not to be changed: it is
// kept for the next request.
func (i *Issuer) Open(accessKey, token string) (*Session, secret.Text, error) {
	if len(token) > longest || len(accessKey) > len(token) {
		return nil, secret.Text{}, ErrInvalid
	}
	o, ok := i.open.Get(given{accessKey, token})
	if !ok {
		var err error
		if o, err = i.read(accessKey, token); err != nil {
			return nil, secret.Text{}, err
		}
	}
	if !i.now().Before(o.session.Expires) {
		return nil, secret.Text{}, ErrExpired
	}
	if !ok {
		i.open.Add(given{o.session.AccessKey, strings.Clone(token)}, o) // what a request keeps in memory goes with it
	}
	return o.session, o.secret, nil
}

func (i *Issuer) read(accessKey, token string) (*opened, error) {
	text, ok := strings.CutPrefix(token, form+version)
	if !ok || strings.ContainsAny(text, "\r\n") { // which base64 ignores
		return nil, ErrInvalid
	}
	sealed, err := coding.DecodeString(text)
	if err != nil {
		return nil, ErrInvalid
	}
	plain, ok := i.box.Open(accessKey, sealed)
	if !ok {
		return nil, ErrInvalid
	}
	s, err := (&decoder{rest: string(plain)}).session()
	if err != nil || s.AccessKey != accessKey {
		return nil, ErrInvalid
	}
	s.digest = sha256.Sum256(plain)
	key, ok := i.secret(sealed, accessKey, token)
	if !ok {
		return nil, ErrInvalid
	}
	return &opened{s, key}, nil
}

// secret follows from the token and its access key, by the key that has sealed it.
func (i *Issuer) secret(sealed []byte, accessKey, token string) (secret.Text, bool) {
	id, _ := seal.KeyOf(sealed)
	sum, ok := i.mint.Mint(id, version, accessKey, token)
	if !ok {
		return secret.Text{}, false
	}
	return secret.NewText(base64.StdEncoding.EncodeToString(sum[:secretLen])), true
}
