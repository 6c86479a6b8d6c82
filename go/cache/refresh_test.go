package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// renewable returns values that live 100 s and are due for renewal after 80 s.
func renewable(v string) Entry[string] {
	return Entry[string]{Value: v, TTL: 100 * time.Second, RefreshAfter: 80 * time.Second}
}

func TestTheOldValueServesWhileTheNewOneIsFetchedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		get(t, c, "k", func(context.Context) (Entry[string], error) { return renewable("old"), nil })
		time.Sleep(79 * time.Second)
		get(t, c, "k", forbidden(t))
		time.Sleep(time.Second)

		if _, ok := c.Lookup("k"); ok {
			t.Error("Lookup hides that a refresh is due")
		}
		loads := 0
		release := make(chan struct{})
		for range 10 {
			v := get(t, c, "k", func(context.Context) (Entry[string], error) {
				loads++
				<-release
				return renewable("new"), nil
			})
			if v != "old" {
				t.Fatalf("got %q during the refresh", v)
			}
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if loads != 1 {
			t.Errorf("%d loads", loads)
		}
		if v := get(t, c, "k", forbidden(t)); v != "new" {
			t.Errorf("got %q after the refresh", v)
		}
	})
}

func TestAFailedRefreshIsRetriedLaterAndTheOldValueServesOn(t *testing.T) {
	for name, trust := range map[string]func() uint64{"alone": nil, "in a fleet": func() uint64 { return 7 }} {
		t.Run(name, func(t *testing.T) { failedRefresh(t, trust) })
	}
}

func failedRefresh(t *testing.T, trust func() uint64) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		c.Trust(trust, time.Second)
		get(t, c, "k", func(context.Context) (Entry[string], error) { return renewable("old"), nil })
		time.Sleep(80 * time.Second)
		attempts := 0
		fail := func(context.Context) (Entry[string], error) {
			attempts++
			return Entry[string]{}, errors.New("down")
		}
		for range 5 {
			if v := get(t, c, "k", fail); v != "old" {
				t.Fatalf("got %q", v)
			}
			synctest.Wait()
		}
		if attempts != 1 {
			t.Errorf("%d attempts at once", attempts)
		}
		time.Sleep(2 * time.Second) // a tenth of what remained
		get(t, c, "k", fail)
		synctest.Wait()
		if attempts != 2 {
			t.Errorf("%d attempts after the pause", attempts)
		}
		time.Sleep(18 * time.Second)
		if _, err := c.Get(t.Context(), "k", fail); err == nil {
			t.Error("an expired value serves")
		}
	})
}

func TestACallerThatComesAfterTheEndWaitsForTheRefreshUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		get(t, c, "k", func(context.Context) (Entry[string], error) { return renewable("old"), nil })
		time.Sleep(90 * time.Second)
		cancelled := false
		get(t, c, "k", func(ctx context.Context) (Entry[string], error) {
			time.Sleep(20 * time.Second)
			cancelled = ctx.Err() != nil
			return renewable("new"), nil
		})
		time.Sleep(10 * time.Second)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Get(impatient, "k", forbidden(t)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if v := get(t, c, "k", forbidden(t)); v != "new" {
			t.Errorf("got %q", v)
		}
		if cancelled {
			t.Error("a caller that left cancelled the refresh")
		}
	})
}

func TestARefreshBegunBeforeADeletionDoesNotBringTheValueBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		get(t, c, "k", func(context.Context) (Entry[string], error) { return renewable("old"), nil })
		time.Sleep(90 * time.Second)
		get(t, c, "k", func(context.Context) (Entry[string], error) {
			time.Sleep(time.Second)
			return renewable("stale"), nil
		})
		synctest.Wait()
		c.Delete("k")
		time.Sleep(2 * time.Second)
		if c.Len() != 0 {
			t.Error("the stale answer was kept")
		}
	})
}

func TestARefreshThatMustNotBeKeptEndsTheOldValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		get(t, c, "k", func(context.Context) (Entry[string], error) { return renewable("old"), nil })
		time.Sleep(90 * time.Second)
		get(t, c, "k", answer("once", 0))
		synctest.Wait()
		if v, ok := c.Lookup("k"); ok {
			t.Errorf("%q still serves", v)
		}
	})
}

func TestRenewalsAreSpreadOverATenthOfTheLifetime(t *testing.T) {
	low, high := time.Hour, time.Duration(0)
	for range 1000 {
		d := Ahead(100 * time.Second)
		low, high = min(low, d), max(high, d)
	}
	if low < 80*time.Second || high > 90*time.Second || high-low < 8*time.Second {
		t.Errorf("between %v and %v", low, high)
	}
}

func TestAValueIsHeldUntilItsEndAlsoWhenItsRefreshIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		get(t, c, "k", func(context.Context) (Entry[string], error) { return renewable("v"), nil })
		begun := time.Now()
		for _, age := range []time.Duration{0, 80 * time.Second, 99 * time.Second, 100 * time.Second} {
			time.Sleep(age - time.Since(begun))
			if _, held := c.Peek("k"); held != (age < 100*time.Second) {
				t.Errorf("after %v: %v", age, held)
			}
		}
		if _, held := c.Peek("another"); held {
			t.Error("what nobody asked for is held")
		}
	})
}
