package callbacks

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/secret"
)

// stranger asks about a key with which nobody has signed yet.
func stranger(key string) HMACQuestion { return HMACQuestion{AccessKey: key, Stranger: true} }

// Whatever the limits, questions about strangers that nobody answers leave seven
// eighths of the places, and all of the queue, to all others.
func TestAScanLeavesPlacesToThoseWhoAreKnown(t *testing.T) {
	for _, c := range []struct{ concurrency, queue, run, wait int }{
		{2, 0, 1, 0}, {2, 1, 1, 1}, {3, 2, 1, 1}, {8, 8, 1, 1}, {15, 20, 1, 2}, {32, 100, 4, 12}, {100, 800, 12, 100},
	} {
		inBubble(t, func(t *testing.T) {
			end := make(chan struct{})
			var strangers, known atomic.Int32
			answer := func(ctx context.Context, running *atomic.Int32) {
				running.Add(1)
				defer running.Add(-1)
				select {
				case <-end:
				case <-ctx.Done():
				}
			}
			h := Set{
				HMACFetcher: func(ctx context.Context, q HMACQuestion) (Secret, error) {
					if q.AccessKey != "client" {
						answer(ctx, &strangers)
					}
					return Secret{}, ErrUnknownKey
				},
				Validator: func(ctx context.Context, r *Request) (Decision, error) {
					if r.Token == "slow" {
						answer(ctx, &known)
					}
					return Decision{Allow: true}, nil
				},
				BucketCredsFetcher: func(context.Context, BucketCredsQuestion) (secret.Text, error) { return secret.NewText("x"), nil },
			}.With(Limits(c.concurrency, c.queue, time.Hour))

			const scan = 300
			var refused atomic.Int32
			for range scan {
				go func() {
					if _, err := h.HMACFetcher(t.Context(), stranger("random")); errors.Is(err, ErrOverloaded) {
						refused.Add(1)
					}
				}()
			}
			time.Sleep(time.Second) // all that can happen has happened
			if n := int(strangers.Load()); n != c.run || int(refused.Load()) != scan-c.run-c.wait {
				t.Errorf("%+v: %d run, %d of %d refused", c, n, refused.Load(), scan)
			}
			ask := func(of string) {
				if d, err := h.Validator(t.Context(), &Request{Token: "client"}); err != nil || !d.Allow {
					t.Errorf("%+v: %s: the validator: %v", c, of, err)
				}
				if _, err := h.BucketCredsFetcher(t.Context(), BucketCredsQuestion{"t", "b"}); err != nil {
					t.Errorf("%+v: %s: credentials: %v", c, of, err)
				}
				if _, err := h.HMACFetcher(t.Context(), HMACQuestion{AccessKey: "client"}); !errors.Is(err, ErrUnknownKey) {
					t.Errorf("%+v: %s: a client's secret: %v", c, of, err)
				}
			}
			ask("beside the scan")
			for range c.concurrency - c.run - 1 {
				go func() { _, _ = h.Validator(t.Context(), &Request{Token: "slow"}) }()
			}
			time.Sleep(time.Second)
			if n := int(known.Load()); n != c.concurrency-c.run-1 {
				t.Errorf("%+v: %d others run", c, n)
			}
			ask("in the last place")
			go func() { _, _ = h.Validator(t.Context(), &Request{Token: "slow"}) }()
			time.Sleep(time.Second)
			var queued sync.WaitGroup // one after the other in each
			for range c.queue {
				queued.Go(func() { ask("in the queue") })
			}
			time.Sleep(time.Second)
			close(end)
			queued.Wait()
			synctest.Wait()
			if _, err := h.HMACFetcher(t.Context(), stranger("random")); !errors.Is(err, ErrUnknownKey) {
				t.Errorf("%+v: a stranger, after all: %v", c, err)
			}
		})
	}
}

