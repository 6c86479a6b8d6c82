// Package cache remembers answers that are expensive to get: bounded by
// least recent use, each for a time of its own, and asked for only once at a
// time however many callers want it. An answer that is not kept belongs to the
// caller who asked; one that was asked for before another, or before a
// deletion, changes nothing. It knows nothing of what it holds, logs nothing
// and never remembers an error.
package cache

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// Entry is the answer of a load and how long it is good for.
type Entry[V any] struct {
	Value V
	// TTL is how long to keep the value. Zero or less: it is for the caller
	// alone whose load it came from, and is not kept.
	TTL time.Duration
	// RefreshAfter, when between zero and TTL, is the age at which the next
	// Get starts a load in the background and is served the old value
	// meanwhile. Zero: the value serves until its end.
	RefreshAfter time.Duration
	// Aside keeps the value in a room as large as the cache's own, from which
	// it pushes out only others of its kind.
	Aside bool
}

// Ahead returns a RefreshAfter for values of that ttl: 80 to 90 % of it, at
// random, so that values that were loaded together are not all renewed at once.
func Ahead(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl) * (0.8 + 0.1*rand.Float64()))
}

// Cache is safe for concurrent use. Make it with New.
type Cache[K comparable, V any] struct {
	now   func() time.Time
	trust func() uint64 // nil: always

	mu      sync.Mutex
	entries room[K, V] // under mu, so that they and loading change as one
	aside   room[K, V]
	loading map[K]*loading[V]
	begun   uint64 // loads so far; each has its number
	hits    uint64
	misses  uint64
}

type room[K comparable, V any] = *simplelru.LRU[K, *stored[V]]

// Stats says how useful a cache was so far.
type Stats struct {
	Hits    uint64 // answers that were there
	Misses  uint64 // callers that had to wait for a load
	Entries int    // as Len
}

// Stats returns the counts since the cache was made.
func (c *Cache[K, V]) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{Hits: c.hits, Misses: c.misses, Entries: c.len()}
}

// Trust makes the cache use only what it got in the generation that is now: of
// the number that trust returns, 0 when nothing may be used or kept. It is for
// a time before the first Get.
func (c *Cache[K, V]) Trust(trust func() uint64) { c.trust = trust }

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

type stored[V any] struct {
	value   V
	born    uint64 // generation
	expires time.Time
	refresh time.Time // zero: never
}

// New makes a cache of at most capacity entries, at least one. now is the
// clock; nil means time.Now.
func New[K comparable, V any](capacity int, now func() time.Time) *Cache[K, V] {
	if now == nil {
		now = time.Now
	}
	return &Cache[K, V]{
		now: now, entries: newRoom[K, V](capacity), aside: newRoom[K, V](capacity), loading: make(map[K]*loading[V]),
	}
}

func newRoom[K comparable, V any](capacity int) room[K, V] {
	entries, err := simplelru.NewLRU[K, *stored[V]](capacity, nil)
	if err != nil {
		panic(err) // a capacity below one, which is the caller's bug
	}
	return entries
}

// Lookup returns the value that Get would return without a load, and false
// when Get would begin one or wait for one. It spares hot paths the making of
// a load function.
func (c *Cache[K, V]) Lookup(key K) (V, bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.live(key, now); s != nil && !s.refreshDue(now) {
		c.hits++
		return s.value, true
	}
	var none V
	return none, false
}

// live returns the entry of key if it has not expired. The caller holds mu.
func (c *Cache[K, V]) live(key K, now time.Time) *stored[V] {
	s, ok := c.entries.Get(key)
	if !ok {
		s, ok = c.aside.Get(key)
	}
	if !ok {
		return nil
	}
	if !now.Before(s.expires) || !c.current(s.born) {
		c.remove(key)
		return nil
	}
	return s
}

func (s *stored[V]) refreshDue(now time.Time) bool {
	return !s.refresh.IsZero() && !now.Before(s.refresh)
}

// remove drops a value. The caller holds mu.
func (c *Cache[K, V]) remove(key K) {
	c.entries.Remove(key)
	c.aside.Remove(key)
}

// Delete forgets a key. A load of it that is under way serves those who wait
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
// it. Without a value it leaves a load alone that is under way.
func (c *Cache[K, V]) DeleteIf(key K, gone func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.entries.Peek(key)
	if !ok {
		s, ok = c.aside.Peek(key)
	}
	if ok && gone(s.value) {
		c.delete(key)
	}
}

// DeleteFunc forgets every entry for which gone returns true. Nobody knows yet
// whether it applies to the answers of loads under way, so none is kept.
func (c *Cache[K, V]) DeleteFunc(gone func(K, V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, room := range []room[K, V]{c.entries, c.aside} {
		for _, key := range room.Keys() {
			if s, ok := room.Peek(key); ok && gone(key, s.value) {
				room.Remove(key)
			}
		}
	}
	c.detach()
}

// Purge forgets everything, as Delete does for one key.
func (c *Cache[K, V]) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Purge()
	c.aside.Purge()
	c.detach()
}

// detach makes all loads under way come too late. The caller holds mu.
func (c *Cache[K, V]) detach() {
	for _, l := range c.loading {
		l.open, l.fence = nil, c.begun
	}
}

// Len counts the entries, those included that expired and were not asked for
// since.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.len()
}

func (c *Cache[K, V]) len() int { return c.entries.Len() + c.aside.Len() }
