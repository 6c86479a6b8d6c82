package cache

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// answer is a load that always gives the same entry.
func answer(v string, ttl time.Duration) Load[string] {
	return func(context.Context) (Entry[string], error) { return Entry[string]{Value: v, TTL: ttl}, nil }
}

// forbidden is a load that must not run.
func forbidden(t *testing.T) Load[string] {
	return func(context.Context) (Entry[string], error) {
		t.Error("a load ran although the value was there")
		return Entry[string]{}, nil
	}
}

func get(t *testing.T, c *Cache[string, string], key string, load Load[string]) string {
	t.Helper()
	v, err := c.Get(t.Context(), key, load)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAValueServesUntilItsEnd(t *testing.T) {
	now := time.Unix(1000, 0)
	c := New[string, string](10, func() time.Time { return now })
	if v := get(t, c, "k", answer("first", time.Minute)); v != "first" {
		t.Fatalf("got %q", v)
	}
	now = now.Add(time.Minute - 1)
	if v := get(t, c, "k", forbidden(t)); v != "first" {
		t.Errorf("got %q", v)
	}
	if v, ok := c.Lookup("k"); !ok || v != "first" {
		t.Errorf("Lookup: %q, %v", v, ok)
	}
	now = now.Add(1)
	if v, ok := c.Lookup("k"); ok || v != "" {
		t.Errorf("Lookup past the end: %q, %v", v, ok)
	}
	if v := get(t, c, "k", answer("second", time.Minute)); v != "second" {
		t.Errorf("got %q", v)
	}
}

func TestWithoutTTLNothingIsKept(t *testing.T) {
	for _, ttl := range []time.Duration{0, -1, -time.Hour} {
		c := New[string, string](10, nil)
		get(t, c, "k", answer("v", ttl))
		if c.Len() != 0 {
			t.Errorf("ttl %v: %d entries", ttl, c.Len())
		}
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	c := New[string, string](10, nil)
	bad := errors.New("bad")
	_, err := c.Get(t.Context(), "k", func(context.Context) (Entry[string], error) {
		return Entry[string]{Value: "half", TTL: time.Hour}, bad
	})
	if !errors.Is(err, bad) || c.Len() != 0 {
		t.Errorf("%v, %d entries", err, c.Len())
	}
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := New[string, string](2, nil)
	for _, k := range []string{"a", "b"} {
		get(t, c, k, answer(k, time.Hour))
	}
	get(t, c, "a", forbidden(t))
	get(t, c, "c", answer("c", time.Hour))
	if _, ok := c.Lookup("b"); ok || c.Len() != 2 {
		t.Errorf("b is there: %v, %d entries", ok, c.Len())
	}
	get(t, c, "a", forbidden(t))
}

func TestAThousandCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		loads := 0
		load := func(context.Context) (Entry[string], error) {
			loads++
			time.Sleep(time.Second)
			return Entry[string]{Value: "v", TTL: time.Hour}, nil
		}
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if v := get(t, c, "k", load); v != "v" {
					t.Errorf("got %q", v)
				}
			})
		}
		wg.Wait()
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
	})
}

func TestASlowKeyHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		release := make(chan struct{})
		go c.Get(t.Context(), "slow", func(context.Context) (Entry[string], error) {
			<-release
			return Entry[string]{}, nil
		})
		synctest.Wait()
		get(t, c, "fast", answer("v", time.Hour))
		close(release)
	})
}

// oneLeaves has two want what a load gives once it is released, and the one leave before who
// began the load.
func oneLeaves(t *testing.T, c *Cache[string, string], load Load[string], release chan<- struct{}) {
	ctx, cancel := context.WithCancel(t.Context())
	left, stayed := make(chan error, 1), make(chan string, 1)
	go func() { _, err := c.Get(ctx, "k", load); left <- err }()
	synctest.Wait()
	go func() { stayed <- get(t, c, "k", forbidden(t)) }()
	synctest.Wait()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the one who left got %v", err)
	}
	synctest.Wait()
	close(release)
	if v := <-stayed; v != "v" {
		t.Errorf("the one who stayed got %q", v)
	}
}

func TestACallerThatLeavesHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		release := make(chan struct{})
		load := func(ctx context.Context) (Entry[string], error) {
			select {
			case <-release:
				return Entry[string]{Value: "v", TTL: time.Hour}, nil
			case <-ctx.Done():
				return Entry[string]{}, ctx.Err()
			}
		}
		oneLeaves(t, c, load, release)
	})
}

