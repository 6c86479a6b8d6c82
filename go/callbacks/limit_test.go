package callbacks

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/secret"
)

func allowing(f func(ctx context.Context, token string) (Decision, error)) Set {
	return Set{Validator: func(ctx context.Context, r *Request) (Decision, error) { return f(ctx, r.Token) }}
}

// inBubble runs a test in a bubble, which must not end before those who wait for
// another question.
func inBubble(t *testing.T, test func(*testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		test(t)
		time.Sleep(2 * keepWorker)
	})
}

func TestWhoHasAskedWaitsForAnotherQuestionButNotForLong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var asked [3]string
		h := allowing(func(_ context.Context, token string) (Decision, error) {
			stack := make([]byte, 64)
			runtime.Stack(stack, false) // begins with the goroutine's number
			asked[len(token)], _, _ = strings.Cut(string(stack), "[")
			return Decision{Allow: true}, nil
		}).With(Limits(4, 10, time.Minute))
		ask := func(token string) {
			if _, err := h.Validator(t.Context(), &Request{Token: token}); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		ask("")
		ask("1")
		time.Sleep(2 * keepWorker)
		ask("22")
		if asked[0] != asked[1] || asked[0] == asked[2] || asked[2] == "" {
			t.Errorf("asked by %q", asked)
		}
	})
}

func TestAnAnswerInTimeIsNeverTooLate(t *testing.T) {
	h := allowing(func(context.Context, string) (Decision, error) { return Decision{Allow: true}, nil }).With(Limits(4, 10_000, time.Minute))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 5000 {
				if d, err := h.Validator(t.Context(), &Request{Token: "client"}); err != nil || !d.Allow {
					t.Errorf("got %+v, %v", d, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestOnlySoManyRunAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var running, most atomic.Int32
		h := allowing(func(context.Context, string) (Decision, error) {
			n := running.Add(1)
			defer running.Add(-1)
			most.Store(max(most.Load(), n))
			time.Sleep(time.Second)
			return Decision{Allow: true}, nil
		}).With(Limits(3, 100, time.Hour))
		begun := time.Now()
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if _, err := h.Validator(t.Context(), &Request{Token: "client"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); most.Load() != 3 || took < 4*time.Second || took > 4*time.Second+12*headStart {
			t.Errorf("%d at a time, %v in all", most.Load(), took)
		}
	})
}

func TestWhoAnswersAtOnceIsNotDisturbed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var running, most atomic.Int32
		h := allowing(func(context.Context, string) (Decision, error) {
			n := running.Add(1)
			defer running.Add(-1)
			most.Store(max(most.Load(), n))
			time.Sleep(headStart / 2)
			return Decision{Allow: true}, nil
		}).With(Limits(3, 100, time.Hour))
		begun := time.Now()
		var wg sync.WaitGroup
		for range 12 {
			wg.Go(func() {
				if _, err := h.Validator(t.Context(), &Request{Token: "client"}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); most.Load() != 1 || took != 6*headStart {
			t.Errorf("%d at a time, %v in all", most.Load(), took)
		}
	})
}

func TestNobodyIsRefusedWhileAPlaceIsFree(t *testing.T) {
	for _, places := range []int{1, 2, 8} {
		h := allowing(func(_ context.Context, token string) (Decision, error) {
			if token == "ends its goroutine" {
				runtime.Goexit()
			}
			return Decision{Allow: true}, nil
		}).With(Limits(places, 0, time.Minute))
		var wg sync.WaitGroup
		for range places { // one after the other in each, so that there is always one for it
			wg.Go(func() {
				for i := range 5_000 {
					token, ends := "client", i%100 == 0
					if ends {
						token = "ends its goroutine"
					}
					if _, err := h.Validator(t.Context(), &Request{Token: token}); (err != nil) != ends || errors.Is(err, ErrOverloaded) {
						t.Errorf("with %d places, question %d: %v", places, i, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
}

func TestPastTheLimitsTheAnswerIsNeverAnAllowance(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		h := allowing(func(_ context.Context, token string) (Decision, error) {
			<-end // whatever its context says
			return Decision{Allow: true}, nil
		}).With(Limits(1, 1, time.Minute))
		results := make(chan error, 3)
		ask := func() {
			d, err := h.Validator(t.Context(), &Request{Token: "client"})
			if d.Allow {
				t.Error("allowed")
			}
			results <- err
		}
		begun := time.Now()
		go ask()
		synctest.Wait()
		go ask() // waits for its turn
		synctest.Wait()
		go ask() // finds the queue full
		if err := <-results; !errors.Is(err, ErrOverloaded) || time.Since(begun) != 0 {
			t.Errorf("the queue is full: %v after %v", err, time.Since(begun))
		}
		for range 2 {
			if err := <-results; !errors.Is(err, ErrOverloaded) || time.Since(begun) != time.Minute {
				t.Errorf("too late: %v after %v", err, time.Since(begun))
			}
		}
		go ask() // the callback that never returned keeps its place
		if err := <-results; !errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		close(end)
		synctest.Wait()
		if d, err := h.Validator(t.Context(), &Request{Token: "client"}); err != nil || !d.Allow {
			t.Errorf("after all have returned: %+v, %v", d, err)
		}
	})
}

func TestWhoLeavesWhileWaitingIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var asked atomic.Int32
		end := make(chan struct{})
		h := allowing(func(context.Context, string) (Decision, error) {
			asked.Add(1)
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 1, time.Minute))
		go func() { _, _ = h.Validator(t.Context(), &Request{Token: "client"}) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := h.Validator(ctx, &Request{Token: "client"})
			left <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(end)
		synctest.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestACallbackThatPanicsOrEndsItsGoroutineIsAnError(t *testing.T) {
	h := Set{
		HMACFetcher: func(context.Context, HMACQuestion) (Secret, error) { panic("boom") },
		BucketCredsFetcher: func(context.Context, BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText("x"), context.DeadlineExceeded // its own, not the limit's
		},
	}.With(Limits(1, 1, time.Minute))
	for range 3 { // and the place is free again
		if _, err := h.HMACFetcher(t.Context(), HMACQuestion{AccessKey: "k"}); err == nil || !strings.Contains(err.Error(), "boom") {
			t.Errorf("got %v", err)
		}
		if _, err := h.BucketCredsFetcher(t.Context(), BucketCredsQuestion{"t", "b"}); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOverloaded) {
			t.Errorf("got %v", err)
		}
	}
	if h.Validator != nil {
		t.Error("a callback that nobody gave")
	}
}

func TestTheAskersDeadlineIsTheQuestions(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := allowing(func(ctx context.Context, _ string) (Decision, error) {
			<-ctx.Done()
			return Decision{}, ctx.Err()
		}).With(Limits(1, 10, time.Minute))
		begun := time.Now()
		var wg sync.WaitGroup
		for range 3 { // one is asked, the others wait
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := h.Validator(ctx, &Request{Token: "client"}); !errors.Is(err, ErrOverloaded) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
