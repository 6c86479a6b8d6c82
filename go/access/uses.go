package access

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"osp/go/s3err"
	"osp/go/shared"
)

// maxCountedURLs bounds the memory that counting takes, at some 200 bytes a
// URL. Only somebody who can sign can make the count of one URL fall out, by
// signing and using as many others.
const maxCountedURLs = 100_000

// Uses counts how often each presigned URL was used, in a fleet all replicas
// together. It is safe for concurrent use; make it with NewUses.
type Uses struct {
	limit int
	now   func() time.Time
	fleet *shared.State // nil: they are counted here
	local bool          // they are counted here also while the fleet's state is away

	mu     sync.Mutex
	counts *simplelru.LRU[string, *use]
}

type use struct {
	count   int
	expires time.Time
}

// UsesOptions of a Uses. The zero value counts in this process.
type UsesOptions struct {
	Now    func() time.Time // nil: time.Now
	Shared *shared.State    // who counts together; nil: nobody else
	Local  bool             // what the fleet can't count is counted here, instead of refused
}

// NewUses makes a counter that allows limit uses of a URL; 0 means any number.
func NewUses(limit int, o UsesOptions) *Uses {
	counts, err := simplelru.NewLRU[string, *use](maxCountedURLs, nil)
	if err != nil {
		panic(err) // a capacity below one, which it is not
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Uses{limit: limit, now: o.Now, fleet: o.Shared, local: o.Local, counts: counts}
}

// Count notes one use of the URL with a verified signature, which is the same
// however its query is ordered, and that ends at expires. It returns
// AccessDenied when the URL has been used as often as it may, and SlowDown when
// a fleet can't count: then it may have been used.
func (u *Uses) Count(ctx context.Context, signature string, expires time.Time) error {
	if u.limit == 0 {
		return nil
	}
	if u.fleet == nil {
		return u.countHere(signature, expires)
	}
	within, err := u.fleet.Use(ctx, signature, u.limit, expires)
	switch {
	case err == nil && within:
		return nil
	case err == nil:
		return errUsedUp
	case u.local && errors.Is(err, shared.ErrAway):
		return u.countHere(signature, expires)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s3err.SlowDown.Because(err)
}

var errUsedUp = s3err.AccessDenied.Msg("This presigned URL has been used as often as it is allowed to be.")

func (u *Uses) countHere(signature string, expires time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweep()
	seen, ok := u.counts.Get(signature)
	if !ok {
		seen = &use{expires: expires}
		u.counts.Add(strings.Clone(signature), seen) // without the rest of its request
	}
	if seen.count >= u.limit {
		return errUsedUp
	}
	seen.count++
	return nil
}

// sweep drops entries from the old end whose URLs have expired: those can't be
// used again. A few for each use keep up with what comes in.
func (u *Uses) sweep() {
	now := u.now()
	for range 4 {
		signature, oldest, ok := u.counts.GetOldest()
		if !ok || now.Before(oldest.expires) {
			return
		}
		u.counts.Remove(signature)
	}
}

// Len counts the URLs that are remembered.
func (u *Uses) Len() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts.Len()
}