func TestALoadThatAllHaveLeftIsCancelledAndNobodyInheritsThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		linger := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go c.Get(ctx, "k", func(ctx context.Context) (Entry[string], error) {
			<-ctx.Done()
			<-linger // still in the table of flights when the newcomer arrives
			return Entry[string]{}, ctx.Err()
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		got := make(chan string, 1)
		go func() { got <- get(t, c, "k", answer("new", time.Hour)) }()
		synctest.Wait()
		close(linger)
		if v := <-got; v != "new" {
			t.Errorf("the newcomer got %q", v)
		}
	})
}

func TestALoadThatFinishesForNobodyIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go c.Get(ctx, "k", func(context.Context) (Entry[string], error) {
			<-release
			return Entry[string]{Value: "late", TTL: time.Hour}, nil
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		synctest.Wait()
		if v := get(t, c, "k", forbidden(t)); v != "late" {
			t.Errorf("got %q", v)
		}
	})
}

func TestACallerWhoseTimeIsOverBeginsNoLoad(t *testing.T) {
	c := New[string, string](10, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Get(ctx, "k", forbidden(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAPanicIsAnError(t *testing.T) {
	c := New[string, string](10, nil)
	_, err := c.Get(t.Context(), "k", func(context.Context) (Entry[string], error) { panic("boom") })
	var p *PanicError
	if !errors.As(err, &p) || p.Value != "boom" || len(p.Stack) == 0 {
		t.Errorf("got %v", err)
	}
	get(t, c, "k", answer("v", time.Hour))
}

func TestALoadThatEndsItsGoroutineLeavesNobodyWaiting(t *testing.T) {
	c := New[string, string](10, nil)
	_, err := c.Get(t.Context(), "k", func(context.Context) (Entry[string], error) {
		runtime.Goexit()
		return Entry[string]{}, nil
	})
	if !errors.Is(err, errNoAnswer) {
		t.Errorf("got %v", err)
	}
}

var deletions = map[string]func(*Cache[string, string]){
	"Delete":     func(c *Cache[string, string]) { c.Delete("k") },
	"DeleteFunc": func(c *Cache[string, string]) { c.DeleteFunc(func(string, string) bool { return false }) },
	"Purge":      func(c *Cache[string, string]) { c.Purge() },
}

func TestAnAnswerFromBeforeADeletionIsNotKept(t *testing.T) {
	for name, forget := range deletions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New[string, string](10, nil)
				release := make(chan struct{})
				old := make(chan string, 1)
				go func() {
					old <- get(t, c, "k", func(context.Context) (Entry[string], error) {
						<-release
						return Entry[string]{Value: "old", TTL: time.Hour}, nil
					})
				}()
				synctest.Wait()
				forget(c)
				if v := get(t, c, "k", answer("new", time.Hour)); v != "new" {
					t.Errorf("a later caller joined the old load: %q", v)
				}
				close(release)
				if v := <-old; v != "old" {
					t.Errorf("who waited got %q", v)
				}
				synctest.Wait()
				if v := get(t, c, "k", forbidden(t)); v != "new" {
					t.Errorf("the stale answer replaced the new one: %q", v)
				}
			})
		})
	}
}

func TestDeletionForgetsWhatItShould(t *testing.T) {
	c := New[string, string](10, nil)
	for i := range 6 {
		k := strconv.Itoa(i)
		get(t, c, k, answer("v"+k, time.Hour))
	}
	c.Delete("0")
	c.DeleteIf("3", func(v string) bool { return v == "v2" })
	c.DeleteIf("5", func(v string) bool { return v == "v5" })
	c.DeleteFunc(func(k, v string) bool { return k == "1" || v == "v2" })
	for k, want := range map[string]bool{"0": false, "1": false, "2": false, "3": true, "4": true, "5": false} {
		if _, ok := c.Lookup(k); ok != want {
			t.Errorf("%s is there: %v", k, ok)
		}
	}
	c.Purge()
	if c.Len() != 0 {
		t.Errorf("%d entries after Purge", c.Len())
	}
}

func TestStatsCountWhoFoundAnAnswerAndWhoWaited(t *testing.T) {
	c := New[string, int](10, nil)
	load := func(context.Context) (Entry[int], error) { return Entry[int]{Value: 1, TTL: time.Hour}, nil }
	for range 3 {
		if _, err := c.Get(t.Context(), "a", load); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := c.Lookup("a"); !ok {
		t.Error("it is not there")
	}
	if _, ok := c.Lookup("b"); ok { // Get follows, and counts
		t.Error("it is there")
	}
	if got, want := c.Stats(), (Stats{Hits: 3, Misses: 1, Entries: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
