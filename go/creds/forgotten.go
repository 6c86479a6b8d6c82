package creds

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/lru"
)

// maxForgotten bounds the marks. Past that everything is forgotten once, which
// costs an exchange for each API key.
const maxForgotten = 4096

// forgotten says since when nothing that was asked for before may serve a
// token and a bucket. Bearer tokens and the keys of roles need it: one serves all who
// have the same API key or role, so it can't be dropped for one of them, and it outlives
// the answer that led to that key. Make it with newForgotten; reading it takes no lock.
type forgotten struct {
	mu    sync.Mutex                // held while a mark is made; guards the next
	upTo  time.Time                 // of the last mark: none goes back behind it
	all   atomic.Pointer[time.Time] // what was asked for before serves nobody; nil: never set
	marks *lru.Map[about, time.Time]
}

// about is whom a mark is about: a token, a bucket, or both together.
type about struct {
	token, bucket       string
	anyToken, anyBucket bool
}

func newForgotten() *forgotten {
	return &forgotten{marks: lru.New[about, time.Time](maxForgotten, maphash.Comparable, nil)}
}

// mark notes that a token, a bucket, or both together were forgotten; nil
// matches all.
func (f *forgotten) mark(token, bucket *string, now time.Time) {
	a := about{anyToken: token == nil, anyBucket: bucket == nil}
	if token != nil {
		a.token = strings.Clone(*token)
	}
	if bucket != nil {
		a.bucket = strings.Clone(*bucket)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Before(f.upTo) { // another was faster, though its caller looked at the clock later
		now = f.upTo
	}
	f.upTo = now
	if a.anyToken && a.anyBucket || f.marks.Len() >= maxForgotten {
		f.all.Store(&now) // before the marks go: see last
		f.marks.Purge()
		return
	}
	f.marks.Add(a, now)
}

// last returns when a token and a bucket were last forgotten; zero: never. Whoever
// misses a mark that was just purged finds later what replaced it.
func (f *forgotten) last(token, bucket string) time.Time {
	var last time.Time
	for _, a := range [...]about{
		{token: token, anyBucket: true}, {bucket: bucket, anyToken: true}, {token: token, bucket: bucket},
	} {
		if t, ok := f.marks.Get(a); ok && t.After(last) {
			last = t
		}
	}
	if all := f.all.Load(); all != nil && all.After(last) {
		last = *all
	}
	return last
}
