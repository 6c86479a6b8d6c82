// Package cache keeps answers that are expensive to get: bounded by least
// recent use, each with a ttl of its own, and loaded only once at a time,
// however many callers want them. An answer that is not kept belongs to the
// caller who asked; one that was asked for before another, or before a
// deletion, changes nothing. Finding one takes no lock. The package knows nothing
// about the values, logs nothing and never keeps an error.
package cache

import (
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"osp/go/lru"
)

// Entry is the answer of a load, and how long it is valid.
type Entry[V any] struct {
	Value V
	// TTL is how long to keep the value. Zero or less: it is only for the
	// caller whose load it came from, and is not kept.
	TTL time.Duration
	// RefreshAfter, if between zero and TTL, is the age at which the next Get
	// starts a load in the background and is served the old value meanwhile.
	// Zero: the value serves until it expires.
	RefreshAfter time.Duration
	// Aside keeps the value in a room as large as the cache's own, where it
	// displaces only others of its kind.
	Aside bool
}

// Ahead returns a RefreshAfter for values with that ttl: 80 to 90 % of it, at
// random, so that values that were loaded together are not all renewed at once.
func Ahead(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl) * (0.8 + 0.1*rand.Float64()))
}

// Cache is safe for concurrent use. Make it with New.
type Cache[K comparable, V any] struct {
	now    func() time.Time
	trust  func() uint64 // nil: always
	moment time.Duration // how long after its begin a load may be joined without trust
	here   bool          // loads run on the goroutines of callers

	mu      sync.Mutex
	entries room[K, V] // changed under mu, so that they and loading change together
	aside   room[K, V]
	loading map[K]*loading[V]
	begun   uint64 // loads so far; each has its number
	hits    uint64 // of what has gone
	misses  uint64
}

type room[K comparable, V any] = *lru.Map[K, *stored[V]]

// Stats says how useful a cache has been so far.
type Stats struct {
	Hits    uint64 // answers that were in the cache
	Misses  uint64 // callers that had to wait for a load
	Entries int    // as Len
}

// Stats returns the counts since the cache was made.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	hits := c.hits
	for _, room := range []room[K, V]{c.entries, c.aside} {
		for _, s := range room.Values() {
			hits += s.hits.Load()
		}
	}
	return Stats{Hits: hits, Misses: c.misses, Entries: c.len()}
}

// Trust makes the cache use only what it got in the generation that is now: of
// the number that trust returns, 0 when nothing may be used or kept. Whoever
// comes within a moment after a load has begun waits for it also when nothing
// may be kept. It is for a time before the first Get.
func (c *Cache[K, V]) Trust(trust func() uint64, moment time.Duration) {
	c.trust, c.moment = trust, moment
}

// generation is that of what may be used and kept; 1 for a cache that is always
// trusted.
func (c *Cache[K, V]) generation() uint64 {
	if c.trust == nil {
		return 1
	}
	return c.trust()
}

// current reports whether what was born in a generation may be used.
func (c *Cache[K, V]) current(born uint64) bool {
	return c.trust == nil || born != 0 && born == c.trust()
}

// joinable reports whether a caller who comes now may wait for a load.
func (c *Cache[K, V]) joinable(f *flight[V], now time.Time) bool {
	return c.current(f.born) || now.Sub(f.begun) < c.moment
}

// stored never changes, except for its hits. They are counted here, and not for all of
// the cache, so that processors that serve different clients write to no memory in common.
type stored[V any] struct {
	value   V
	born    uint64 // generation
	expires time.Time
	refresh time.Time // zero: never
	hits    atomic.Uint64
	_       cpu.CacheLinePad
}

// New makes a cache of at most capacity entries, at least one. now is the
// clock; nil means time.Now.
func New[K comparable, V any](capacity int, now func() time.Time) *Cache[K, V] {
	if now == nil {
		now = time.Now
	}
	c := &Cache[K, V]{now: now, loading: make(map[K]*loading[V])}
	gone := func(s *stored[V]) { c.hits += s.hits.Load() } // under mu, as all changes
	c.entries, c.aside = lru.New(capacity, maphash.Comparable[K], gone), lru.New(capacity, maphash.Comparable[K], gone)
	return c
}

// Lookup returns the value that Get would return without a load, and false if
// Get would begin one or wait for one. It saves hot paths from making a load
// function, and takes no lock.
func (c *Cache[K, V]) Lookup(key K) (V, bool) {
	now := c.now()
	if s := c.find(key); s != nil && c.good(s, now) && !s.refreshDue(now) {
		s.hits.Add(1)
		return s.value, true
	}
	var none V
	return none, false
}

// Peek returns the value for a key that may be used, even if its refresh is due. It
// begins no load.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	if s := c.find(key); s != nil && c.good(s, c.now()) {
		return s.value, true
	}
	var none V
	return none, false
}

// find returns what is there for a key, expired or not, or nil.
func (c *Cache[K, V]) find(key K) *stored[V] {
	s, ok := c.entries.Get(key)
	if !ok {
		s, _ = c.aside.Get(key)
	}
	return s
}

// live returns the entry of key if it has not expired. The caller holds mu.
func (c *Cache[K, V]) live(key K, now time.Time) *stored[V] {
	s := c.find(key)
	if s != nil && !c.good(s, now) {
		c.remove(key)
		return nil
	}
	return s
}

// good reports whether a value may be used.
func (c *Cache[K, V]) good(s *stored[V], now time.Time) bool {
	return now.Before(s.expires) && c.current(s.born)
}

func (s *stored[V]) refreshDue(now time.Time) bool {
	return !s.refresh.IsZero() && !now.Before(s.refresh)
}

// remove drops a value. The caller holds mu.
func (c *Cache[K, V]) remove(key K) {
	c.entries.Remove(key)
	c.aside.Remove(key)
}

// Delete drops a key. A load of it that is in progress serves those who wait
// for it, but its answer changes nothing and no later Get joins it.
func (c *Cache[K, V]) Delete(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delete(key)
}

func (c *Cache[K, V]) delete(key K) {
	c.remove(key)
	if l := c.loading[key]; l != nil {
		l.open, l.fence = nil, c.begun
	}
}

// DeleteIf is Delete if there is a value for the key and gone returns true for
// it. Without a value, a load in progress is left alone.
func (c *Cache[K, V]) DeleteIf(key K, gone func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(key); s != nil && gone(s.value) {
		c.delete(key)
	}
}

// DeleteFunc drops every entry for which gone returns true. It is not known yet
// whether it applies to the answers of loads in progress, so none of them is
// kept.
func (c *Cache[K, V]) DeleteFunc(gone func(K, V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, room := range []room[K, V]{c.entries, c.aside} {
		for _, key := range room.Keys() {
			if s, ok := room.Get(key); ok && gone(key, s.value) {
				room.Remove(key)
			}
		}
	}
	c.detach()
}

// Purge drops everything, as Delete does for one key.
func (c *Cache[K, V]) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Purge()
	c.aside.Purge()
	c.detach()
}

// detach makes all loads in progress come too late. The caller holds mu.
func (c *Cache[K, V]) detach() {
	for _, l := range c.loading {
		l.open, l.fence = nil, c.begun
	}
}

// Len counts the entries, including those that have expired and were not asked
// for since.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.len()
}

func (c *Cache[K, V]) len() int { return c.entries.Len() + c.aside.Len() }
