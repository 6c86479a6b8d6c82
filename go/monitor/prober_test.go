package monitor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/stores"
)

func entry(name, host string) *stores.Bucket {
	return &stores.Bucket{Name: name, Host: host, Port: 443, TLS: true}
}

func TestEachStoreIsLookedAtOnceForAllThatAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		expires := time.Now().Add(time.Hour)
		p := &prober{
			life: t.Context(),
			now:  time.Now,
			entries: func() []*stores.Bucket {
				return []*stores.Bucket{entry("a", "one"), entry("b", "one"), entry("c", "two")}
			},
			reach: func(_ context.Context, b *stores.Bucket) (time.Time, error) {
				looks.Add(1)
				time.Sleep(time.Second)
				if b.Host == "two" {
					return time.Time{}, errors.New("refused")
				}
				return expires, nil
			},
		}
		if got := p.latest(); got != nil { // does not wait
			t.Errorf("known before anybody looked: %v", got)
		}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				got, err := p.fresh(t.Context())
				if err != nil || len(got) != 2 {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		all.Wait()
		got := p.latest()
		if looks.Load() != 2 {
			t.Errorf("%d looks", looks.Load())
		}
		if !got[0].Up || !slices.Equal(got[0].Buckets, []string{"a", "b"}) || got[0].CertificateExpires != expires || got[0].Took != time.Second {
			t.Errorf("%+v", got[0])
		}
		if got[1].Up || got[1].Problem != "refused" || got[1].Store != "two:443" {
			t.Errorf("%+v", got[1])
		}

		time.Sleep(keepHealth - time.Second)
		if _, err := p.fresh(t.Context()); err != nil || looks.Load() != 2 {
			t.Errorf("%v; looked again after %d looks", err, looks.Load())
		}
		time.Sleep(2 * time.Second)
		if _, err := p.fresh(t.Context()); err != nil || looks.Load() != 4 {
			t.Errorf("%v; did not look again: %d looks", err, looks.Load())
		}
	})
}

func TestWhoLeavesDoesNotWaitAndAStuckStoreEndsTheLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &prober{
			life:    t.Context(),
			now:     time.Now,
			entries: func() []*stores.Bucket { return []*stores.Bucket{entry("a", "stuck")} },
			reach: func(ctx context.Context, _ *stores.Bucket) (time.Time, error) {
				<-ctx.Done()
				return time.Time{}, ctx.Err()
			},
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.fresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		begun := time.Now()
		got, err := p.fresh(t.Context())
		if err != nil || got[0].Up || time.Since(begun) > probeTime {
			t.Errorf("%+v, %v after %v", got, err, time.Since(begun))
		}
	})
}

func TestOtherStoresAreLookedAtAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var name atomic.Pointer[string]
		set := func(s string) { name.Store(&s) }
		set("before")
		p := &prober{
			life:    t.Context(),
			now:     time.Now,
			entries: func() []*stores.Bucket { return []*stores.Bucket{entry("a", *name.Load())} },
			reach: func(context.Context, *stores.Bucket) (time.Time, error) {
				time.Sleep(time.Second)
				return time.Time{}, nil
			},
		}
		p.latest()
		synctest.Wait() // the check is in progress
		set("after")
		p.forget()
		if got, _ := p.fresh(t.Context()); got[0].Store != "before:443" {
			t.Errorf("%+v", got)
		}
		if got, _ := p.fresh(t.Context()); got[0].Store != "after:443" {
			t.Errorf("the stores of before are still shown: %+v", got)
		}
	})
}
