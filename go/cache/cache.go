// Package cache remembers answers that are expensive to get: bounded by
// least recent use, each for a time of its own, and asked for only once at a
// time however many callers want it. It knows nothing of what it holds, logs
// nothing and never remembers an error.
package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// errNoAnswer is what waiters get of a load that ended its goroutine
// (runtime.Goexit) instead of returning.
var errNoAnswer = errors.New("cache: the load ended without an answer")

// Entry is the answer of a load and how long it is good for.
type Entry[V any] struct {
	Value V
	// TTL is how long to keep the value. Zero or less: it goes to those who
	// wait for it now, and is not kept.
	TTL time.Duration
	// RefreshAfter, when between zero and TTL, is the age at which the next
	// Get starts a load in the background and is served the old value
	// meanwhile. Zero: the value serves until its end.
	RefreshAfter time.Duration
}

// Load gets one answer. Its context outlives the caller that began it; it is
// cancelled only when every caller that waits has left. A load may ignore that
// and still return: its answer is kept.
type Load[V any] func(ctx context.Context) (Entry[V], error)

// Ahead returns a RefreshAfter for values of that ttl: 80 to 90 % of it, at
// random, so that values that were loaded together are not all renewed at once.
func Ahead(ttl time.Duration) time.Duration {
	return time.Duration(float64(ttl) * (0.8 + 0.1*rand.Float64()))
}

// PanicError is what waiters get of a load that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("cache: the load panicked: %v", e.Value) }

// Cache is safe for concurrent use. Make it with New.
type Cache[K comparable, V any] struct {
	now func() time.Time

	mu      sync.Mutex
	entries *simplelru.LRU[K, *stored[V]] // under mu, so that it and flights change as one
	flights map[K]*flight[V]
	hits    uint64
	misses  uint64
}

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
	return Stats{Hits: c.hits, Misses: c.misses, Entries: c.entries.Len()}
}

type stored[V any] struct {
	value   V
	expires time.Time
	refresh time.Time // zero: never
}

// flight is a load under way. All but done, value and err is under the
// cache's mutex; value and err are read only after done is closed.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error

	cancel     context.CancelFunc
	waiters    int
	abandoned  bool // every waiter left and the context was cancelled
	background bool // a refresh: it runs for nobody and nobody can abandon it
	stale      bool // begun before a deletion: its answer must not be kept
}

// New makes a cache of at most capacity entries, at least one. now is the
// clock; nil means time.Now.
func New[K comparable, V any](capacity int, now func() time.Time) *Cache[K, V] {
	entries, err := simplelru.NewLRU[K, *stored[V]](capacity, nil)
	if err != nil {
		panic(err) // a capacity below one, which is the caller's bug
	}
	if now == nil {
		now = time.Now
	}
	return &Cache[K, V]{now: now, entries: entries, flights: make(map[K]*flight[V])}
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

// Get returns the value of key, from the cache or by load. Callers that want
// the same key at the same time share one load, which runs in a goroutine of
// its own. A caller whose ctx ends gets ctx.Err() at once and leaves the
// others unharmed. An error of load goes to all that wait and is not kept; so
// does a panic, as a *PanicError.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load Load[V]) (V, error) {
	for {
		value, f, err := c.join(ctx, key, load)
		if f == nil {
			return value, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			c.leave(f)
			return value, ctx.Err()
		}
		// Whoever joins a load after all others left it may find it cancelled
		// on their account. That is no answer to this caller.
		if f.abandoned && errors.Is(f.err, context.Canceled) {
			continue
		}
		return f.value, f.err
	}
}

// join returns the value if it is there, or the flight to wait for, which it
// begins when there is none.
func (c *Cache[K, V]) join(ctx context.Context, key K, load Load[V]) (value V, wait *flight[V], err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.live(key, now); s != nil {
		if s.refreshDue(now) && c.flights[key] == nil {
			c.begin(ctx, key, load).background = true
		}
		c.hits++
		return s.value, nil, nil
	}
	if err := ctx.Err(); err != nil {
		return value, nil, err
	}
	f := c.flights[key]
	if f == nil {
		f = c.begin(ctx, key, load)
	}
	f.waiters++
	c.misses++
	return value, f, nil
}

