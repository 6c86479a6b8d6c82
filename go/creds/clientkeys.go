package creds

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"osp/go/cache"
	"osp/go/hooks"
	"osp/go/secret"
)

const (
	// keepSecret is how long a fetched client secret serves before the owner
	// is asked again. A key belongs to no bucket, so no bucket's ttl applies.
	keepSecret = 5 * time.Minute
	// keepUnknown is how long the owner is spared a question about a key that
	// it did not know: long enough against a client that retries, short
	// enough that a new key works soon.
	keepUnknown = 5 * time.Second
	// maxVerified is how many keys are remembered as those of clients, each by
	// its hash: some 8 MiB.
	maxVerified = 1 << 16
)

// FetchSecret asks the owner for the secret of a client's access key, as
// hooks.Hooks.Secret does.
type FetchSecret func(ctx context.Context, accessKey string) (hooks.Secret, error)

// ClientKeys finds the secret with which a client should have signed: in the
// keystore, else by the owner's fetcher, whose answers it keeps. Make it with
// NewClientKeys; it is safe for concurrent use.
type ClientKeys struct {
	fetch FetchSecret
	now   func() time.Time
	known *cache.Cache[[sha256.Size]byte, hooks.Secret]
	// unknown has a room of its own: a scan with random access keys must not
	// push the secrets of real ones out.
	unknown *cache.Cache[[sha256.Size]byte, struct{}]
	// verified are the keys with which somebody has signed. They outlive what
	// the fetcher said about them: a client that comes back is no stranger.
	verified *lru.Cache[[sha256.Size]byte, struct{}]
}

// NewClientKeys makes a ClientKeys. fetch is nil when the owner gave none.
func NewClientKeys(fetch FetchSecret, o Options) *ClientKeys {
	o = o.withDefaults()
	verified, err := lru.New[[sha256.Size]byte, struct{}](maxVerified)
	if err != nil {
		panic(err) // a capacity below one
	}
	return &ClientKeys{
		fetch:    fetch,
		now:      o.Now,
		known:    cache.New[[sha256.Size]byte, hooks.Secret](o.Capacity, o.Now),
		unknown:  cache.New[[sha256.Size]byte, struct{}](o.Capacity, o.Now),
		verified: verified,
	}
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
	c.verified.Add(sha256.Sum256([]byte(accessKey)), struct{}{})
}

// Secret returns the secret of an access key: that of the keystore, which may
// be another one for every request, else the fetcher's. Its errors are
// hooks.ErrUnknownKey when nobody knows the key, ctx's own, or answers of
// package s3err: AccessDenied when the fetcher raised or answered nonsense,
// SlowDown when it was not asked or did not answer in time.
func (c *ClientKeys) Secret(ctx context.Context, keystore map[string]secret.Value, accessKey string) (hooks.Secret, error) {
	if s, ok := keystore[accessKey]; ok {
		return hooks.Secret{Key: s}, nil
	}
	if c.fetch == nil {
		return hooks.Secret{}, hooks.ErrUnknownKey
	}
	k := sha256.Sum256([]byte(accessKey))
	if s, ok := c.known.Lookup(k); ok {
		return s, nil
	}
	if _, ok := c.unknown.Lookup(k); ok {
		return hooks.Secret{}, hooks.ErrUnknownKey
	}
	s, err := c.known.Get(ctx, k, func(ctx context.Context) (cache.Entry[hooks.Secret], error) {
		return c.ask(ctx, k, accessKey)
	})
	if errors.Is(err, hooks.ErrUnknownKey) {
		return hooks.Secret{}, hooks.ErrUnknownKey
	}
	if err != nil {
		return hooks.Secret{}, hooks.Refusal(ctx, err)
	}
	return s, nil
}

func (c *ClientKeys) ask(ctx context.Context, k [sha256.Size]byte, accessKey string) (cache.Entry[hooks.Secret], error) {
	if !c.verified.Contains(k) {
		ctx = hooks.AboutStranger(ctx)
	}
	s, err := c.fetch(ctx, accessKey)
	if errors.Is(err, hooks.ErrUnknownKey) || err == nil && s.Key.Empty() {
		unknown := c.remember(ctx, k)
		c.known.Delete(k) // a refresh may have learnt that the key was withdrawn
		return cache.Entry[hooks.Secret]{}, unknown
	}
	if err != nil {
		return cache.Entry[hooks.Secret]{}, fmt.Errorf("hmac_fetcher: %w", err)
	}
	ttl := keepSecret
	if !s.Expires.IsZero() {
		ttl = min(ttl, s.Expires.Sub(c.now()))
	}
	return cache.Entry[hooks.Secret]{Value: s, TTL: ttl, RefreshAfter: cache.Ahead(ttl)}, nil
}

// remember notes that the owner doesn't know a key.
func (c *ClientKeys) remember(ctx context.Context, k [sha256.Size]byte) error {
	_, err := c.unknown.Get(ctx, k, func(context.Context) (cache.Entry[struct{}], error) {
		return cache.Entry[struct{}]{TTL: keepUnknown}, nil
	})
	return errors.Join(hooks.ErrUnknownKey, err)
}

// Stats says how useful the remembered answers of the fetcher were. That it
// does not know a key is one of them.
func (c *ClientKeys) Stats() cache.Stats {
	known, unknown := c.known.Stats(), c.unknown.Stats()
	return cache.Stats{Hits: known.Hits + unknown.Hits, Misses: known.Misses, Entries: known.Entries + unknown.Entries}
}

// Forget drops what the fetcher said about an access key; nil stands for all.
func (c *ClientKeys) Forget(accessKey *string) {
	if accessKey == nil {
		c.known.Purge()
		c.unknown.Purge()
		return
	}
	k := sha256.Sum256([]byte(*accessKey))
	c.known.Delete(k)
	c.unknown.Delete(k)
}