// Whoever would be served if there were no crowd is served beside it, at the
// latest when others have been.
func TestACrowdThatAnybodyCanCauseHasNoKnownClientRefused(t *testing.T) {
	for range 40 {
		concurrency, queue, crowd := 2+rand.IntN(20), rand.IntN(20), rand.IntN(200)
		inBubble(t, func(t *testing.T) {
			end := make(chan struct{})
			h := Set{
				HMACFetcher: func(context.Context, HMACQuestion) (Secret, error) {
					<-end
					return Secret{}, ErrUnknownKey
				},
				Validator: func(_ context.Context, r *Request) (Decision, error) {
					if r.Token == "" {
						<-end
					}
					time.Sleep(time.Second)
					return Decision{Allow: true}, nil
				},
				BucketCredsFetcher: func(context.Context, BucketCredsQuestion) (secret.Text, error) {
					<-end
					return secret.Text{}, nil
				},
			}.With(Limits(concurrency, queue, time.Hour))
			var all sync.WaitGroup
			for range crowd {
				all.Go(func() { _, _ = h.HMACFetcher(t.Context(), stranger("random")) })
				all.Go(func() { _, _ = h.Validator(t.Context(), &Request{}) })
				all.Go(func() { _, _ = h.BucketCredsFetcher(t.Context(), BucketCredsQuestion{"", "public"}) })
			}
			synctest.Wait()
			var clients sync.WaitGroup
			for range concurrency + queue {
				clients.Go(func() {
					if d, err := h.Validator(t.Context(), &Request{Token: "client"}); err != nil || !d.Allow {
						t.Errorf("%d places, a queue of %d, a crowd of %d: %v", concurrency, queue, crowd, err)
					}
				})
			}
			clients.Wait()
			close(end)
			all.Wait()
		})
	}
}

// The crowd takes half of the places, and a queue of its own half as long.
func TestRequestsWithoutASignatureHaveHalfOfThePlaces(t *testing.T) {
	for _, c := range []struct{ concurrency, queue, run, wait int }{
		{2, 0, 1, 0}, {2, 1, 1, 1}, {3, 2, 1, 1}, {8, 8, 4, 4}, {32, 100, 16, 50},
	} {
		inBubble(t, func(t *testing.T) {
			end := make(chan struct{})
			var running, refused atomic.Int32
			h := Set{
				Validator: func(context.Context, *Request) (Decision, error) {
					running.Add(1)
					<-end
					return Decision{}, nil
				},
				BucketCredsFetcher: func(context.Context, BucketCredsQuestion) (secret.Text, error) {
					running.Add(1)
					<-end
					return secret.Text{}, nil
				},
			}.With(Limits(c.concurrency, c.queue, time.Hour))
			const crowd = 50
			var all sync.WaitGroup
			count := func(err error) {
				if errors.Is(err, ErrOverloaded) {
					refused.Add(1)
				}
			}
			for range crowd {
				all.Go(func() {
					_, err := h.Validator(t.Context(), &Request{})
					count(err)
				})
				all.Go(func() {
					_, err := h.BucketCredsFetcher(t.Context(), BucketCredsQuestion{"", "public"})
					count(err)
				})
			}
			time.Sleep(time.Second)
			if int(running.Load()) != c.run || int(refused.Load()) != 2*crowd-c.run-c.wait {
				t.Errorf("%+v: %d run, %d of %d refused", c, running.Load(), refused.Load(), 2*crowd)
			}
			close(end)
			all.Wait()
		})
	}
}

func TestAStrangerWhoLeavesGivesItsPlaceBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		h := Set{HMACFetcher: func(context.Context, HMACQuestion) (Secret, error) {
			<-end
			return Secret{}, ErrUnknownKey
		}}.With(Limits(2, 8, time.Minute))
		go func() { _, _ = h.HMACFetcher(t.Context(), stranger("a")) }()
		synctest.Wait()
		for range 3 { // one waits at a time, and leaves
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error)
			go func() {
				_, err := h.HMACFetcher(ctx, stranger("b"))
				left <- err
			}()
			synctest.Wait()
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		begun := time.Now()
		if _, err := h.HMACFetcher(t.Context(), stranger("c")); !errors.Is(err, ErrOverloaded) || time.Since(begun) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		close(end)
		synctest.Wait()
		if _, err := h.HMACFetcher(t.Context(), stranger("d")); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAStrangerWhoFindsNoSlotGivesItsPlaceBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		h := Set{
			HMACFetcher: func(context.Context, HMACQuestion) (Secret, error) { return Secret{}, ErrUnknownKey },
			Validator: func(context.Context, *Request) (Decision, error) {
				<-end
				return Decision{}, nil
			},
		}.With(Limits(2, 8, time.Hour))
		for range 2 {
			go func() { _, _ = h.Validator(t.Context(), &Request{Token: "client"}) }()
		}
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.HMACFetcher(ctx, stranger("a")); !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		close(end)
		synctest.Wait()
		if _, err := h.HMACFetcher(t.Context(), stranger("b")); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("got %v", err)
		}
	})
}
