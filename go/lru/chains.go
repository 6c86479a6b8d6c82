package lru

import "sync/atomic"

// chains find entries by their hash. Any number of goroutines may search them while
// one changes them.
type chains[K comparable, V any] struct {
	first []atomic.Pointer[link[K, V]] // a power of two of them
}

// link is a member of a chain.
type link[K comparable, V any] struct {
	entry *entry[K, V]
	next  atomic.Pointer[link[K, V]]
}

func newChains[K comparable, V any](number int) *chains[K, V] {
	return &chains[K, V]{make([]atomic.Pointer[link[K, V]], number)}
}

func (c *chains[K, V]) len() int { return len(c.first) }

func (c *chains[K, V]) of(hash uint64) *atomic.Pointer[link[K, V]] {
	return &c.first[hash&uint64(len(c.first)-1)]
}

// find returns the entry of a key, or nil.
func (c *chains[K, V]) find(hash uint64, key K) *entry[K, V] {
	for l := c.of(hash).Load(); l != nil; l = l.next.Load() {
		if l.entry.key == key {
			return l.entry
		}
	}
	return nil
}

// link adds an entry.
func (c *chains[K, V]) link(hash uint64, e *entry[K, V]) {
	first := c.of(hash)
	l := &link[K, V]{entry: e}
	l.next.Store(first.Load())
	first.Store(l)
}

// unlink takes an entry out. Whoever is looking at its link finds the way on from it.
func (c *chains[K, V]) unlink(hash uint64, e *entry[K, V]) {
	for at := c.of(hash); ; {
		l := at.Load()
		if l == nil {
			return
		}
		if l.entry == e {
			at.Store(l.next.Load())
			return
		}
		at = &l.next
	}
}
