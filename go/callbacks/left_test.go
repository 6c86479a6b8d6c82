package callbacks

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/cache"
)

// remembering asks a validator over a cache whose loads run here.
func remembering(h Set) func(ctx context.Context, token string) (bool, error) {
	c := cache.New[string, bool](10, nil)
	c.Here()
	return func(ctx context.Context, token string) (bool, error) {
		return c.Get(ctx, token, func(ctx context.Context) (cache.Entry[bool], error) {
			d, err := h.Validator(ctx, &Request{Token: token})
			if errors.Is(err, ErrOverloaded) {
				err = cache.ForAll(err)
			}
			return cache.Entry[bool]{Value: d.Allow, TTL: time.Hour}, err
		})
	}
}

func TestWhoLeavesIsLetGoAndNothingIsAskedTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var asked atomic.Int32
		end := make(chan struct{})
		check := remembering(allowing(func(context.Context, string) (Decision, error) {
			asked.Add(1)
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 10, time.Minute)))
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error, 2)
		for _, token := range []string{"asked", "waits"} {
			go func() { _, err := check(ctx, token); left <- err }()
			synctest.Wait()
		}
		stayed := make(chan bool)
		go func() { allowed, _ := check(t.Context(), "asked"); stayed <- allowed }()
		synctest.Wait()
		cancel()
		for range 2 {
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v", err)
			}
		}
		synctest.Wait()
		close(end)
		if !<-stayed {
			t.Error("who stayed was refused")
		}
		if allowed, err := check(t.Context(), "asked"); !allowed || err != nil {
			t.Errorf("kept: %v, %v", allowed, err)
		}
		synctest.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times, of which once for nobody", n)
		}
	})
}

func TestAQuestionWhoseAskerHasLeftIsLateAtItsOwnTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		check := remembering(allowing(func(context.Context, string) (Decision, error) {
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 10, time.Minute)))
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		go check(ctx, "k")
		synctest.Wait()
		begun := time.Now()
		if _, err := check(t.Context(), "k"); !errors.Is(err, ErrOverloaded) || time.Since(begun) != time.Minute {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		close(end)
	})
}
