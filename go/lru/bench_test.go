package lru

import (
	"crypto/sha256"
	"hash/maphash"
	"strconv"
	"testing"
)

// BenchmarkGet finds one of 1,024 values.
func BenchmarkGet(b *testing.B) {
	const entries = 1024
	m := New[[sha256.Size]byte, string](entries, maphash.Comparable[[sha256.Size]byte], nil)
	keys := make([][sha256.Size]byte, entries)
	for i := range keys {
		keys[i] = sha256.Sum256([]byte(strconv.Itoa(i)))
		m.Add(keys[i], "v")
	}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if _, ok := m.Get(keys[i%entries]); !ok {
				b.Error("an entry is missing")
				return
			}
		}
	})
}

// BenchmarkDisplace adds a value for which another has to go.
func BenchmarkDisplace(b *testing.B) {
	m := New[int, string](1024, maphash.Comparable[int], nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Add(i, "v")
	}
}
