package shared

import (
	"context"
	"strconv"
	"testing"
	"time"

	"osp/go/cache"
)

// BenchmarkGeneration is what a warm request pays for each cache that it looks into.
func BenchmarkGeneration(b *testing.B) {
	l := newLease()
	l.renew(time.Now().Add(time.Hour))
	b.ReportAllocs()
	for b.Loop() {
		if l.Generation() == 0 {
			b.Fatal("no lease")
		}
	}
}

// BenchmarkRoundTrips is what the server does for one replica, one after another.
func BenchmarkRoundTrips(b *testing.B) {
	f := newFleet(b, newServer(b))
	r := f.replica(func(o *Options) { o.Timeout = 5 * time.Second })
	load := func(context.Context) (cache.Entry[string], error) {
		return cache.Entry[string]{Value: "v", TTL: time.Hour}, nil
	}
	found := func(key string) {
		if _, err := Load(r.State, Item{Kind: "bench", Key: key, Token: "x", Bucket: "y"}, plain, load)(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("an answer that is there", func(b *testing.B) {
		for b.Loop() {
			found("k")
		}
	})
	b.Run("an answer that is asked for", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			found(strconv.Itoa(i))
		}
	})
	b.Run("a use", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if _, err := r.Use(b.Context(), strconv.Itoa(i/3), 3, time.Now().Add(time.Hour)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("a heartbeat", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := r.hear(b.Context(), *r.at.Load()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
