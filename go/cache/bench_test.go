package cache

import (
	"context"
	"crypto/sha256"
	"strconv"
	"testing"
	"time"
)

// BenchmarkLookup finds a value among many, as every warm request does.
func BenchmarkLookup(b *testing.B) {
	const entries = 1024
	c := New[[sha256.Size]byte, string](entries, nil)
	keys := make([][sha256.Size]byte, entries)
	for i := range keys {
		keys[i] = sha256.Sum256([]byte(strconv.Itoa(i)))
		if _, err := c.Get(context.Background(), keys[i], answer("v", time.Hour)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if _, ok := c.Lookup(keys[i%entries]); !ok {
				b.Error("an entry is missing")
				return
			}
		}
	})
}

// BenchmarkGet is one load, its goroutine and the entry that it leaves.
func BenchmarkGet(b *testing.B) {
	c := New[int, string](1024, nil)
	load := answer("v", time.Hour)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := c.Get(context.Background(), i, load); err != nil {
			b.Fatal(err)
		}
	}
}
