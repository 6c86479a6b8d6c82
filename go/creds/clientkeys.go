package creds

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/lru"
	"osp/go/secret"
	"osp/go/shared"
)

const (
	// keepUnknown is how long the owner is spared a question about a key that
	// it did not know: long enough against a client that retries, short
	// enough that a new key works soon.
	keepUnknown = 5 * time.Second
	// maxVerified is how many keys are remembered as those of clients, each by
	// its hash: some 8 MiB.
	maxVerified = 1 << 16
)

// FetchSecret is callbacks.Set.HMACFetcher.
type FetchSecret = callbacks.Callback[callbacks.HMACQuestion, callbacks.Secret]

// ClientKeys finds the secret with which a client should have signed: in the
// keystore, else by the owner's fetcher, whose answers it keeps. Make it with
// NewClientKeys; it is safe for concurrent use.
type ClientKeys struct {
	fetch FetchSecret
	ttl   time.Duration
	now   func() time.Time
	fleet *shared.State
	// known holds that a key is unknown, too, as the zero Secret, aside: a scan
	// with random access keys must not push the secrets of real ones out.
	known *cache.Cache[[sha256.Size]byte, callbacks.Secret]
	// verified are the keys with which somebody has signed. They outlive what
	// the fetcher said about them: a client that comes back is no stranger.
	verified *lru.Map[[sha256.Size]byte, struct{}]
}

// NewClientKeys makes a ClientKeys. fetch is nil when the owner gave none. Its
// answers are kept for ttl unless they say for how long; 0: not at all.
func NewClientKeys(fetch FetchSecret, ttl time.Duration, o Options) *ClientKeys {
	o = o.withDefaults()
	c := &ClientKeys{
		fetch: fetch, ttl: ttl, now: o.Now, fleet: o.Shared,
		verified: lru.New[[sha256.Size]byte, struct{}](maxVerified, maphash.Comparable, nil),
		known:    cache.New[[sha256.Size]byte, callbacks.Secret](o.Capacity, o.Now),
	}
	if o.Shared != nil {
		c.known.Trust(o.Shared.Generation, shared.Moment)
	} else {
		c.known.Here() // a load is a question and no more
	}
	return c
}

// PairOf stands for a key pair of the keystore, so that it is known again and another secret
// for the same access key is told from it. It is empty if the keystore has none. It is for
// places that nobody can read.
func PairOf(keystore map[string]secret.Value, accessKey string) string {
	key, there := keystore[accessKey]
	if !there {
		return ""
	}
	sum := pairOf(accessKey, key)
	return string(sum[:])
}

func pairOf(accessKey string, key secret.Value) [16]byte {
	var room [256]byte // for most, so that no request takes memory for it
	sum := sha256.Sum256(append(append(append(room[:0], accessKey...), 0), key.Reveal()...))
	return [16]byte(sum[:])
}

// MayKnow reports whether a key pair is still one of the keystore; or, if it never was,
// whether its access key has no other pair there and perhaps is one of the fetcher's.
func (c *ClientKeys) MayKnow(keystore map[string]secret.Value, accessKey, pair string) bool {
	key, there := keystore[accessKey]
	if !there {
		return pair == "" && c.fetch != nil
	}
	now := pairOf(accessKey, key)
	return subtle.ConstantTimeCompare(now[:], []byte(pair)) == 1
}

// Verified takes note that a request was signed with the secret of an access
// key. Until then questions about the key are about a stranger.
func (c *ClientKeys) Verified(keystore map[string]secret.Value, accessKey string) {
	if c.fetch == nil {
		return
	}
	if _, ok := keystore[accessKey]; ok {
		return // the fetcher is never asked
	}
	k := sha256.Sum256([]byte(accessKey))
	if _, ok := c.verified.Get(k); !ok {
		c.verified.Add(k, struct{}{})
	}
}

// Secret returns the secret of an access key: that of the keystore, which may
// be another one for every request, else the fetcher's. Its errors are
// callbacks.ErrUnknownKey when nobody knows the key, ctx's own, or answers of
// package s3err: AccessDenied when the fetcher raised or answered nonsense,
// SlowDown when it was not asked or did not answer in time.
func (c *ClientKeys) Secret(ctx context.Context, keystore map[string]secret.Value, accessKey string) (callbacks.Secret, error) {
	if s, ok := keystore[accessKey]; ok {
		return callbacks.Secret{Key: s.Text()}, nil
	}
	if c.fetch == nil {
		return callbacks.Secret{}, callbacks.ErrUnknownKey
	}
	k := sha256.Sum256([]byte(accessKey))
	s, ok := c.known.Lookup(k)
	if !ok {
		get := c.known.Get
		if c.ttl == 0 { // unless an answer brings its own
			get = c.known.Ask
		}
		load := func(ctx context.Context) (cache.Entry[callbacks.Secret], error) { return c.ask(ctx, k, accessKey) }
		if c.fleet != nil && c.ttl != 0 {
			load = shared.Load(c.fleet, shared.Item{Kind: "secret", Key: accessKey, TTL: c.ttl, Token: accessKey, Bucketless: true}, secrets, load)
		}
		var err error
		s, err = get(ctx, k, load)
		if err != nil {
			return callbacks.Secret{}, callbacks.Refusal(ctx, err)
		}
	}
	if s.Key.Empty() {
		return callbacks.Secret{}, callbacks.ErrUnknownKey
	}
	return s, nil
}

func (c *ClientKeys) ask(ctx context.Context, k [sha256.Size]byte, accessKey string) (cache.Entry[callbacks.Secret], error) {
	_, verified := c.verified.Get(k)
	s, err := c.fetch(ctx, callbacks.HMACQuestion{AccessKey: accessKey, Stranger: !verified})
	if errors.Is(err, callbacks.ErrUnknownKey) || err == nil && s.Key.Empty() {
		return cache.Entry[callbacks.Secret]{TTL: min(keepUnknown, c.ttl), Aside: true}, nil
	}
	if err != nil {
		return cache.Entry[callbacks.Secret]{}, fmt.Errorf("hmac_fetcher: %w", forAll(err))
	}
	ttl := c.ttl
	if s.TTL != nil {
		ttl = *s.TTL
	}
	if !s.Expires.IsZero() {
		ttl = min(ttl, s.Expires.Sub(c.now()))
	}
	return cache.Entry[callbacks.Secret]{Value: s, TTL: ttl, RefreshAfter: cache.Ahead(ttl)}, nil
}

// Stats says how useful the remembered answers of the fetcher were. That it
// does not know a key is one of them.
func (c *ClientKeys) Stats() cache.Stats { return c.known.Stats() }

// Forget drops what the fetcher said about clients, of whom a token is the access
// key. Revocations that are about a bucket alone are about none of them.
func (c *ClientKeys) Forget(list ...shared.Revocation) {
	for _, one := range list {
		switch {
		case one.OnlySessions():
		case one.Token != nil:
			c.known.Delete(sha256.Sum256([]byte(*one.Token)))
		case one.Bucket == nil:
			c.known.Purge()
		}
	}
}
