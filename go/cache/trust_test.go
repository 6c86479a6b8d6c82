package cache

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// trusted is a cache that uses what it got in a generation, 0 for none.
func trusted(generation uint64) (*Cache[string, string], *atomic.Uint64) {
	c, now := New[string, string](10, nil), &atomic.Uint64{}
	now.Store(generation)
	c.Trust(now.Load, 40*time.Millisecond)
	return c, now
}

func TestWhatIsOfAnotherGenerationIsNotUsed(t *testing.T) {
	c, generation := trusted(1)
	if v := get(t, c, "k", answer("first", time.Hour)); v != "first" {
		t.Fatalf("got %q", v)
	}
	for _, g := range []uint64{0, 2} {
		generation.Store(g)
		if v, ok := c.Lookup("k"); ok {
			t.Errorf("got %q in generation %d", v, g)
		}
	}
}

func TestWithoutTrustNothingIsKept(t *testing.T) {
	c, generation := trusted(0)
	get(t, c, "k", answer("v", time.Hour))
	generation.Store(1)
	if _, ok := c.Lookup("k"); ok {
		t.Error("it is kept")
	}
}

func TestAnAnswerFromBeforeTheEndOfAGenerationIsNotKept(t *testing.T) {
	c, generation := trusted(1)
	get(t, c, "k", func(context.Context) (Entry[string], error) {
		generation.Store(2)
		return Entry[string]{Value: "v", TTL: time.Hour}, nil
	})
	if _, ok := c.Lookup("k"); ok {
		t.Error("it is kept")
	}
}

func TestWithoutTrustOnlyThoseOfOneMomentShareALoad(t *testing.T) {
	for name, test := range map[string]struct {
		later time.Duration
		loads int32
	}{"within it": {39 * time.Millisecond, 1}, "after it": {40 * time.Millisecond, 2}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := trusted(0)
				var loads atomic.Int32
				slow := func(context.Context) (Entry[string], error) {
					loads.Add(1)
					time.Sleep(time.Second)
					return Entry[string]{Value: "v", TTL: time.Hour}, nil
				}
				go func() { _, _ = c.Get(t.Context(), "k", slow) }()
				time.Sleep(test.later)
				if v := get(t, c, "k", slow); v != "v" || loads.Load() != test.loads {
					t.Errorf("got %q by %d loads", v, loads.Load())
				}
			})
		})
	}
}

func TestTrustAllocatesNothing(t *testing.T) {
	c, _ := trusted(1)
	get(t, c, "k", answer("v", time.Hour))
	if n := testing.AllocsPerRun(100, func() { c.Lookup("k") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
