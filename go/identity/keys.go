package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	fetchTime     = 10 * time.Second // for both documents together
	betweenAsking = 30 * time.Second // about keys that nobody knows
	betweenTrying = 2 * time.Second  // to reach an issuer that is away
	refreshAfter  = 5 * time.Minute  // so that a key that was taken back ends
	mostWaiting   = 128              // for one issuer: of tokens that nobody has verified anybody can make more
	maxKeys       = 64
	minRSA        = 2048 // bits
	maxRSA        = 8192 // verifying by longer ones takes milliseconds
)

// keySet are the keys of one issuer. The last good ones stay while the issuer is away;
// however many need others, it is asked by one at a time.
type keySet struct {
	issuer Issuer
	client *client
	now    func() time.Time
	kept   atomic.Pointer[keys] // never nil

	mu    sync.Mutex
	under *fetch // way; nil: none is
	queue int    // who wait for it
	last  fetch  // that has ended
}

// keys are what an issuer had at a time; the zero value has none.
type keys struct {
	list    []jose.JSONWebKey
	fetched time.Time
}

// fetch is one that asks an issuer.
type fetch struct {
	ended chan struct{}
	at    time.Time // when it began
	err   error     // once it has ended
}

func newKeySet(issuer Issuer, now func() time.Time) *keySet {
	s := &keySet{issuer: issuer, client: newClient(issuer), now: now}
	s.kept.Store(&keys{})
	return s
}

var errNoKey = fmt.Errorf("%w: no key of its issuer matches its signature", ErrInvalid)

// verify returns what a token has signed.
func (s *keySet) verify(ctx context.Context, raw string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(raw, algorithms)
	if err != nil {
		return nil, ErrInvalid
	}
	known := s.kept.Load()
	if payload, ok := known.verify(signed); ok {
		if s.now().Sub(known.fetched) > refreshAfter {
			s.fetch(betweenAsking) // beside this token, which need not wait
		}
		return payload, nil
	}
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	if payload, ok := s.kept.Load().verify(signed); ok {
		return payload, nil
	}
	return nil, errNoKey
}

// verify tries the keys that the token may mean.
func (k *keys) verify(signed *jose.JSONWebSignature) ([]byte, bool) {
	header := signed.Signatures[0].Header
	for i := range k.list {
		key := &k.list[i]
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		if payload, err := signed.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

var errCrowd = fmt.Errorf("%w: too many tokens wait for its keys", ErrAway)

// wait has the issuer asked, unless that was done a short time ago.
func (s *keySet) wait(ctx context.Context) error {
	under, last := s.fetch(betweenAsking)
	if under == nil {
		return last.err
	}
	if !s.join() {
		return errCrowd
	}
	defer s.leave()
	select {
	case <-under.ended:
		return under.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join reports whether there is room for one more who waits, until leave.
func (s *keySet) join() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue >= mostWaiting {
		return false
	}
	s.queue++
	return true
}

func (s *keySet) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue--
}

// fetch begins one, or joins the one that is under way. If neither, because the last
// began less than between ago, it returns that one.
func (s *keySet) fetch(between time.Duration) (under *fetch, last fetch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under != nil {
		return s.under, s.last
	}
	if s.last.err != nil {
		between = betweenTrying
	}
	now := s.now()
	if !s.last.at.IsZero() && now.Sub(s.last.at) < between {
		return nil, s.last
	}
	s.under = &fetch{ended: make(chan struct{}), at: now}
	go s.run(s.under)
	return s.under, s.last
}

// run is independent of whoever waits: others will need the keys.
func (s *keySet) run(f *fetch) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
	defer cancel()
	list, err := s.load(ctx)
	if err == nil {
		s.kept.Store(&keys{list, f.at})
	} else {
		f.err = fmt.Errorf("%w: %w", ErrAway, err)
	}
	s.mu.Lock()
	s.under, s.last = nil, *f
	s.mu.Unlock()
	close(f.ended)
}

// load asks the issuer for its keys, and before that for where they are.
func (s *keySet) load(ctx context.Context) ([]jose.JSONWebKey, error) {
	from := s.issuer.JWKS
	if from == "" {
		var err error
		if from, err = s.discover(ctx); err != nil {
			return nil, fmt.Errorf("discovery: %w", err)
		}
	}
	data, err := s.client.get(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return readKeys(data)
}

var errKeys = errors.New("keys: the response is not a JSON Web Key Set")

// readKeys passes over keys that prove nothing to us: those of other kinds, secret ones,
// such as are too short, or for encryption.
func readKeys(data []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(data, &set) != nil || set.Keys == nil {
		return nil, errKeys
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("keys: there are more than %d", maxKeys)
	}
	var list []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && usable(&key) {
			list = append(list, key)
		}
	}
	if list == nil {
		return nil, errors.New("keys: none of them can verify a signature")
	}
	return list, nil
}

// usable reports whether a key can verify a signature, at a bounded cost.
func usable(key *jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		bits := public.N.BitLen()
		return bits >= minRSA && bits <= maxRSA && public.E > 1 && public.E&1 == 1
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
