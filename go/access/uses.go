package access

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"osp/go/s3err"
)

// maxCountedURLs bounds the memory that counting takes, at some 200 bytes a
// URL. Only somebody who can sign can make the count of one URL fall out, by
// signing and using as many others.
const maxCountedURLs = 100_000

// Uses counts how often each presigned URL was used. It is safe for
// concurrent use; make it with NewUses.
type Uses struct {
	limit int
	now   func() time.Time

	mu     sync.Mutex
	counts *simplelru.LRU[string, *use]
}

type use struct {
	count   int
	expires time.Time
}

// NewUses makes a counter that allows limit uses of a URL; 0 means any number.
func NewUses(limit int, now func() time.Time) *Uses {
	counts, err := simplelru.NewLRU[string, *use](maxCountedURLs, nil)
	if err != nil {
		panic(err) // a capacity below one, which it is not
	}
	if now == nil {
		now = time.Now
	}
	return &Uses{limit: limit, now: now, counts: counts}
}

// Count notes one use of the URL with a verified signature, which is the same
// however its query is ordered, and that ends at expires. It returns
// AccessDenied when the URL has been used as often as it may.
func (u *Uses) Count(signature string, expires time.Time) error {
	if u.limit == 0 {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.sweep()
	seen, ok := u.counts.Get(signature)
	if !ok {
		seen = &use{expires: expires}
		u.counts.Add(strings.Clone(signature), seen) // without the rest of its request
	}
	if seen.count >= u.limit {
		return s3err.AccessDenied.Msg("This presigned URL has been used as often as it is allowed to be.")
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
