// Package lru keeps a bounded number of values, those that were used lately. Finding
// one takes no lock, so that requests of different clients never wait for each other
// here, on however many processors they run; those who write take turns. The package
// knows nothing about the values and has no clock: package cache adds expiry and loads.
package lru

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// fewest is the number of chains at first. It doubles with the entries.
const fewest = 64

// Map is safe for concurrent use. Make it with New.
type Map[K comparable, V any] struct {
	hash     func(maphash.Seed, K) uint64
	seed     maphash.Seed // so that nobody can choose keys that meet in one chain
	capacity int
	gone     func(V)      // nil: nobody wants to know
	inUse    func(V) bool // nil: nothing is spared
	chains   atomic.Pointer[chains[K, V]]

	mu    sync.Mutex // held by those who write; guards what follows
	order *simplelru.LRU[K, *entry[K, V]]
}

// entry is a key, its value, and whether it was found since its turn to go came last:
// then it stays for another round. Nobody but the first to find it writes to it.
type entry[K comparable, V any] struct {
	key   K
	value atomic.Pointer[V]
	used  atomic.Bool
}

// New makes a Map of at most capacity entries, at least one. hash is
// maphash.Comparable, or one that allocates nothing for keys with pointers. gone is
// told each value that was removed, replaced or displaced, before whoever did so goes
// on; it must not use the Map. nil: nobody is told.
func New[K comparable, V any](capacity int, hash func(maphash.Seed, K) uint64, gone func(V)) *Map[K, V] {
	m := &Map[K, V]{hash: hash, seed: maphash.MakeSeed(), capacity: capacity, gone: gone}
	order, err := simplelru.NewLRU(capacity, m.unlink)
	if err != nil {
		panic(err) // a capacity below one, which is the caller's bug
	}
	m.order = order
	m.chains.Store(newChains[K, V](fewest))
	return m
}

// Spare has those be displaced last of which inUse says so. It is for a Map that is not in
// use itself yet; inUse must not use it.
func (m *Map[K, V]) Spare(inUse func(V) bool) { m.inUse = inUse }

// Get returns the value of a key, if there is one.
func (m *Map[K, V]) Get(key K) (V, bool) {
	e := m.chains.Load().find(m.hash(m.seed, key), key)
	if e == nil {
		var none V
		return none, false
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return *e.value.Load(), true
}

// Add sets the value of a key. If that is one too many, another goes that was not
// found lately. A key that has a value has one all the time.
func (m *Map[K, V]) Add(key K, value V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.order.Get(key); ok { // it is replaced where it is: who looks for it may have passed any other place
		m.tell(e.value.Swap(&value))
		return
	}
	if m.order.Len() == m.capacity {
		m.displace()
	}
	e := &entry[K, V]{key: key}
	e.value.Store(&value)
	m.order.Add(key, e)
	if all := m.chains.Load(); m.order.Len() <= all.len() {
		all.link(m.hash(m.seed, key), e)
		return
	}
	m.grow()
}

func (m *Map[K, V]) tell(gone *V) {
	if m.gone != nil {
		m.gone(*gone)
	}
}

// displace removes the entry that comes first of those that were not found since
// their turn came last, and are not spared; if there is none, the oldest. The caller
// holds mu.
func (m *Map[K, V]) displace() {
	for range 2 * m.order.Len() { // the first time all may have been found
		key, e, _ := m.order.GetOldest()
		if !e.used.Swap(false) && !m.spared(e) {
			break
		}
		m.order.Get(key) // which makes it the youngest
	}
	m.order.RemoveOldest()
}

func (m *Map[K, V]) spared(e *entry[K, V]) bool { return m.inUse != nil && m.inUse(*e.value.Load()) }

// grow links all entries in twice as many chains. Whoever still looks at the old ones
// finds what was there when they were the current ones. The caller holds mu.
func (m *Map[K, V]) grow() {
	larger := newChains[K, V](2 * m.chains.Load().len())
	for _, e := range m.order.Values() {
		larger.link(m.hash(m.seed, e.key), e)
	}
	m.chains.Store(larger)
}

// unlink is called with each entry that leaves the order. The caller holds mu.
func (m *Map[K, V]) unlink(key K, e *entry[K, V]) {
	m.chains.Load().unlink(m.hash(m.seed, key), e)
	m.tell(e.value.Load())
}

// Remove drops a key. No Get that begins later finds it.
func (m *Map[K, V]) Remove(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order.Remove(key)
}

// Purge drops everything, as Remove does for one key.
func (m *Map[K, V]) Purge() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.order.Purge()
	m.chains.Store(newChains[K, V](fewest))
}

// Len counts the entries.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.order.Len()
}

// Keys returns the keys at this moment.
func (m *Map[K, V]) Keys() []K {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.order.Keys()
}

// Values returns the values at this moment.
func (m *Map[K, V]) Values() []V {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := make([]V, 0, m.order.Len())
	for _, e := range m.order.Values() {
		values = append(values, *e.value.Load())
	}
	return values
}
