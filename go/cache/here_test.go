package cache

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// halfway is a load that has come to something when it waits, and knows it when it is
// begun again.
func halfway(release <-chan struct{}, begun *[]any) Load[string] {
	return func(ctx context.Context) (Entry[string], error) {
		*begun = append(*begun, Sofar(ctx))
		select {
		case <-release:
		case <-ctx.Done():
			if err := Left(ctx, "half"); err != nil {
				return Entry[string]{}, err
			}
			<-release // it is worth having
		}
		return Entry[string]{Value: "v", TTL: time.Hour}, nil
	}
}

func TestALoadRunsHere(t *testing.T) {
	for _, here := range []bool{false, true} {
		c := New[string, string](10, nil)
		if here {
			c.Here()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		got, err := c.Get(ctx, "k", func(ctx context.Context) (Entry[string], error) {
			if at, ok := ctx.Deadline(); ok {
				t.Errorf("here %v: the load has its caller's deadline, %v", here, at)
			}
			return Entry[string]{Value: goroutine()}, nil
		})
		if err != nil || (got == goroutine()) != here {
			t.Errorf("here %v: it ran on %q, and its caller on %q; %v", here, got, goroutine(), err)
		}
		cancel()
	}
}

// goroutine returns the name of the one that runs.
func goroutine() string {
	stack := make([]byte, 64)
	runtime.Stack(stack, false)
	name, _, _ := strings.Cut(string(stack), "[")
	return name
}

func TestACallerThatLeavesIsLetGoAndItsLoadGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		c.Here()
		var begun []any
		release := make(chan struct{})
		oneLeaves(t, c, halfway(release, &begun), release)
		if len(begun) != 2 || begun[0] != nil || begun[1] != "half" {
			t.Errorf("begun with %v", begun)
		}
		if v := get(t, c, "k", forbidden(t)); v != "v" {
			t.Errorf("kept: %q", v)
		}
	})
}

func TestALoadThatAllHaveLeftHereIsCancelledAndMayStillBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, nil)
		c.Here()
		var begun []any
		release := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go c.Get(ctx, "k", halfway(release, &begun))
		synctest.Wait()
		cancel()
		synctest.Wait() // and the second time it has seen the end of its context, too
		close(release)
		synctest.Wait()
		if v := get(t, c, "k", forbidden(t)); v != "v" || len(begun) != 2 {
			t.Errorf("got %q, begun with %v", v, begun)
		}
	})
}

func TestALoadWithinALoadIsLeftByItsOwnCaller(t *testing.T) {
	outer, inner := New[string, string](10, nil), New[string, string](10, nil)
	outer.Here()
	_, _ = outer.Get(t.Context(), "k", func(ctx context.Context) (Entry[string], error) {
		_, err := inner.Get(ctx, "k", func(ctx context.Context) (Entry[string], error) {
			if err := Left(ctx, "half"); err != nil {
				t.Errorf("got %v on a goroutine of its own", err)
			}
			return Entry[string]{}, nil
		})
		return Entry[string]{}, err
	})
}
