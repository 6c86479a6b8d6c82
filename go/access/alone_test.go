package access

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/shared"
)

// at asks about 20 requests that come at the same time and look the same but
// for what is in no key: a header, and a path that auth_cache_by leaves out.
func at(t *testing.T, ttl time.Duration, decide func(admin bool) (callbacks.Decision, error)) (asked int32, kept int) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{decide: func(r *callbacks.Request) (callbacks.Decision, error) {
			time.Sleep(time.Second) // so that all come meanwhile
			if role := r.Header().Get("X-Role"); role != r.Path {
				t.Errorf("the headers of %s came with the path of %s", role, r.Path)
			}
			return decide(r.Path == "admin")
		}}
		checker := New(o.callbacks(true), Options{Capacity: 10, CacheBy: []string{"method"}})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				r := full()
				r.Path = []string{"admin", "guest"}[i%2]
				r.Header = func() http.Header { return http.Header{"X-Role": {r.Path}} }
				if err := checker.Check(t.Context(), about(r, ttl)).Refusal(); (err == nil) != (r.Path == "admin") {
					t.Errorf("%s: %v", r.Path, err)
				}
			})
		}
		wg.Wait()
		asked, kept = o.calls.Load(), checker.decisions.Len()
	})
	return asked, kept
}

func TestADecisionForOneRequestServesNoOther(t *testing.T) {
	none := time.Duration(0)
	for name, c := range map[string]struct {
		ttl    time.Duration
		decide func(admin bool) (callbacks.Decision, error)
	}{
		"made by a header":    {time.Hour, func(admin bool) (callbacks.Decision, error) { return callbacks.Decision{Allow: admin, Once: true}, nil }},
		"of a bucket's ttl 0": {0, func(admin bool) (callbacks.Decision, error) { return callbacks.Decision{Allow: admin}, nil }},
		"of a ttl 0":          {time.Hour, func(admin bool) (callbacks.Decision, error) { return callbacks.Decision{Allow: admin, TTL: &none}, nil }},
		"an exception": {time.Hour, func(admin bool) (callbacks.Decision, error) {
			if !admin {
				return callbacks.Decision{}, errors.New("raised")
			}
			return callbacks.Decision{Allow: true, Once: true}, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if asked, kept := at(t, c.ttl, c.decide); asked != 20 || kept != 0 {
				t.Errorf("asked %d times, %d decisions are kept", asked, kept)
			}
		})
	}
}

func TestOneQuestionWithoutAnAnswerKeepsNobodyWaitingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		checker := New(callbacks.Set{
			Validator: func(ctx context.Context, r *callbacks.Request) (callbacks.Decision, error) {
				if r.Bucket == "bad" {
					asked.Add(1)
					<-ctx.Done()
					time.Sleep(time.Minute) // and keeps its place
				}
				return callbacks.Decision{Allow: true}, nil
			},
		}.With(callbacks.Limits(8, 100, 2*time.Second)), Options{Capacity: 10})
		begun := time.Now()
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				err := checker.Check(t.Context(), about(&callbacks.Request{Token: "alice", Bucket: "bad"}, time.Hour)).Refusal()
				if took := time.Since(begun); !errors.Is(err, s3err.SlowDown) || took != 2*time.Second {
					t.Errorf("%v after %v", err, took)
				}
			})
		}
		wg.Wait()
		if err := checker.Check(t.Context(), about(&callbacks.Request{Token: "bob", Bucket: "good"}, time.Hour)).Refusal(); err != nil || asked.Load() != 1 {
			t.Errorf("asked %d times; another client: %v", asked.Load(), err)
		}
		time.Sleep(2 * time.Minute) // until nobody is left
	})
}

func TestAnAnswerFromBeforeForgettingServesNobodyWhoComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var revoked atomic.Bool
		o := &owner{decide: func(*callbacks.Request) (callbacks.Decision, error) {
			allow := !revoked.Load()
			time.Sleep(time.Second)
			return callbacks.Decision{Allow: allow}, nil
		}}
		checker := New(o.callbacks(true), Options{Capacity: 10})
		early := make(chan error, 1)
		go func() { early <- checker.Check(t.Context(), about(full(), time.Hour)).Refusal() }()
		synctest.Wait()
		revoked.Store(true)
		checker.Forget(shared.Revocation{Token: named("alice")})
		for range 2 { // the second one after both answers
			if err := checker.Check(t.Context(), about(full(), time.Hour)).Refusal(); !errors.Is(err, ErrRefused) {
				t.Errorf("got %v", err)
			}
		}
		if err := <-early; err != nil || o.calls.Load() != 2 {
			t.Errorf("who came before got %v; asked %d times", err, o.calls.Load())
		}
	})
}

func TestWhoLeavesIsLetGoAndTheDecisionIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		o := &owner{decide: func(*callbacks.Request) (callbacks.Decision, error) {
			<-end
			return callbacks.Decision{Allow: true}, nil
		}}
		limited := o.callbacks(true).With(callbacks.Limits(1, 1, time.Hour))
		checker := New(limited, Options{Capacity: 10})
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan Decision)
		go func() { left <- checker.Check(ctx, about(full(), time.Hour)) }()
		synctest.Wait()
		cancel()
		if err := (<-left).Refusal(); err == nil {
			t.Error("who left was allowed")
		}
		close(end)
		synctest.Wait()
		if err := checker.Check(t.Context(), about(full(), time.Hour)).Refusal(); err != nil || o.calls.Load() != 1 {
			t.Errorf("%v, asked %d times", err, o.calls.Load())
		}
		time.Sleep(time.Minute) // in which the gate's worker ends
	})
}
