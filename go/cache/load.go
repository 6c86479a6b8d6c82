package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// errNoAnswer is the error of a load that ended its goroutine (runtime.Goexit)
// instead of returning.
var errNoAnswer = errors.New("cache: the load ended without a result")

// Load gets one answer. Its context outlives the caller that began it (but see Here); it is
// cancelled only when every waiting caller has left. A load may ignore that and
// still return: its answer is kept.
type Load[V any] func(ctx context.Context) (Entry[V], error)

// ForAll makes an error of a load the result for all who wait for it, for
// sources that would give each of them the same.
func ForAll(err error) error { return &forAll{err} }

type forAll struct{ error }

func (e *forAll) Unwrap() error { return e.error }

// PanicError is the error of a load that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("cache: the load panicked: %v", e.Value) }

// loading is the state of one key while loads of it are in progress. There may
// be several: of callers that ask for themselves, and of those that come after
// a deletion.
type loading[V any] struct {
	open   *flight[V] // which callers may join; nil: none
	flying int
	// fence is the number of the last load whose answer comes too late: the
	// answer of a later load is there already, or everything was deleted
	// meanwhile.
	fence uint64
}

// flight is a load in progress. waiters is under the cache's mutex; value, err
// and shared are read only after done is closed.
type flight[V any] struct {
	number uint64 // loads that begin later have higher ones
	born   uint64 // the generation in which it began
	begun  time.Time
	done   chan struct{}
	value  V
	err    error
	shared bool // the answer is for all who wait

	cancel     context.CancelFunc
	waiters    int
	background bool // a refresh: it runs for nobody, and nobody can cancel it
}

// Get returns the value of key, from the cache or by load. Callers that want
// the same key at the same time share one load, which runs in a goroutine of
// its own (but see Here), if its answer is kept. If not, the answer, an error, or a panic as a
// *PanicError goes only to the caller who began the load; the others then ask,
// each for itself. A caller whose ctx ends gets ctx.Err() at once, and the
// others are not affected.
func (c *Cache[K, V]) Get(ctx context.Context, key K, load Load[V]) (V, error) {
	return c.get(ctx, key, load, false)
}

// Ask is Get for an answer that will probably not be kept: the caller does not
// wait for somebody else's first.
func (c *Cache[K, V]) Ask(ctx context.Context, key K, load Load[V]) (V, error) {
	return c.get(ctx, key, load, true)
}

func (c *Cache[K, V]) get(ctx context.Context, key K, load Load[V], alone bool) (V, error) {
	for ; ; alone = true {
		value, f, mine, err := c.join(ctx, key, load, alone)
		if f == nil {
			return value, err
		}
		if mine && c.here && c.flyHere(ctx, key, f, load) {
			return f.value, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			c.leave(f)
			return value, ctx.Err()
		}
		if mine || f.shared {
			return f.value, f.err
		}
	}
}

// Renew makes a load although there may be a value, which serves everybody else until
// the answer takes its place. A load that fails leaves it. Nobody joins the load.
func (c *Cache[K, V]) Renew(ctx context.Context, key K, load Load[V]) (V, error) {
	c.mu.Lock()
	f := c.begin(key, c.now())
	c.launch(ctx, key, f, load, nil)
	f.waiters++
	c.misses++
	c.mu.Unlock()
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		c.leave(f)
		var none V
		return none, ctx.Err()
	}
}

// join returns the value if it is cached, or the flight to wait for. Unless it
// finds one that it may join, it begins one, which is the caller's own.
func (c *Cache[K, V]) join(ctx context.Context, key K, load Load[V], alone bool) (value V, wait *flight[V], mine bool, err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.loading[key]
	if s := c.live(key, now); s != nil {
		if s.refreshDue(now) && (l == nil || l.open == nil) {
			f := c.begin(key, now)
			c.launch(ctx, key, f, load, nil)
			f.background = true
			c.loading[key].open = f
		}
		s.hits.Add(1)
		return s.value, nil, false, nil
	}
	if err := ctx.Err(); err != nil {
		return value, nil, false, err
	}
	c.misses++
	if l != nil && l.open != nil && !alone && c.joinable(l.open, now) {
		l.open.waiters++
		return value, l.open, false, nil
	}
	f := c.begin(key, now)
	if !c.here {
		c.launch(ctx, key, f, load, nil)
	}
	f.waiters++
	if !alone {
		c.loading[key].open = f
	}
	return value, f, true, nil
}