// begin starts a load. The caller holds mu.
func (c *Cache[K, V]) begin(ctx context.Context, key K, load Load[V]) *flight[V] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight[V]{done: make(chan struct{}), cancel: cancel}
	c.flights[key] = f
	go c.fly(ctx, key, f, load)
	return f
}

func (c *Cache[K, V]) fly(ctx context.Context, key K, f *flight[V], load Load[V]) {
	var entry Entry[V]
	err := errNoAnswer
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
		f.cancel()
		c.land(key, f, entry, err)
	}()
	entry, err = load(ctx)
}

// land keeps the answer and wakes those who wait for it.
func (c *Cache[K, V]) land(key K, f *flight[V], entry Entry[V], err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flights[key] == f {
		delete(c.flights, key)
	}
	switch {
	case f.stale:
	case err != nil:
		c.postponeRefresh(key, now)
	case entry.TTL <= 0:
		c.entries.Remove(key)
	default:
		c.entries.Add(key, newStored(entry, now))
	}
	if err == nil {
		f.value = entry.Value
	}
	f.err = err
	close(f.done)
}

func newStored[V any](e Entry[V], now time.Time) *stored[V] {
	s := &stored[V]{value: e.Value, expires: now.Add(e.TTL)}
	if e.RefreshAfter > 0 && e.RefreshAfter < e.TTL {
		s.refresh = now.Add(e.RefreshAfter)
	}
	return s
}

// postponeRefresh lets a value whose refresh failed serve for another part of
// its remaining life, so that a broken source is not asked by every caller.
func (c *Cache[K, V]) postponeRefresh(key K, now time.Time) {
	if s := c.live(key, now); s != nil && !s.refresh.IsZero() {
		s.refresh = now.Add(max(time.Second, s.expires.Sub(now)/10))
	}
}

// leave takes a waiter off a flight and cancels it when it was the last.
func (c *Cache[K, V]) leave(f *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiters--
	select {
	case <-f.done: // it landed meanwhile
	default:
		if f.waiters == 0 && !f.background {
			f.abandoned = true
			f.cancel()
		}
	}
}

// live returns the entry of key if it has not expired. The caller holds mu.
func (c *Cache[K, V]) live(key K, now time.Time) *stored[V] {
	s, ok := c.entries.Get(key)
	if !ok {
		return nil
	}
	if !now.Before(s.expires) {
		c.entries.Remove(key)
		return nil
	}
	return s
}

func (s *stored[V]) refreshDue(now time.Time) bool {
	return !s.refresh.IsZero() && !now.Before(s.refresh)
}

// Delete forgets a key. A load of it that is under way serves those who wait
// for it, but its answer is not kept and no later Get joins it.
func (c *Cache[K, V]) Delete(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delete(key)
}

func (c *Cache[K, V]) delete(key K) {
	c.entries.Remove(key)
	if f := c.flights[key]; f != nil {
		f.stale = true
		delete(c.flights, key)
	}
}

// DeleteIf is Delete if there is a value for the key and gone returns true for
// it. Without a value it leaves a load alone that is under way.
func (c *Cache[K, V]) DeleteIf(key K, gone func(V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.entries.Peek(key); ok && gone(s.value) {
		c.delete(key)
	}
}

// DeleteFunc forgets every entry for which gone returns true. Nobody knows yet
// whether it applies to the answers of loads under way, so none is kept.
func (c *Cache[K, V]) DeleteFunc(gone func(K, V) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range c.entries.Keys() {
		if s, ok := c.entries.Peek(key); ok && gone(key, s.value) {
			c.entries.Remove(key)
		}
	}
	c.detachFlights()
}

// Purge forgets everything, as Delete does for one key.
func (c *Cache[K, V]) Purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Purge()
	c.detachFlights()
}

func (c *Cache[K, V]) detachFlights() {
	for _, f := range c.flights {
		f.stale = true
	}
	clear(c.flights)
}

// Len counts the entries, those included that expired and were not asked for
// since.
func (c *Cache[K, V]) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries.Len()
}
