package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ask has one more caller get the key, with a load that returns its name and
// ends after delay.
func ask(t *testing.T, wg *sync.WaitGroup, c *Cache[string, string], name string, delay, ttl time.Duration) *string {
	got := new(string)
	wg.Go(func() {
		*got = get(t, c, "k", func(context.Context) (Entry[string], error) {
			time.Sleep(delay)
			return Entry[string]{Value: name, TTL: ttl}, nil
		})
	})
	synctest.Wait()
	return got
}

func TestAnAnswerThatIsNotKeptServesItsAskerAlone(t *testing.T) {
	failed := errors.New("failed")
	for name, fail := range map[string]func() (Entry[string], error){
		"ttl 0":           func() (Entry[string], error) { return Entry[string]{}, nil },
		"an expired one":  func() (Entry[string], error) { return Entry[string]{TTL: -time.Hour}, nil },
		"an error":        func() (Entry[string], error) { return Entry[string]{TTL: time.Hour}, failed },
		"a panic":         func() (Entry[string], error) { panic("boom") },
		"no answer":       func() (Entry[string], error) { runtime.Goexit(); return Entry[string]{}, nil },
		"too late":        func() (Entry[string], error) { return Entry[string]{}, context.DeadlineExceeded },
		"cancelled by it": func() (Entry[string], error) { return Entry[string]{}, context.Canceled },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New[string, string](10, nil)
				var wg sync.WaitGroup
				for i := range 50 {
					wg.Go(func() {
						loads := 0
						v, err := c.Get(t.Context(), "k", func(context.Context) (Entry[string], error) {
							loads++
							time.Sleep(time.Second)
							e, err := fail()
							e.Value = strconv.Itoa(i)
							return e, err
						})
						if loads != 1 || err == nil && v != strconv.Itoa(i) {
							t.Errorf("%d asked %d times and got %q, %v", i, loads, v, err)
						}
					})
				}
				begun := time.Now()
				wg.Wait()
				if took := time.Since(begun); took != 2*time.Second || c.Len() != 0 || len(c.loading) != 0 {
					t.Errorf("after %v: %d entries, %d loads", took, c.Len(), len(c.loading))
				}
			})
		})
	}
}

func TestAnErrorForAllIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		down := errors.New("down")
		loads := 0
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := c.Get(t.Context(), "k", func(context.Context) (Entry[string], error) {
					loads++
					time.Sleep(time.Second)
					return Entry[string]{}, fmt.Errorf("the source is %w", ForAll(down))
				})
				if !errors.Is(err, down) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
	})
}

func TestWhoAsksAloneWaitsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		begun := time.Now()
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				v, err := c.Ask(t.Context(), "k", func(context.Context) (Entry[string], error) {
					time.Sleep(time.Second)
					return Entry[string]{Value: strconv.Itoa(i)}, nil
				})
				if err != nil || v != strconv.Itoa(i) {
					t.Errorf("%d got %q, %v", i, v, err)
				}
			})
		}
		wg.Wait()
		if time.Since(begun) != time.Second {
			t.Errorf("it took %v", time.Since(begun))
		}
		get(t, c, "k", answer("kept", time.Hour))
		if v, err := c.Ask(t.Context(), "k", forbidden(t)); err != nil || v != "kept" {
			t.Errorf("got %q, %v", v, err)
		}
	})
}

// Each row is about two questions, of which the second, asked later, is
// answered first.
func TestAnAnswerNeverReplacesThatToALaterQuestion(t *testing.T) {
	for _, c := range []struct {
		name       string
		early      time.Duration // ttl of the first question's answer
		late       time.Duration // and of the second's
		wantStored string
	}{
		{"a value by another", time.Hour, time.Hour, "late"},
		{"a value by nothing", 0, time.Hour, "late"},
		{"nothing by a value", time.Hour, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := New[string, string](10, nil)
				var wg sync.WaitGroup
				early := ask(t, &wg, cache, "early", 2*time.Second, c.early)
				wg.Go(func() {
					_, _ = cache.Ask(t.Context(), "k", func(context.Context) (Entry[string], error) {
						time.Sleep(time.Second)
						return Entry[string]{Value: "late", TTL: c.late}, nil
					})
				})
				wg.Wait()
				if v, _ := cache.Lookup("k"); v != c.wantStored || *early != "early" {
					t.Errorf("%q is kept, and who asked first got %q", v, *early)
				}
			})
		})
	}
}

func TestAnAnswerFromBeforeADeletionEndsNothing(t *testing.T) {
	for name, forget := range deletions {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New[string, string](10, nil)
				var wg sync.WaitGroup
				early := ask(t, &wg, c, "early", time.Minute, 0)
				forget(c)
				late := ask(t, &wg, c, "late", time.Second, time.Hour)
				wg.Wait()
				if v, _ := c.Lookup("k"); v != "late" || *early != "early" || *late != "late" {
					t.Errorf("%q is kept; they got %q and %q", v, *early, *late)
				}
			})
		})
	}
}

func TestWhatIsKeptAsidePushesOutItsKindOnly(t *testing.T) {
	c := New[string, string](2, nil)
	get(t, c, "real", answer("v", time.Hour))
	aside := func(context.Context) (Entry[string], error) { return Entry[string]{TTL: time.Hour, Aside: true}, nil }
	for i := range 100 {
		get(t, c, strconv.Itoa(i), aside)
	}
	get(t, c, "99", forbidden(t))
	if v, ok := c.Lookup("real"); !ok || v != "v" || c.Len() != 3 {
		t.Errorf("%q, %v; %d entries", v, ok, c.Len())
	}
	c.Delete("99")
	get(t, c, "99", answer("by now", time.Hour))
	get(t, c, "99", forbidden(t))
}