// begin makes the flight of a load that starts now. The caller holds mu.
func (c *Cache[K, V]) begin(key K, now time.Time) *flight[V] {
	c.begun++
	f := &flight[V]{number: c.begun, born: c.generation(), begun: now, done: make(chan struct{})}
	l := c.loading[key]
	if l == nil {
		l = &loading[V]{}
		c.loading[key] = l
	}
	l.flying++
	return f
}

// launch runs a load on a goroutine of its own, from where it has come to. The caller holds mu.
func (c *Cache[K, V]) launch(ctx context.Context, key K, f *flight[V], load Load[V], sofar any) {
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer f.cancel()
		c.fly(&run{Context: ctx, sofar: sofar}, key, f, load)
	}()
}

// fly runs a load, and reports whether its answer is there. If not, it has to be launched.
func (c *Cache[K, V]) fly(ctx context.Context, key K, f *flight[V], load Load[V]) (landed bool) {
	var entry Entry[V]
	err := errNoAnswer
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
		if landed = !IsLeft(err); landed {
			c.land(key, f, entry, err)
		}
	}()
	entry, err = load(ctx)
	return landed // by the deferred function
}

// land keeps the answer and wakes those who wait for it.
func (c *Cache[K, V]) land(key K, f *flight[V], entry Entry[V], err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.loading[key]
	if l.open == f {
		l.open = nil
	}
	if f.number > l.fence && c.current(f.born) {
		c.write(key, entry, f.born, err, now)
		if err == nil {
			l.fence = f.number
		}
	}
	if l.flying--; l.flying == 0 {
		delete(c.loading, key) // all later loads have higher numbers
	}
	if err == nil {
		f.value, f.shared = entry.Value, entry.TTL > 0
	} else {
		var all *forAll
		f.err, f.shared = err, errors.As(err, &all)
	}
	close(f.done)
}

func (c *Cache[K, V]) write(key K, entry Entry[V], born uint64, err error, now time.Time) {
	if err != nil {
		c.postponeRefresh(key, now)
		return
	}
	switch {
	case entry.TTL <= 0:
		c.remove(key)
	case entry.Aside:
		c.entries.Remove(key)
		c.aside.Add(key, newStored(entry, born, now))
	default:
		c.aside.Remove(key)
		c.entries.Add(key, newStored(entry, born, now))
	}
}

func newStored[V any](e Entry[V], born uint64, now time.Time) *stored[V] {
	s := &stored[V]{value: e.Value, born: born, expires: now.Add(e.TTL)}
	if e.RefreshAfter > 0 && e.RefreshAfter < e.TTL {
		s.refresh = now.Add(e.RefreshAfter)
	}
	return s
}

// postponeRefresh lets a value whose refresh failed serve for another part of
// its remaining life, so that not every caller asks a broken source.
func (c *Cache[K, V]) postponeRefresh(key K, now time.Time) {
	for _, room := range []room[K, V]{c.entries, c.aside} {
		if s, ok := room.Get(key); ok && now.Before(s.expires) && !s.refresh.IsZero() {
			later := now.Add(max(time.Second, s.expires.Sub(now)/10))
			room.Add(key, &stored[V]{value: s.value, born: s.born, expires: s.expires, refresh: later})
		}
	}
}

// leave removes a waiter from a flight, and cancels it if that was the last.
func (c *Cache[K, V]) leave(f *flight[V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiters--
	if f.waiters == 0 && !f.background {
		f.cancel() // this does nothing to one that has landed
	}
}
