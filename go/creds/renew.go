package creds

import (
	"context"
	"crypto/sha256"
	"strconv"
	"time"

	"osp/go/cache"
	"osp/go/shared"
	"osp/go/stores"
)

// The owner may give credentials again that a store has refused. Asking once more
// would not help then, and clients could make it happen: so the owner is spared more
// questions for a while, by the whole fleet.
const (
	// keepConfirmed is for how long. There are two questions each time.
	keepConfirmed = 2 * time.Second
	// keepUncertain is that where the store did not say what it refused: mostly the
	// credentials are good, and the object is not theirs.
	keepUncertain = 10 * time.Second
)

// refused is what the owner has confirmed, for whom, and whether the store said that it
// refused the credentials.
type refused struct {
	key
	used    [sha256.Size]byte
	certain bool
}

// Renew is For after the store refused the credentials used, for certain or perhaps:
// they are forgotten, unless somebody else has renewed them already. It reports whether
// the result differs from them, which is when another attempt makes sense.
func (r *Resolver) Renew(ctx context.Context, b *stores.Bucket, token string, used Credentials, certain bool) (Credentials, bool, error) {
	if b.AccessKey != "" {
		return used, false, nil
	}
	what := refused{keyOf(b, token), used.hash(), certain}
	load := func(ctx context.Context) (cache.Entry[Credentials], error) {
		return r.again(ctx, b, token, used, certain)
	}
	if r.shared != nil && b.TTL != 0 && b.Role.None() && b.APIKey.Empty() {
		load = shared.Load(r.shared, what.item(b, token), confirmation(used), load)
	}
	fresh, err := r.confirmed.Get(ctx, what, load)
	if err != nil {
		return Credentials{}, false, err
	}
	return fresh, !fresh.Same(used), nil
}

// again asks for credentials in place of those used. Only if it gets the same, that is
// kept: as long as asking took, too, so that an owner who takes his time is spared as much.
func (r *Resolver) again(ctx context.Context, b *stores.Bucket, token string, used Credentials, certain bool) (cache.Entry[Credentials], error) {
	keep := keepConfirmed
	if !certain {
		keep = keepUncertain
	}
	begun := r.now()
	// The first answer may be of a question that was asked before the
	// store changed its mind; the second one is not.
	for range 2 {
		if err := r.drop(ctx, b, token, used); err != nil {
			return cache.Entry[Credentials]{}, err
		}
		fresh, err := r.For(ctx, b, token)
		if err != nil || !fresh.Same(used) {
			return cache.Entry[Credentials]{Value: fresh}, err
		}
	}
	return cache.Entry[Credentials]{Value: used, TTL: keep + r.now().Sub(begun)}, nil
}

// drop forgets the credentials used, but no newer ones. Those that serve everybody are
// only replaced.
func (r *Resolver) drop(ctx context.Context, b *stores.Bucket, token string, used Credentials) error {
	switch {
	case !b.Role.None():
		return r.roles.Reject(ctx, b.Role, used)
	case !b.APIKey.Empty():
		return r.bearer.Reject(ctx, b.APIKey, used.Bearer)
	}
	var dropped *answer
	r.fetched.DeleteIf(keyOf(b, token), func(a answer) bool {
		if a.apiKey.Empty() && !a.Same(used) {
			return false
		}
		dropped = &a
		return true
	})
	if r.shared != nil && dropped != nil { // what others have asked for since is as good as an own question
		shared.Discard(r.shared, itemOf(b, token), answers, func(a answer) bool {
			return a.apiKey == dropped.apiKey && a.Same(dropped.Credentials)
		})
	}
	if dropped != nil && !dropped.apiKey.Empty() {
		return r.bearer.Reject(ctx, dropped.apiKey, used.Bearer)
	}
	return nil
}

// Same reports whether two credentials open the same.
func (c Credentials) Same(other Credentials) bool {
	return c.AccessKey == other.AccessKey && c.SecretKey == other.SecretKey &&
		c.SessionToken == other.SessionToken && c.Bearer == other.Bearer
}

// hash differs for credentials that are not the same.
func (c Credentials) hash() [sha256.Size]byte {
	return sha256.Sum256([]byte(shared.Fields(c.AccessKey, c.SecretKey.Reveal(), c.SessionToken.Reveal(), c.Bearer.Reveal())))
}

// item is what a confirmation is known by in the fleet.
func (w refused) item(b *stores.Bucket, token string) shared.Item {
	item := itemOf(b, token)
	item.Kind = "confirmed store credentials"
	item.Key = shared.Fields(item.Key, string(w.used[:]), strconv.FormatBool(w.certain))
	return item
}

// confirmation is a confirmation in the fleet, which says nothing but that it is one.
func confirmation(used Credentials) shared.Codec[Credentials] {
	return shared.Codec[Credentials]{
		Encode: func(Credentials) []byte { return nil },
		Decode: func(_ []byte, _ time.Duration) (Credentials, bool) { return used, true },
	}
}
